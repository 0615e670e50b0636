//! The initializers: where a parameter's first values come from.
//!
//! Values are drawn in f64 for the row-major index, from a counter-based stream keyed by the seed and the parameter's name.

use nabla_error::{Code, Error, Result, memory};
use nabla_kernels::philox::{Stream, fill_normal, fill_uniform, hash_path};
use serde::{Deserialize, Serialize};

use crate::fan::{Fan, volume};
use crate::orthogonal::orthogonalize;
use crate::truncated;

/// Which fan a one-sided scale divides by (PyTorch's `mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// Keeps the variance of activations, forward.
    #[default]
    FanIn,
    /// Keeps the variance of gradients, backward.
    FanOut,
}

impl Side {
    fn of(self, shape: &[usize]) -> f64 {
        match self {
            Side::FanIn => Fan::of(shape).input_or_one(),
            Side::FanOut => Fan::of(shape).output_or_one(),
        }
    }
}

/// An initializer and its options, as `{"kind": "heNormal"}`. Fans are those of [`Fan`].
///
/// | kind | distribution | source |
/// |---|---|---|
/// | `zeros`, `ones`, `constant` | one value | |
/// | `normal` | N(mean, deviation²) | default deviation 0.05, as Keras |
/// | `uniform` | U[low, high) | default ±0.05, as Keras |
/// | `truncatedNormal` | N(mean, deviation²), drawn again outside mean ± 2·deviation | Keras, TensorFlow |
/// | `xavierUniform` | U(±gain·√(6/(fanIn + fanOut))) | Glorot & Bengio 2010, eq. 16 |
/// | `xavierNormal` | N(0, gain²·2/(fanIn + fanOut)) | Glorot & Bengio 2010, eq. 12 |
/// | `heUniform` | U(±√(6/((1 + a²)·fan))), a = `negativeSlope` | He et al. 2015, arXiv:1502.01852, eq. 10 and 15 |
/// | `heNormal` | N(0, 2/((1 + a²)·fan)) | the same |
/// | `lecunUniform` | U(±√(3/fanIn)) | LeCun, Bottou, Orr & Müller 1998, eq. 16 |
/// | `lecunNormal` | N(0, 1/fanIn) | the same: the one-sided √(1/m) |
/// | `orthogonal` | gain·Q, uniform over orthogonal matrices `[spatial·in, out]` | Saxe et al. 2014, arXiv:1312.6120 |
/// | `lsuv` | as `orthogonal`, then scaled to outputs of variance 1 where the data are known | Mishkin & Matas 2016, arXiv:1511.06422 |
/// | `identity` | gain on the diagonal (of the centre tap of a convolution: PyTorch's `dirac_`) | Le, Jaitly & Hinton 2015, arXiv:1504.00941 |
/// | `norms` | the norm of each unit (the columns of the last axis) of the parameter `name` of this `shape`, started by `of` | Salimans & Kingma 2016, arXiv:1602.07868 |
/// | `sparse` | N(0, deviation²) with ⌈sparsity·fanIn⌉ of each unit's incoming weights 0 | Martens 2010, section 5 |
///
/// `xavierNormal`, `heNormal` and `lecunNormal` are plain normals as in the papers and PyTorch; Keras cuts its namesakes at two deviations
/// and rescales them to the same variance. PyTorch's `sparse_` silences outgoing weights when its matrix is `[out, in]`; here as in Martens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above says what each option is")]
pub enum Initializer {
    Zeros {},
    Ones {},
    Constant {
        value: f64,
    },
    Normal {
        #[serde(default)]
        mean: f64,
        #[serde(default = "small")]
        deviation: f64,
    },
    Uniform {
        #[serde(default = "minus_small")]
        low: f64,
        #[serde(default = "small")]
        high: f64,
    },
    TruncatedNormal {
        #[serde(default)]
        mean: f64,
        #[serde(default = "small")]
        deviation: f64,
    },
    XavierUniform {
        #[serde(default = "one")]
        gain: f64,
    },
    XavierNormal {
        #[serde(default = "one")]
        gain: f64,
    },
    HeUniform {
        #[serde(default)]
        negative_slope: f64,
        #[serde(default)]
        mode: Side,
    },
    HeNormal {
        #[serde(default)]
        negative_slope: f64,
        #[serde(default)]
        mode: Side,
    },
    LecunUniform {},
    LecunNormal {},
    Orthogonal {
        #[serde(default = "one")]
        gain: f64,
    },
    Identity {
        #[serde(default = "one")]
        gain: f64,
    },
    Lsuv {
        #[serde(default = "tenth")]
        tolerance: f64,
        #[serde(default = "ten")]
        iterations: usize,
    },
    Sparse {
        #[serde(default = "mostly")]
        sparsity: f64,
        #[serde(default = "hundredth")]
        deviation: f64,
    },
    Norms {
        of: Box<Initializer>,
        shape: Vec<usize>,
        name: String,
    },
}

