//! What operators make of weights alone is kept from one prediction to the next: with the same bits, and only where it is asked for.

use std::sync::Arc;

use nabla_graph::{Bases, Builder, Graph, Memory, Mode, Moment, Program, Purpose, Shape, program};
use nabla_kernels::Aligned;
use nabla_kernels::philox::{Stream, fill_normal};
use nabla_kernels::team::Team;
use nabla_params::Initializer;
use serde_json::json;

/// Two convolutions by Winograd's way, whose values and scratch take turns in the workspace, and a product.
fn network(filters: usize) -> Graph {
    let mut b = Builder::default();
    let weight = |b: &mut Builder, name: &str, shape: &[usize]| b.parameter(name, shape, Initializer::Ones {}, true, true).unwrap();
    let x = b.input("x", Shape::batched(&[10, 9, 8])).unwrap();
    let (first, bias) = (weight(&mut b, "first", &[3, 3, 8, filters]), weight(&mut b, "bias", &[filters]));
    let second = weight(&mut b, "second", &[3, 3, filters, 20]);
    let last = weight(&mut b, "last", &[20 * 8 * 7, 3]);
    let y = b.apply_named("conv", &[x, first], json!({ "padding": [1, 1, 1, 1] })).unwrap();
    let y = b.apply_named("add", &[y, bias], json!(null)).unwrap();
    let y = b.apply_named("relu", &[y], json!(null)).unwrap();
    let y = b.apply_named("conv", &[y, second], json!({})).unwrap();
    let y = b.apply_named("tanh", &[y], json!(null)).unwrap();
    let y = b.apply_named("reshape", &[y], json!({ "shape": [-1, 20 * 8 * 7] })).unwrap();
    let y = b.apply_named("matmul", &[y, last], json!(null)).unwrap();
    b.finish(&[("y", y)])
}

fn compiled(filters: usize, gradients: bool, capacity: usize) -> Program {
    let mut graph = network(filters);
    if gradients {
        let mut b = Builder::from_graph(graph);
        let y = b.graph.outputs["y"];
        let loss = b.apply_named("mean", &[y], json!({ "axes": [-1] })).unwrap();
        graph = b.finish(&[("y", y), ("loss", loss)]);
    }
    let purpose = Purpose {
        mode: Mode::Infer,
        gradients,
        outputs: vec![if gradients { "loss" } else { "y" }.to_owned()],
        capacity,
    };
    let arena = Arc::new(program::arena(&graph).unwrap());
    Program::compile(&graph, &arena, &purpose).unwrap()
}

fn normal(len: usize, seed: u64) -> Aligned<f32> {
    let mut values = Aligned::zeroed(len).unwrap();
    fill_normal(Stream::new(seed, 0, 0), 0, &mut values);
    values
}

/// The outputs of these rows of normal numbers.
fn run(program: &Program, memory: &mut Memory<f32>, theta: &[f32], kept: bool, (batch, seed): (usize, u64), members: usize) -> Vec<u32> {
    let bases = Bases::reading(memory, theta).keeping(kept);
    let (x, y) = (program.place("x").unwrap(), program.place("y").unwrap());
    let moment = Moment {
        batch,
        seed: 0,
        step: 0,
        rates: &[],
    };
    // SAFETY: the memory and the weights are this program's, which this team alone runs.
    unsafe {
        let to = bases.write(&x, batch, 0..x.len.at(batch));
        to.copy_from_slice(&normal(to.len(), seed));
        Team::new(members, || {}).run(&|member| program.run(&bases, &moment, member));
        bases.read(&y, batch).iter().map(|v| v.to_bits()).collect()
    }
}

#[test]
fn kept_points_of_kernels_give_the_same_bits_and_are_made_anew_where_weights_changed() {
    let mut program = compiled(16, false, 8);
    let kept = program.instructions().iter().filter(|i| i.kept.len.size > 0).count();
    assert_eq!(kept, 2, "convolutions that keep");
    let (before, after) = (normal(program.arena.len, 1), normal(program.arena.len, 2));
    for members in [1, 3] {
        if members > 1 {
            program.share_everything();
        }
        let fresh = |theta: &[f32], rows| run(&program, &mut program.memory().unwrap(), theta, false, rows, 1);
        let mut memory = program.memory().unwrap();
        let mut run = |theta: &[f32], kept, rows| run(&program, &mut memory, theta, kept, rows, members);
        assert_eq!(run(&before, false, (1, 10)), fresh(&before, (1, 10)));
        for rows in [(1, 11), (8, 12), (3, 13), (1, 10)] {
            assert_eq!(run(&before, true, rows), fresh(&before, rows), "{rows:?} by {members}");
        }
        assert_eq!(run(&after, false, (2, 14)), fresh(&after, (2, 14)), "other weights");
        assert_eq!(run(&after, true, (2, 15)), fresh(&after, (2, 15)), "other weights, kept");
        assert_ne!(run(&before, true, (2, 15)), fresh(&before, (2, 15)), "nothing is kept");
    }
}

#[test]
fn programs_of_many_rows_of_training_and_of_large_kernels_keep_nothing() {
    let kept = |program: Program| program.instructions().iter().map(|i| i.kept.len.size).sum::<usize>();
    assert!(kept(compiled(16, false, 16)) > 0);
    assert_eq!(kept(compiled(16, false, 17)), 0);
    assert_eq!(kept(compiled(16, true, 16)), 0);
    // 36 points of 8 × 1024 and of 1024 × 32: the first has room, both have not.
    assert_eq!(kept(compiled(1024, false, 8)), 36 * (8 * 1024 + 16));
}
