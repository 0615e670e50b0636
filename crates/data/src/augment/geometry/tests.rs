use super::*;

fn scratch(image: &[f64]) -> Scratch<f64> {
    Scratch {
        now: image.to_vec(),
        next: vec![7.0; image.len()],
        ..Scratch::default()
    }
}

#[derive(serde::Deserialize)]
struct Case {
    kind: String,
    shape: [usize; 3],
    image: Vec<f64>,
    result: Vec<f64>,
    map: Option<[f64; 6]>,
    degrees: Option<f64>,
}

#[derive(serde::Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[test]
fn samples_as_scipy_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/augmentation.json");
    let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(fixture.cases.len(), 24);
    for case in fixture.cases {
        let [height, width, _] = case.shape;
        let map = match (case.map, case.degrees) {
            (Some([a, b, c, d, e, f]), _) => Affine { a, b, c, d, e, f },
            (None, degrees) => {
                let centre = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
                rotation(centre, degrees.unwrap().to_radians())
            }
        };
        let mut buffers = scratch(&case.image);
        resample(&map, case.shape, &mut buffers);
        for (got, expected) in buffers.now.iter().zip(&case.result) {
            // 1e-9: sums of four products of numbers up to 255, and points that differ in the last bit.
            assert!((got - expected).abs() < 1e-9, "{}: {got} for {expected}", case.kind);
        }
    }
}

#[test]
fn steps_in_a_row_are_one_map() {
    let centre = [3.0, 2.5];
    let (first, second) = (rotation(centre, 0.3), Affine::about(centre, 1.2, 0.4, 0.0, 1.2));
    let both = first.after(&second);
    let [x, y] = second.of(1.0, 5.0);
    let (expected, got) = (first.of(x, y), both.of(1.0, 5.0));
    assert!((expected[0] - got[0]).abs() < 1e-12 && (expected[1] - got[1]).abs() < 1e-12);
}

#[test]
fn whole_pixels_are_copied_and_fractions_of_them_come_near() {
    let image: Vec<f64> = (0..5 * 4 * 2).map(|i| f64::from((i * 37) % 101)).collect();
    for (a, e) in [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
        for (c, f) in [(0.0, 0.0), (2.0, -1.0), (-7.0, 3.0), (4.0, 9.0), (3.0, 4.0)] {
            let map = Affine {
                a,
                c,
                e,
                f,
                ..Affine::IDENTITY
            };
            assert!(map.is_whole());
            let (mut copied, mut sampled) = (scratch(&image), vec![0.0; image.len()]);
            resample(&map, [5, 4, 2], &mut copied);
            sample([5, 4, 2], &image, &mut sampled, |x, y| map.of(x as f64, y as f64));
            assert_eq!(copied.now, sampled, "{map:?}");
        }
    }
}

#[test]
fn displacements_are_smoothed_noise() {
    let [height, width] = [9, 12];
    let (strength, smoothness) = (3.0, 1.3);
    let draws = Draws::new(4, 0, 2, 17);
    let mut field = vec![0.0f32; 3 * height * width];
    displace(&mut field, &draws, [height, width, 1], strength, smoothness);
    let mut noise = vec![0.0f32; 2 * height * width];
    draws.uniforms(&mut noise);
    let radius = (3.0f64 * smoothness + 0.5) as i64;
    let weight = |i: i64| (-0.5 * (i as f64 / smoothness).powi(2)).exp();
    let total: f64 = (-radius..=radius).map(weight).sum();
    for axis in 0..2 {
        for y in 0..height as i64 {
            for x in 0..width as i64 {
                let mut sum = 0.0;
                for dy in -radius..=radius {
                    for dx in -radius..=radius {
                        let (sy, sx) = (y + dy, x + dx);
                        if sy >= 0 && sx >= 0 && sy < height as i64 && sx < width as i64 {
                            let at = axis * height * width + sy as usize * width + sx as usize;
                            sum += weight(dx) * weight(dy) * (2.0 * f64::from(noise[at]) - 1.0);
                        }
                    }
                }
                let expected = strength * sum / (total * total);
                let got = f64::from(field[axis * height * width + y as usize * width + x as usize]);
                assert!((got - expected).abs() < 1e-5, "{got} for {expected}");
            }
        }
    }
}