fn one() -> f64 {
    1.0
}
fn small() -> f64 {
    0.05
}
fn minus_small() -> f64 {
    -0.05
}
fn mostly() -> f64 {
    0.9
}
fn tenth() -> f64 {
    0.1
}
fn ten() -> usize {
    10
}
fn hundredth() -> f64 {
    0.01
}

/// What a distribution is before it is drawn.
enum Draw {
    Fixed(f64),
    Normal { mean: f64, deviation: f64 },
    Truncated { mean: f64, deviation: f64 },
    Uniform { low: f64, high: f64 },
    Orthogonal { gain: f64 },
    Identity { gain: f64 },
    Sparse { sparsity: f64, deviation: f64 },
    Norms,
}

impl Initializer {
    /// All zeros.
    pub fn zeros() -> Self {
        Self::Zeros {}
    }

    /// All ones.
    pub fn ones() -> Self {
        Self::Ones {}
    }

    /// N(mean, deviation²).
    pub fn normal(mean: f64, deviation: f64) -> Self {
        Self::Normal { mean, deviation }
    }

    /// One of each kind, with its defaults, and some with options: what the laws walk through.
    pub fn samples() -> Vec<Self> {
        use Initializer::*;
        vec![
            Zeros {},
            Ones {},
            Constant { value: -2.5 },
            Normal {
                mean: 0.0,
                deviation: 0.05,
            },
            Normal { mean: 3.0, deviation: 2.0 },
            Uniform { low: -0.05, high: 0.05 },
            Uniform { low: 1.0, high: 4.0 },
            TruncatedNormal {
                mean: 0.0,
                deviation: 0.05,
            },
            TruncatedNormal {
                mean: -1.0,
                deviation: 3.0,
            },
            XavierUniform { gain: 1.0 },
            XavierUniform { gain: 5.0 / 3.0 },
            XavierNormal { gain: 1.0 },
            HeUniform {
                negative_slope: 0.0,
                mode: Side::FanIn,
            },
            HeUniform {
                negative_slope: 0.2,
                mode: Side::FanOut,
            },
            HeNormal {
                negative_slope: 0.0,
                mode: Side::FanIn,
            },
            HeNormal {
                negative_slope: 0.2,
                mode: Side::FanOut,
            },
            LecunUniform {},
            LecunNormal {},
            Orthogonal { gain: 1.0 },
            Orthogonal { gain: 0.5 },
            Identity { gain: 1.0 },
            Lsuv {
                tolerance: 0.1,
                iterations: 10,
            },
            Sparse {
                sparsity: 0.9,
                deviation: 0.01,
            },
        ]
    }

