//! Numeric against analytic gradients in double precision, for any recipe and batch.
//!
//! numeric = (L(θ + ε) − L(θ − ε))/2ε; the error of one derivative is |a − n|/max(|a| + |n|, 10⁻³·largest |a| of its parameter, 10⁻⁸).
//! Where it is large the difference is taken again with smaller steps, since a kink (of relu, of |x|) may lie within ε; the least counts.

use std::sync::Arc;

use nabla_data::Dataset;
use nabla_error::{Code, Error, Result};
use nabla_graph::{Bases, Moment};
use nabla_kernels::Aligned;
use nabla_kernels::team::Member;
use nabla_params::Arena;
use serde::Serialize;

use crate::feed::Feed;
use crate::output_weights::class_weight_places;
use crate::recipe::Recipe;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GradientCheck {
    /// The largest error of all.
    pub max_relative_error: f64,
    /// Where it is.
    pub worst_parameter: String,
    /// The index in that parameter, row-major.
    pub worst_index: usize,
    /// The derivative there by the graph's rules,
    pub analytic: f64,
    /// and by differences.
    pub numeric: f64,
    /// Derivatives that were compared.
    pub checked: usize,
    /// The largest error of each parameter.
    pub parameters: Vec<ParameterError>,
}

/// The largest error of one parameter.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterError {
    /// Its name.
    pub name: String,
    /// Its error.
    pub max_relative_error: f64,
}

/// Checks at the recipe's first weights, with its noise held; at most `limit` derivatives of each parameter, evenly chosen.
///
/// # Errors
/// What a fit of the same data would say; `NOT_FINITE` when the loss is not.
pub fn check_gradients(recipe: &Arc<Recipe>, data: &Dataset, epsilon: f64, limit: usize) -> Result<GradientCheck> {
    if !(epsilon > 0.0 && epsilon < 1.0) {
        return Err(Error::option("epsilon", "in (0, 1)", epsilon));
    }
    let spec = &recipe.spec;
    let preparation = nabla_data::pipeline::fit(&spec.prepare, data)?;
    let targets = spec.fit_targets(data)?;
    let feed = Feed::new(recipe, data, &preparation, &targets, true)?.with_class_weights(spec)?;
    let rows = &feed.rows;
    let n = rows.len();
    if n == 0 {
        return Err(Error::new(Code::InvalidData, "there are no rows to check on").expected("at least one row"));
    }
    let program = recipe.training_unmixed(n)?;
    let mut memory = program.memory::<f64>()?;
    let arena = &recipe.arena;
    let (mut theta, mut gradient) = (Aligned::zeroed(arena.len)?, Aligned::zeroed(arena.len)?);
    arena.initialize(spec.seed, &mut theta)?;
    let class_weights = class_weight_places(spec, &program)?;
    let missing = || Error::internal("the training program has no loss");
    let (place, weights) = (
        program.place("loss").ok_or_else(missing)?,
        program.place("rowWeights").ok_or_else(missing)?,
    );
    let mut loss = |theta: &mut [f64], gradient: &mut [f64]| -> f64 {
        let bases = Bases::new(&mut memory, theta, gradient);
        let moment = Moment {
            batch: n,
            seed: spec.seed,
            step: 0,
            rates: &recipe.rates,
        };
        // SAFETY: the memory was made for this program, and this call alone uses it.
        unsafe {
            if let Some(place) = program.place("features") {
                feed.features(rows, bases.write(&place, n, 0..place.len.at(n)));
            }
            if let Some(place) = program.place("mask") {
                feed.mask(rows, bases.write(&place, n, 0..place.len.at(n)));
            }
            if let Some(place) = program.place("targets") {
                feed.targets(rows, bases.write(&place, n, 0..place.len.at(n)));
            }
            for (index, place) in class_weights.iter().enumerate() {
                feed.fill_class_weights(index, rows, bases.write(place, n, 0..n));
            }
            let row_weights = bases.write(&weights, n, 0..n);
            feed.batch_weights(rows).fill(rows, row_weights);
            let row_weights = row_weights.to_vec();
            program.run(&bases, &moment, &Member::alone());
            bases.read(&place, n).iter().zip(row_weights).map(|(l, w)| l * w).sum()
        }
    };
    let first = loss(&mut theta, &mut gradient);
    feed.check()?;
    if !first.is_finite() {
        return Err(Error::new(Code::NotFinite, "the loss is not finite at the first weights").at("loss"));
    }
    Ok(compare(arena, &mut theta, &mut gradient, &mut loss, epsilon, limit))
}

