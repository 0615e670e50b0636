use super::*;

/// −log₁₀ of the relative error: the digits that are right.
fn digits(found: f64, certified: f64) -> f64 {
    let error = (found - certified).abs() / certified.abs();
    if error == 0.0 { 16.0 } else { -error.log10() }
}

/// A certified linear set of NIST, if `NABLA_DATA` has them: the least digits of the coefficients.
fn nist(name: &str) -> Option<f64> {
    let folder = std::path::PathBuf::from(std::env::var_os("NABLA_DATA")?).join("nist-strd");
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json"))).ok()?).ok()?;
    let text = std::fs::read_to_string(folder.join(format!("{name}.csv"))).ok()?;
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').map(|cell| cell.trim().parse().unwrap()).collect())
        .collect();
    let certified: Vec<f64> = json["certified"]["parameters"]
        .as_array()?
        .iter()
        .map(|p| p["estimate"].as_f64().unwrap())
        .collect();
    let intercept = json["intercept"].as_bool()?;
    let width = certified.len() - usize::from(intercept);
    let t: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    // One x and several parameters: powers of it.
    let powers = rows[0].len() == 2 && width > 1;
    let phi: Vec<f64> = rows
        .iter()
        .flat_map(|row| match powers {
            true => (1..=width as i32).map(|k| row[1].powi(k)).collect(),
            false => row[1..].to_vec(),
        })
        .collect();
    let s = solve(&phi, width, &t, None, 0.0, intercept).unwrap();
    assert_eq!(s.rank, certified.len(), "{name}");
    let found = if intercept {
        [vec![s.intercept], s.coefficients].concat()
    } else {
        s.coefficients
    };
    Some(found.iter().zip(&certified).map(|(a, b)| digits(*a, *b)).fold(16.0, f64::min))
}

/// What QR in double precision can reach: the file's own digits bound the easy sets, the condition of the polynomial the hard ones.
#[test]
fn certified_sets_of_nist() {
    for (name, least) in [
        ("Norris", 11.0),
        ("Pontius", 11.0),
        ("NoInt1", 11.0),
        ("NoInt2", 11.0),
        ("Longley", 10.0),
        ("Filip", 7.0),
        ("Wampler1", 8.0),
        ("Wampler2", 10.0),
        ("Wampler3", 7.0),
        ("Wampler4", 7.0),
        ("Wampler5", 5.0),
    ] {
        let Some(digits) = nist(name) else { continue };
        println!("{name}: {digits:.1} digits");
        assert!(digits >= least, "{name}: {digits:.1} digits");
    }
}

const PHI: [f64; 12] = [1.0, 2.0, 2.0, 1.0, 3.0, 5.0, 4.0, 3.0, 5.0, 8.0, 6.0, 4.0];
const T: [f64; 6] = [1.1, 2.3, 2.8, 4.1, 5.2, 5.8];

#[test]
fn normal_equations_hold_for_any_penalty() {
    for lambda in [0.0, 1e-3, 1.0, 100.0] {
        let s = solve(&PHI, 2, &T, None, lambda, true).unwrap();
        let residual = |i: usize| T[i] - s.intercept - PHI[2 * i] * s.coefficients[0] - PHI[2 * i + 1] * s.coefficients[1];
        assert!((0..6).map(residual).sum::<f64>().abs() < 1e-12, "the intercept is not penalized");
        for j in 0..2 {
            let gradient: f64 = (0..6).map(|i| PHI[2 * i + j] * residual(i)).sum();
            assert!((gradient - lambda * s.coefficients[j]).abs() < 1e-11);
        }
    }
}

#[test]
fn leaving_one_out_is_fitting_without_it() {
    for lambda in [0.0, 0.5] {
        let whole = solve(&PHI, 2, &T, None, lambda, true).unwrap();
        let mut sum = 0.0;
        for out in 0..6 {
            let kept: Vec<usize> = (0..6).filter(|i| *i != out).collect();
            let phi: Vec<f64> = kept.iter().flat_map(|i| PHI[2 * i..2 * i + 2].to_vec()).collect();
            let t: Vec<f64> = kept.iter().map(|i| T[*i]).collect();
            let s = solve(&phi, 2, &t, None, lambda, true).unwrap();
            sum += (T[out] - s.intercept - PHI[2 * out] * s.coefficients[0] - PHI[2 * out + 1] * s.coefficients[1]).powi(2) / 6.0;
        }
        assert!((whole.leave_one_out - sum).abs() < 1e-10 * sum, "{} {sum}", whole.leave_one_out);
    }
    let automatic = solve_automatic(&PHI, 2, &T, None, true).unwrap();
    assert!(automatic.leave_one_out <= solve(&PHI, 2, &T, None, 1.0, true).unwrap().leave_one_out * 1.05);
}

#[test]
fn a_dependent_column_is_seen_and_weights_are_repeated_rows() {
    let twice: Vec<f64> = (0..6).flat_map(|i| [PHI[2 * i], 2.0 * PHI[2 * i], PHI[2 * i + 1]]).collect();
    assert_eq!(solve(&twice, 3, &T, None, 0.0, true).unwrap().rank, 3);
    assert_eq!(solve(&twice, 3, &T, None, 1.0, true).unwrap().rank, 4);
    let weighted = solve(&PHI, 2, &T, Some(&[1.0, 2.0, 1.0, 0.0, 1.0, 1.0]), 0.3, true).unwrap();
    let rows = [0usize, 1, 1, 2, 4, 5];
    let phi: Vec<f64> = rows.iter().flat_map(|i| PHI[2 * i..2 * i + 2].to_vec()).collect();
    let t: Vec<f64> = rows.iter().map(|i| T[*i]).collect();
    let repeated = solve(&phi, 2, &t, None, 0.3, true).unwrap();
    assert!((weighted.coefficients[0] - repeated.coefficients[0]).abs() < 1e-12);
    assert!(solve(&PHI, 2, &T, None, -1.0, true).is_err());
}