    /// Checks the options, and that a parameter of this shape can be filled.
    ///
    /// # Errors
    /// `INVALID_OPTION` out of range, `SHAPE_MISMATCH` when orthogonal, identity or sparse meet fewer than two axes.
    pub fn validate(&self, shape: &[usize]) -> Result<()> {
        use Initializer::*;
        let finite = |name, x: f64| {
            if x.is_finite() {
                Ok(())
            } else {
                Err(Error::option(name, "a finite number", x))
            }
        };
        let not_negative = |name, x: f64| {
            if x.is_finite() && x >= 0.0 {
                Ok(())
            } else {
                Err(Error::option(name, "in [0, ∞)", x))
            }
        };
        match *self {
            Zeros {} | Ones {} | LecunUniform {} | LecunNormal {} => Ok(()),
            Constant { value } => finite("value", value),
            Normal { mean, deviation } | TruncatedNormal { mean, deviation } => {
                finite("mean", mean)?;
                not_negative("deviation", deviation)
            }
            Uniform { low, high } => {
                finite("low", low)?;
                finite("high", high)?;
                if low <= high {
                    Ok(())
                } else {
                    Err(Error::option("low", format!("at most high = {high}"), low))
                }
            }
            XavierUniform { gain } | XavierNormal { gain } => not_negative("gain", gain),
            HeUniform { negative_slope, .. } | HeNormal { negative_slope, .. } => finite("negativeSlope", negative_slope),
            Orthogonal { gain } => finite("gain", gain).and_then(|()| needs_matrix("orthogonal", shape)),
            Identity { gain } => finite("gain", gain).and_then(|()| needs_matrix("identity", shape)),
            Lsuv { tolerance, iterations } => {
                if !(tolerance > 0.0 && tolerance.is_finite()) {
                    return Err(Error::option("tolerance", "in (0, ∞)", tolerance));
                }
                if iterations == 0 {
                    return Err(Error::option("iterations", "at least 1", 0));
                }
                needs_matrix("lsuv", shape)
            }
            Sparse { sparsity, deviation } => {
                if !(0.0..=1.0).contains(&sparsity) {
                    return Err(Error::option("sparsity", "in [0, 1]", sparsity));
                }
                not_negative("deviation", deviation)?;
                needs_matrix("sparse", shape)
            }
            Norms {
                ref of, shape: ref other, ..
            } => {
                of.validate(other)?;
                if other.last() == shape.last() && shape.len() == 1 {
                    return Ok(());
                }
                Err(Error::new(Code::ShapeMismatch, format!("norms {shape:?} of units of {other:?}")))
            }
        }
    }

    fn draw(&self, shape: &[usize]) -> Draw {
        use Initializer::*;
        let symmetric = |bound: f64| Draw::Uniform { low: -bound, high: bound };
        let around_zero = |deviation: f64| Draw::Normal { mean: 0.0, deviation };
        let fan = Fan::of(shape);
        match *self {
            Zeros {} => Draw::Fixed(0.0),
            Ones {} => Draw::Fixed(1.0),
            Constant { value } => Draw::Fixed(value),
            Normal { mean, deviation } => Draw::Normal { mean, deviation },
            Uniform { low, high } => Draw::Uniform { low, high },
            TruncatedNormal { mean, deviation } => Draw::Truncated { mean, deviation },
            XavierUniform { gain } => symmetric(gain * (3.0 / fan.mean()).sqrt()),
            XavierNormal { gain } => around_zero(gain * (1.0 / fan.mean()).sqrt()),
            HeUniform { negative_slope: a, mode } => symmetric((6.0 / ((1.0 + a * a) * mode.of(shape))).sqrt()),
            HeNormal { negative_slope: a, mode } => around_zero((2.0 / ((1.0 + a * a) * mode.of(shape))).sqrt()),
            LecunUniform {} => symmetric((3.0 / fan.input_or_one()).sqrt()),
            LecunNormal {} => around_zero((1.0 / fan.input_or_one()).sqrt()),
            Orthogonal { gain } => Draw::Orthogonal { gain },
            Lsuv { .. } => Draw::Orthogonal { gain: 1.0 },
            Identity { gain } => Draw::Identity { gain },
            Sparse { sparsity, deviation } => Draw::Sparse { sparsity, deviation },
            Norms { .. } => Draw::Norms,
        }
    }