/// Compares the gradient that an evaluation leaves behind with differences of its losses, at weights where it has just been evaluated.
fn compare(
    arena: &Arena,
    theta: &mut [f64],
    gradient: &mut [f64],
    loss: &mut dyn FnMut(&mut [f64], &mut [f64]) -> f64,
    epsilon: f64,
    limit: usize,
) -> GradientCheck {
    let analytic = gradient.to_vec();
    let mut found = GradientCheck {
        max_relative_error: 0.0,
        worst_parameter: String::new(),
        worst_index: 0,
        analytic: 0.0,
        numeric: 0.0,
        checked: 0,
        parameters: Vec::new(),
    };
    for row in arena.rows.iter().filter(|r| r.spec.trainable && r.values() > 0) {
        let largest = analytic[row.range()].iter().fold(0.0f64, |a, g| a.max(g.abs()));
        let (values, mut worst) = (row.values(), 0.0f64);
        for i in 0..values.min(limit) {
            let index = if values <= limit {
                i
            } else {
                (i * (values - 1)) / (limit - 1).max(1)
            };
            let at = row.stored(index);
            let (kept, a) = (theta[at], analytic[at]);
            let mut best = (f64::INFINITY, 0.0);
            for shrink in [1.0, 0.1, 0.01] {
                let step = epsilon * shrink * kept.abs().max(1.0);
                let mut side = |x: f64| {
                    theta[at] = x;
                    loss(theta, gradient)
                };
                let numeric = (side(kept + step) - side(kept - step)) / ((kept + step) - (kept - step));
                theta[at] = kept;
                let error = (a - numeric).abs() / (a.abs() + numeric.abs()).max(1e-3 * largest).max(1e-8);
                // NaN is the worst of all
                if error < best.0 || error.is_nan() {
                    best = (if error.is_nan() { f64::INFINITY } else { error }, numeric);
                }
                if best.0 < 1e-6 {
                    break;
                }
            }
            found.checked += 1;
            worst = worst.max(best.0);
            if best.0 > found.max_relative_error || found.worst_parameter.is_empty() {
                found.max_relative_error = best.0;
                found.worst_parameter.clone_from(&row.spec.name);
                (found.worst_index, found.analytic, found.numeric) = (index, a, best.1);
            }
        }
        found.parameters.push(ParameterError {
            name: row.spec.name.clone(),
            max_relative_error: worst,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use nabla_params::{Initializer, Layout, Spec};

    use super::*;

    /// ½·Σ (a·w² + b·v): with the right derivatives, but of one weight.
    fn planted(parameter: &str, index: usize, factor: f64) -> GradientCheck {
        let spec = |name: &str, shape: &[usize], layout: Layout| Spec {
            name: name.to_owned(),
            shape: shape.to_vec(),
            initializer: Initializer::normal(0.0, 1.0),
            trainable: true,
            layout,
        };
        let arena = Arena::new(vec![
            spec("dense/kernel", &[3, 20], Layout::Panels),
            spec("dense/bias", &[20], Layout::RowMajor),
        ])
        .unwrap();
        let wrong = arena.find(parameter).unwrap().stored(index);
        let (mut theta, mut gradient) = (vec![0.0; arena.len], vec![0.0; arena.len]);
        arena.initialize(1, &mut theta).unwrap();
        let mut loss = |theta: &mut [f64], gradient: &mut [f64]| {
            gradient.iter_mut().zip(theta.iter()).for_each(|(g, w)| *g = w.sin());
            gradient[wrong] *= factor;
            -theta.iter().map(|w| w.cos()).sum::<f64>()
        };
        loss(&mut theta, &mut gradient);
        compare(&arena, &mut theta, &mut gradient, &mut loss, 1e-5, 200)
    }

    #[test]
    fn a_planted_wrong_derivative_is_found_and_named() {
        let right = planted("dense/kernel", 0, 1.0);
        assert!(right.max_relative_error < 1e-6 && right.checked == 80, "{right:?}");
        for (parameter, index, factor) in [
            ("dense/kernel", 37, 1.001),
            ("dense/kernel", 19, -1.0),
            ("dense/bias", 11, 0.0),
            ("dense/bias", 3, f64::NAN),
        ] {
            let found = planted(parameter, index, factor);
            assert_eq!((found.worst_parameter.as_str(), found.worst_index), (parameter, index), "{found:?}");
            let expected = (factor - 1.0).abs() / (factor.abs() + 1.0);
            let error = found.max_relative_error;
            assert!(
                (error / expected - 1.0).abs() < 0.01 || (expected.is_nan() && error == f64::INFINITY),
                "{error} {expected}"
            );
            for other in found.parameters.iter().filter(|p| p.name != parameter) {
                assert!(other.max_relative_error < 1e-6, "{other:?}");
            }
        }
    }
}
