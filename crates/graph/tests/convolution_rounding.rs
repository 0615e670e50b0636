//! How far f32 convolutions are from f64: Winograd's way rounds more than the direct one, and stays within a stated share of the
//! largest value.

use std::collections::HashMap;

use nabla_graph::ops::Operator;
use nabla_graph::program::evaluate;
use nabla_graph::{Builder, Graph, Mode, Purpose, Shape};
use nabla_kernels::Real;
use nabla_kernels::philox::{Stream, fill_normal};
use serde_json::json;

fn numbers(len: usize, seed: u64, scale: f64) -> Vec<f64> {
    let mut values = vec![0.0f32; len];
    fill_normal(Stream::new(seed, 0, 0), 0, &mut values);
    // Rounded to f32, so that both precisions start from the same numbers.
    values.iter().map(|&v| f64::from(v * scale as f32)).collect()
}

fn outputs<T: Real>(graph: &Graph, inputs: &HashMap<String, Vec<f64>>, batch: usize) -> HashMap<String, Vec<f64>> {
    let inputs = inputs
        .iter()
        .map(|(name, x)| (name.clone(), x.iter().map(|&v| T::from_f64(v)).collect()));
    let purpose = Purpose {
        mode: Mode::Infer,
        gradients: false,
        outputs: ["y", "dx", "dw"].map(str::to_owned).to_vec(),
        capacity: batch,
    };
    let found = evaluate::<T>(graph, &purpose, &HashMap::new(), &inputs.collect(), 0).unwrap();
    found
        .into_iter()
        .map(|(name, y)| (name, y.iter().map(|v| v.to_f64()).collect()))
        .collect()
}

/// Largest error of each pass, as a share of its largest value.
fn errors(batch: usize, size: usize, channels: usize, filters: usize, stride: usize) -> [f64; 3] {
    let out = size.div_ceil(stride);
    let mut b = Builder::default();
    let x = b.input("x", Shape::batched(&[size, size, channels])).unwrap();
    let w = b.input("w", Shape::fixed(&[3, 3, channels, filters])).unwrap();
    let dy = b.input("dy", Shape::batched(&[out, out, filters])).unwrap();
    let mut attributes = json!({ "stride": [stride, stride], "padding": [1, 1, 1, 1] });
    let mut apply = |name: &str, inputs: &[usize], size: Option<usize>| {
        if let Some(size) = size {
            attributes["size"] = json!([size, size]);
        }
        let op = Operator::parse(name, attributes.clone()).unwrap();
        b.apply(op, inputs).unwrap()
    };
    let y = apply("conv", &[x, w], None);
    let dx = apply("convInput", &[dy, w], Some(size));
    let dw = apply("convKernel", &[x, dy], Some(3));
    let graph = b.finish(&[("y", y), ("dx", dx), ("dw", dw)]);
    // Variances as in a network: values of order 1 everywhere.
    let inputs = HashMap::from([
        ("x".to_owned(), numbers(batch * size * size * channels, 1, 1.0)),
        (
            "w".to_owned(),
            numbers(9 * channels * filters, 2, (2.0 / (9.0 * channels as f64)).sqrt()),
        ),
        ("dy".to_owned(), numbers(batch * out * out * filters, 3, 1.0)),
    ]);
    let (found, expected) = (outputs::<f32>(&graph, &inputs, batch), outputs::<f64>(&graph, &inputs, batch));
    ["y", "dx", "dw"].map(|name| {
        let largest = expected[name].iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let pairs = found[name].iter().zip(&expected[name]);
        pairs.fold(0.0, |m: f64, (f, e)| m.max((f - e).abs())) / largest
    })
}

#[test]
fn both_ways_round_within_their_bounds() {
    // Winograd: measured 2 … 4e-6 (the original on values up to 5.7: 1.8e-5, that is 3e-6); direct: below 1e-6.
    for (batch, size, channels, filters) in [(4, 14, 32, 64), (9, 8, 64, 16), (1, 33, 17, 31)] {
        let found = errors(batch, size, channels, filters, 1);
        assert!(found.iter().all(|e| *e < 8e-6), "{size} {channels} {filters}: {found:?}");
        assert!(found.iter().any(|e| *e > 4e-7), "not by Winograd's way? {found:?}");
    }
    let found = errors(4, 14, 32, 64, 2);
    assert!(found.iter().all(|e| *e < 1.5e-6), "direct: {found:?}");
}