    /// The values of a parameter of this shape, row-major. Same seed and name, same values, whatever else the model has.
    pub fn sample(&self, shape: &[usize], seed: u64, name: &str) -> Result<Vec<f64>> {
        self.validate(shape).map_err(|e| e.at(name))?;
        let len = volume(name, shape)?;
        let purpose = hash_path(&format!("initializer/{name}"));
        let stream = Stream::new(seed, purpose, 0);
        let mut out = memory::room_for(len, || format!("{len} values")).map_err(|e| e.at(name))?;
        out.resize(len, 0.0);
        let affine = |out: &mut [f64], shift: f64, factor: f64| out.iter_mut().for_each(|x| *x = *x * factor + shift);
        match self.draw(shape) {
            Draw::Norms => {
                if let Self::Norms { of, shape, name } = self {
                    for row in of.sample(shape, seed, name)?.chunks_exact(len.max(1)) {
                        out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
                    }
                    out.iter_mut().for_each(|sum| *sum = sum.sqrt());
                }
            }
            Draw::Fixed(value) => out.fill(value),
            Draw::Normal { mean, deviation } => {
                fill_normal(stream, 0, &mut out);
                affine(&mut out, mean, deviation);
            }
            Draw::Truncated { mean, deviation } => {
                truncated::fill(seed, purpose, &mut out);
                affine(&mut out, mean, deviation);
            }
            Draw::Uniform { low, high } => {
                fill_uniform(stream, 0, &mut out);
                affine(&mut out, low, high - low);
            }
            Draw::Orthogonal { gain } => {
                fill_normal(stream, 0, &mut out);
                let cols = shape[shape.len() - 1];
                orthogonalize(len.checked_div(cols).unwrap_or(0), cols, &mut out).map_err(|e| e.at(name))?;
                affine(&mut out, 0.0, gain);
            }
            Draw::Identity { gain } => identity(shape, gain, &mut out),
            Draw::Sparse { sparsity, deviation } => {
                fill_normal(stream, 0, &mut out);
                affine(&mut out, 0.0, deviation);
                silence(shape[shape.len() - 1], sparsity, Stream::new(seed, purpose, 1), &mut out);
            }
        }
        Ok(out)
    }
}

fn needs_matrix(what: &str, shape: &[usize]) -> Result<()> {
    if shape.len() >= 2 {
        return Ok(());
    }
    Err(
        Error::new(Code::ShapeMismatch, format!("{what} needs at least two axes, got shape {shape:?}"))
            .expected("[in, out] or [spatial…, in, out]")
            .received(format!("{shape:?}")),
    )
}

/// `gain` where input and output channel are equal, at the spatial centre (`[in, out]` has no spatial axes: the whole diagonal).
fn identity(shape: &[usize], gain: f64, out: &mut [f64]) {
    if let [spatial @ .., input, output] = shape
        && !out.is_empty()
    {
        let centre = spatial.iter().fold(0, |at, d| at * d + d / 2) * input * output;
        for i in 0..*input.min(output) {
            out[centre + i * output + i] = gain;
        }
    }
}

