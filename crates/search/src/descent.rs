//! Minimizing a smooth function within a box: L-BFGS along the projected path.
//!
//! Liu & Nocedal 1989 for the direction from the last steps, Bertsekas 1982 for bounds: what lies at a bound and is pushed beyond it stays,
//! the others go on, and a step is cut at the box. A step is halved until the function falls by enough (Armijo 1966).

/// When to end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps at most.
    pub steps: usize,
    /// The largest component of the projected gradient that counts as none.
    pub gradient: f64,
}

/// Steps that are remembered.
const MEMORY: usize = 8;
const HALVINGS: usize = 20;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The least found from `x` on, in place of it, and its value. `f` writes the gradient and gives the value, or none where it has none.
pub fn minimize(
    x: &mut Vec<f64>,
    bounds: &[(f64, f64)],
    limits: Limits,
    mut f: impl FnMut(&[f64], &mut [f64]) -> Option<f64>,
) -> Option<f64> {
    let n = x.len();
    let mut gradient = vec![0.0; n];
    let mut value = f(x, &mut gradient)?;
    let mut history: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    for _ in 0..limits.steps {
        let held: Vec<bool> = (0..n)
            .map(|i| (x[i] <= bounds[i].0 && gradient[i] > 0.0) || (x[i] >= bounds[i].1 && gradient[i] < 0.0))
            .collect();
        let free = |v: &[f64]| -> Vec<f64> { v.iter().zip(&held).map(|(v, h)| if *h { 0.0 } else { *v }).collect() };
        let slope = free(&gradient);
        let steepest = slope.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        if steepest.is_nan() || steepest < limits.gradient {
            break;
        }
        let mut direction = slope.clone();
        let mut shares = Vec::new();
        for (s, y) in history.iter().rev() {
            let a = dot(s, &direction) / dot(s, y);
            direction.iter_mut().zip(y).for_each(|(d, y)| *d -= a * y);
            shares.push(a);
        }
        // Without a past, a step of about a tenth.
        let scale = history.last().map_or(0.1 / steepest.max(0.1), |(s, y)| dot(s, y) / dot(y, y));
        direction.iter_mut().for_each(|d| *d *= scale);
        for ((s, y), a) in history.iter().zip(shares.iter().rev()) {
            let b = dot(y, &direction) / dot(s, y);
            direction.iter_mut().zip(s).for_each(|(d, s)| *d += (a - b) * s);
        }
        direction = free(&direction);
        if dot(&direction, &slope) <= 0.0 {
            direction = slope.iter().map(|g| g * 0.1 / steepest.max(0.1)).collect();
            history.clear();
        }
        let mut length = 1.0;
        let mut found = None;
        for _ in 0..HALVINGS {
            for i in 0..n {
                next[i] = (x[i] - length * direction[i]).clamp(bounds[i].0, bounds[i].1);
            }
            let promised: f64 = (0..n).map(|i| slope[i] * (next[i] - x[i])).sum();
            if let Some(v) = f(&next, &mut next_gradient)
                && v <= value + 1e-4 * promised
            {
                found = Some(v);
                break;
            }
            length *= 0.5;
        }
        let Some(v) = found else {
            // The remembered steps may mislead: once more downhill.
            if history.is_empty() {
                break;
            }
            history.clear();
            continue;
        };
        let s: Vec<f64> = next.iter().zip(x.iter()).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&s, &y) > 1e-10 * dot(&y, &y) {
            history.push((s, y));
            if history.len() > MEMORY {
                history.remove(0);
            }
        }
        let fell = value - v;
        std::mem::swap(x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = v;
        if fell <= 1e-9 * value.abs().max(1.0) {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's function, whose least within the box lies on its edge where the box leaves (1, 1) out.
    fn valley(x: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let a = x[1] - x[0] * x[0];
        gradient[0] = -400.0 * x[0] * a - 2.0 * (1.0 - x[0]);
        gradient[1] = 200.0 * a;
        Some(100.0 * a * a + (1.0 - x[0]) * (1.0 - x[0]))
    }

    #[test]
    fn finds_the_least_inside_and_at_the_edge() {
        let limits = Limits {
            steps: 200,
            gradient: 1e-8,
        };
        let mut x = vec![-1.2, 1.0];
        let value = minimize(&mut x, &[(-2.0, 2.0); 2], limits, valley).unwrap();
        assert!(value < 1e-12 && (x[0] - 1.0).abs() < 1e-5, "{value} {x:?}");
        let mut x = vec![-1.2, 1.0];
        minimize(&mut x, &[(-2.0, 0.5), (-2.0, 2.0)], limits, valley).unwrap();
        assert!((x[0] - 0.5).abs() < 1e-9 && (x[1] - 0.25).abs() < 1e-6, "{x:?}");
    }
}
