//! Layer-sequential unit variance: kernels drawn orthogonal are divided, layer by layer, by the deviation of what they give on rows of the
//! training data, until its variance is 1. Mishkin & Matas 2016, arXiv:1511.06422, Algorithm 1.

use std::collections::BTreeMap;

use nabla_error::{Code, Error, Result};
use nabla_graph::ops::Operator;
use nabla_graph::{Bases, Mode, Moment, Program, Purpose};
use nabla_kernels::Real;
use nabla_kernels::team::Member;
use nabla_params::Initializer;
use serde::Serialize;

use crate::feed::Feed;
use crate::recipe::Recipe;

/// What was done to one kernel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitVariance {
    /// Its name.
    pub parameter: String,
    /// The variance of its layer's outputs, before activation and bias, with the orthogonal kernel,
    pub before: f64,
    /// and at the end.
    pub after: f64,
    /// What the kernel was multiplied by.
    pub factor: f64,
    /// In how many corrections.
    pub corrections: usize,
}

/// Rows that are looked at, at most: evenly chosen among the training rows.
const ROWS: usize = 256;

/// Whether any kernel asks for it.
pub(crate) fn wanted(recipe: &Recipe) -> bool {
    let mut rows = recipe.arena.rows.iter();
    rows.any(|row| matches!(row.spec.initializer, Initializer::Lsuv { .. }))
}

/// Scales the kernels that ask for it, in the order of the graph, but those `taken` from another model. Noise and batch norm are as in the
/// first training step.
pub(crate) fn scale<T: Real>(
    recipe: &Recipe,
    feed: &Feed,
    taken: Option<&BTreeMap<String, Vec<f64>>>,
    theta: &mut [T],
) -> Result<Vec<UnitVariance>> {
    let arena = &recipe.arena;
    let mut graph = recipe.graph.clone();
    let mut layers = Vec::new();
    for parameter in &recipe.graph.parameters {
        let Some(row) = arena.find(&parameter.name) else { continue };
        let Initializer::Lsuv { tolerance, iterations } = row.spec.initializer else {
            continue;
        };
        if taken.is_some_and(|taken| taken.contains_key(&parameter.name)) {
            continue;
        }
        let product = graph
            .nodes
            .iter()
            .position(|n| matches!(n.op, Operator::Matmul(_) | Operator::Conv(_)) && n.inputs.get(1) == Some(&parameter.node));
        let Some(product) = product else {
            return Err(Error::option("lsuv", "the kernel of a dense layer or a convolution", "another weight").at(&parameter.name));
        };
        layers.push((product, row, tolerance, iterations));
    }
    layers.sort_by_key(|(product, ..)| *product);
    let name = |product: usize| format!("lsuv:{product}");
    for (product, ..) in &layers {
        graph.outputs.insert(name(*product), *product);
    }
    let rows: Vec<u32> = (0..feed.rows.len().min(ROWS))
        .map(|i| feed.rows[i * feed.rows.len() / feed.rows.len().min(ROWS)])
        .collect();
    let purpose = Purpose {
        mode: Mode::Train,
        gradients: false,
        outputs: layers.iter().map(|(product, ..)| name(*product)).collect(),
        capacity: rows.len(),
    };
    let program = Program::compile(&graph, arena, &purpose)?;
    let mut memory = program.memory::<T>()?;
    let (n, features, mask) = (rows.len(), program.place("features"), program.place("mask"));
    let moment = Moment {
        batch: n,
        seed: recipe.spec.seed,
        step: 0,
        rates: &recipe.rates,
    };
    let mut found = Vec::new();
    for (product, row, tolerance, iterations) in layers {
        let place = program
            .place(&name(product))
            .ok_or_else(|| Error::internal("a layer's output has no place"))?;
        let mut variance = |theta: &[T]| -> f64 {
            let bases = Bases::reading(&mut memory, theta);
            // SAFETY: this program's own memory, on this thread alone; n is its capacity.
            let values = unsafe {
                if let Some(place) = &features {
                    feed.features(&rows, bases.write(place, n, 0..place.len.at(n)));
                }
                if let Some(place) = &mask {
                    feed.mask(&rows, bases.write(place, n, 0..place.len.at(n)));
                }
                program.run(&bases, &moment, &Member::alone());
                bases.read(&place, n)
            };
            let count = values.len() as f64;
            let mean = values.iter().map(|v| v.to_f64()).sum::<f64>() / count;
            values.iter().map(|v| (v.to_f64() - mean) * (v.to_f64() - mean)).sum::<f64>() / count
        };
        let before = variance(theta);
        feed.check()?;
        let (mut now, mut factor, mut corrections) = (before, 1.0, 0);
        while (now - 1.0).abs() > tolerance && corrections < iterations {
            if !(now > 0.0 && now.is_finite()) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("lsuv: on {n} rows the layer's outputs have variance {now}"),
                )
                .at(&row.spec.name)
                .expected("outputs that differ")
                .received(now.to_string())
                .hint("Prepare the features (standardize()), or look for layers below that are dead."));
            }
            let by = 1.0 / now.sqrt();
            theta[row.range()].iter_mut().for_each(|w| *w *= T::from_f64(by));
            factor *= by;
            corrections += 1;
            now = variance(theta);
        }
        found.push(UnitVariance {
            parameter: row.spec.name.clone(),
            before,
            after: now,
            factor,
            corrections,
        });
    }
    Ok(found)
}