/// Sets ⌈sparsity·rows⌉ values of each column to 0: those with the smallest of independent uniform draws.
fn silence(cols: usize, sparsity: f64, stream: Stream, out: &mut [f64]) {
    let rows = out.len().checked_div(cols).unwrap_or(0);
    let silent = ((sparsity * rows as f64).ceil() as usize).min(rows);
    let mut draws = vec![0.0f64; out.len()];
    fill_uniform(stream, 0, &mut draws);
    let mut order: Vec<usize> = Vec::with_capacity(rows);
    for j in 0..cols {
        order.clear();
        order.extend(0..rows);
        order.sort_unstable_by(|&a, &b| draws[a * cols + j].total_cmp(&draws[b * cols + j]).then(a.cmp(&b)));
        for &i in &order[..silent] {
            out[i * cols + j] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        spec: Initializer,
        shape: Vec<usize>,
        mean: f64,
        variance: f64,
        kurtosis: f64,
        low: Option<f64>,
        high: Option<f64>,
    }

    #[test]
    fn moments_and_bounds_are_those_of_the_definition() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/initializers.json"));
        for (seed, case) in serde_json::from_str::<Fixture>(text).unwrap().cases.into_iter().enumerate() {
            let x = case.spec.sample(&case.shape, seed as u64, "dense/kernel").unwrap();
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let moment = |p: i32| x.iter().map(|x| (x - case.mean).powi(p)).sum::<f64>() / n;
            // five standard errors: 75 cases of three moments fail by chance once in 7000 seeds, and the seeds are fixed
            let label = format!("{:?} {:?}", case.spec, case.shape);
            assert!((mean - case.mean).abs() < 5.0 * (case.variance / n).sqrt(), "{label}: mean {mean}");
            let spread = ((case.kurtosis + 2.0) / n).sqrt();
            assert!(
                (moment(2) / case.variance - 1.0).abs() < 5.0 * spread,
                "{label}: variance {}",
                moment(2)
            );
            let kurtosis = moment(4) / (moment(2) * moment(2)) - 3.0;
            assert!(
                (kurtosis - case.kurtosis).abs() < 5.0 * (24.0 / n).sqrt(),
                "{label}: kurtosis {kurtosis}"
            );
            let (low, high) = x.iter().fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(*x), h.max(*x)));
            if let (Some(a), Some(b)) = (case.low, case.high) {
                assert!(a <= low && high <= b, "{label}: [{low}, {high}]");
                let reach = (b - a) * 0.02;
                assert!(
                    low < a + reach && high > b - reach,
                    "{label}: [{low}, {high}] does not fill [{a}, {b}]"
                );
            }
        }
    }

    #[test]
    fn orthogonal_rows_or_columns_are_orthonormal() {
        for shape in [
            &[1, 1][..],
            &[5, 5],
            &[40, 7],
            &[7, 40],
            &[130, 120],
            &[3, 3, 8, 20],
            &[0, 4],
            &[4, 0],
        ] {
            let gain = 1.5;
            let a = Initializer::Orthogonal { gain }.sample(shape, 3, "w").unwrap();
            let cols = shape[shape.len() - 1];
            let rows = a.len().checked_div(cols).unwrap_or(0);
            let at = |v: usize, i: usize| if rows >= cols { a[i * cols + v] } else { a[v * cols + i] };
            for u in 0..rows.min(cols) {
                for v in 0..=u {
                    let dot: f64 = (0..rows.max(cols)).map(|i| at(u, i) * at(v, i)).sum();
                    let expected = if u == v { gain * gain } else { 0.0 };
                    assert!((dot - expected).abs() < 1e-13, "{shape:?} {u} {v}: {dot}");
                }
            }
        }
    }

    #[test]
    fn orthogonal_is_uniform_over_orthogonal_matrices() {
        // Haar: E q₀₀ = 0, E q₀₀² = 1/n, E trace² = 1 (a sign convention that is left out would show in the first and the last)
        let (n, draws) = (3, 4000);
        let (mut first, mut square, mut trace) = (0.0, 0.0, 0.0);
        for seed in 0..draws {
            let q = Initializer::Orthogonal { gain: 1.0 }.sample(&[n, n], seed, "w").unwrap();
            first += q[0];
            square += q[0] * q[0];
            trace += (q[0] + q[4] + q[8]).powi(2);
        }
        let count = draws as f64;
        assert!((first / count).abs() < 0.05 && (square / count - 1.0 / 3.0).abs() < 0.03 && (trace / count - 1.0).abs() < 0.12);
    }

    #[test]
    fn identity_passes_its_input_on() {
        let sample = |shape: &[usize]| Initializer::Identity { gain: 2.0 }.sample(shape, 0, "w").unwrap();
        assert_eq!(sample(&[2, 3]), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        assert_eq!(sample(&[3, 2]), [2.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
        let taps = sample(&[3, 3, 2, 2]);
        assert_eq!(taps.iter().filter(|x| **x != 0.0).count(), 2);
        assert_eq!(taps[4 * 4..5 * 4], [2.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn sparse_silences_the_same_number_of_inputs_of_each_unit() {
        let (rows, cols) = (50, 30);
        for (sparsity, silent) in [(0.0, 0), (0.33, 17), (0.9, 45), (1.0, 50)] {
            let w = Initializer::Sparse { sparsity, deviation: 0.5 }
                .sample(&[rows, cols], 1, "w")
                .unwrap();
            let zeros = |j: usize| (0..rows).filter(|i| w[i * cols + j] == 0.0).count();
            assert!((0..cols).all(|j| zeros(j) == silent), "{sparsity}");
        }
        let w = Initializer::Sparse {
            sparsity: 0.5,
            deviation: 0.5,
        }
        .sample(&[400, 200], 1, "w")
        .unwrap();
        let square: f64 = w.iter().map(|x| x * x).sum::<f64>() / 40_000.0;
        assert!((square - 0.25).abs() < 5.0 * 0.25 * (2.0f64 / 40_000.0).sqrt());
        // each input is heard by about half of the units: positions are not the same in all columns
        assert!((0..400).all(|i| (40..160).contains(&(0..200).filter(|j| w[i * 200 + j] != 0.0).count())));
    }

    proptest! {
        #[test]
        fn seed_and_name_decide(shape in prop::collection::vec(1usize..6, 2..5), seed: u64) {
            for init in Initializer::samples() {
                let x = init.sample(&shape, seed, "a/kernel").unwrap();
                prop_assert_eq!(x.len(), shape.iter().product::<usize>());
                prop_assert!(x.iter().all(|x| x.is_finite()));
                prop_assert_eq!(&x, &init.sample(&shape, seed, "a/kernel").unwrap());
            }
            let wide = [20, 5];
            for init in Initializer::samples() {
                let x = init.sample(&wide, seed, "a/kernel").unwrap();
                let fixed = matches!(init, Initializer::Zeros {} | Initializer::Ones {} | Initializer::Constant { .. } | Initializer::Identity { .. });
                prop_assert_eq!(x == init.sample(&wide, seed, "b/kernel").unwrap(), fixed, "{:?}", init);
                prop_assert_eq!(x == init.sample(&wide, seed ^ 1, "a/kernel").unwrap(), fixed, "{:?}", init);
            }
        }
    }

    #[test]
    fn json_and_back() {
        for init in Initializer::samples() {
            let mut json = serde_json::to_value(&init).unwrap();
            assert_eq!(serde_json::from_value::<Initializer>(json.clone()).unwrap(), init);
            json["gian"] = 1.into();
            assert!(serde_json::from_value::<Initializer>(json).is_err(), "{init:?}");
        }
        let he: Initializer = serde_json::from_str(r#"{"kind":"heNormal"}"#).unwrap();
        assert_eq!(
            he,
            Initializer::HeNormal {
                negative_slope: 0.0,
                mode: Side::FanIn
            }
        );
        assert!(serde_json::from_str::<Initializer>(r#"{"kind":"constant"}"#).is_err());
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        for (json, option) in [
            (r#"{"kind":"normal","deviation":-1}"#, "deviation"),
            (r#"{"kind":"uniform","low":1,"high":0}"#, "low"),
            (r#"{"kind":"xavierNormal","gain":-1}"#, "gain"),
            (r#"{"kind":"sparse","sparsity":1.1}"#, "sparsity"),
        ] {
            let error = serde_json::from_str::<Initializer>(json).unwrap().validate(&[2, 2]).unwrap_err();
            assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some(option)));
        }
        for init in [Initializer::Orthogonal { gain: 1.0 }, Initializer::Identity { gain: 1.0 }] {
            let error = init.sample(&[4], 0, "dense/bias").unwrap_err();
            assert_eq!((error.code, error.place.as_deref()), (Code::ShapeMismatch, Some("dense/bias")));
        }
    }
}
