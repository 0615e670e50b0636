//! Where a training step goes, operator by operator, on one thread: the works W1c and W2 to W5 of the benchmarks; one row by the network
//! of W2 (W9c); and of many rows the stretch of 64 that a thread predicts at once, by an MLP 784-128-10 (W10) and the network of W2 (W10c).
//! `cargo bench -p nabla-graph --bench operators -- [W1c | W2 | W3 | W4 | W5 | W9c | W10 | W10c]`; `NABLA_SIMD` chooses the level, `REPEATS`
//! how often (default 20), `BATCH` another batch. Each figure is the least of the repeats; GFLOP/s count a convolution as direct work, however it is computed.

#[path = "operators/clock.rs"]
mod clock;
mod sequences;

use std::sync::Arc;
use std::time::Instant;

use clock::computed;
use nabla_graph::{Bases, Builder, Dim, Graph, Id, Mode, Moment, Operator, Program, Purpose, Shape, program};
use nabla_kernels::{Aligned, denormals, level};
use nabla_params::Initializer;
use serde_json::{Value, json};

struct Network {
    b: Builder,
    layers: usize,
}

impl Network {
    fn weight(&mut self, shape: &[usize]) -> Id {
        self.layers += 1;
        let (name, one) = (format!("w{}", self.layers), shape.len() == 1);
        let initializer = if one {
            Initializer::Ones {}
        } else {
            Initializer::XavierUniform { gain: 1.0 }
        };
        self.b.parameter(&name, shape, initializer, true, !one).expect("a weight")
    }

    fn apply(&mut self, name: &str, inputs: &[Id], attributes: Value) -> Id {
        self.b.apply_named(name, inputs, attributes).expect("an operator")
    }

    fn last(&self, x: Id) -> usize {
        self.b.shape(x).0.last().expect("an axis").size
    }

    fn conv(&mut self, x: Id, filters: usize, kernel: usize, stride: usize, padding: usize) -> Id {
        let w = self.weight(&[kernel, kernel, self.last(x), filters]);
        self.apply(
            "conv",
            &[x, w],
            json!({ "stride": [stride, stride], "padding": [padding, padding, padding, padding] }),
        )
    }

    fn biased(&mut self, x: Id) -> Id {
        let bias = self.weight(&[self.last(x)]);
        self.apply("add", &[x, bias], Value::Null)
    }

    fn relu(&mut self, x: Id) -> Id {
        self.apply("relu", &[x], Value::Null)
    }

    fn norm(&mut self, x: Id) -> Id {
        let (scale, shift) = (self.weight(&[self.last(x)]), self.weight(&[self.last(x)]));
        self.apply("batchNormTraining", &[x, scale, shift], Value::Null)
    }

    fn dense(&mut self, x: Id, units: usize) -> Id {
        let w = self.weight(&[self.last(x), units]);
        let y = self.apply("matmul", &[x, w], Value::Null);
        self.biased(y)
    }

    fn finish(mut self, y: Id) -> Graph {
        let targets = self.b.input("targets", Shape(vec![Dim::BATCH])).expect("an input");
        let loss = self.apply("softmaxCrossEntropy", &[y, targets], Value::Null);
        self.b.finish(&[("prediction", y), ("loss", loss)])
    }
}

/// Dense layers with ReLU, then dense 10, on 784 numbers.
fn mlp(hidden: &[usize]) -> Graph {
    let mut n = Network {
        b: Builder::default(),
        layers: 0,
    };
    let mut x = n.b.input("features", Shape::batched(&[784])).expect("an input");
    for &units in hidden {
        x = n.dense(x, units);
        x = n.relu(x);
    }
    x = n.dense(x, 10);
    n.finish(x)
}

/// Conv 3×3 → 32, ReLU, conv 3×3 → 64, ReLU, max-pool 2, dense 128, ReLU, dense 10, on 28×28×1.
fn w2() -> Graph {
    let mut n = Network {
        b: Builder::default(),
        layers: 0,
    };
    let mut x = n.b.input("features", Shape::batched(&[28, 28, 1])).expect("an input");
    for filters in [32, 64] {
        x = n.conv(x, filters, 3, 1, 0);
        x = n.biased(x);
        x = n.relu(x);
    }
    x = n.apply("maxPool", &[x], json!({ "window": [2, 2] }));
    x = n.apply("reshape", &[x], json!({ "shape": [-1, 9216] }));
    x = n.dense(x, 128);
    x = n.relu(x);
    x = n.dense(x, 10);
    n.finish(x)
}

/// Conv 16, three basic blocks (16; 32 and 64 with stride 2) with batch norm, global average, dense 10, on 32×32×3.
fn w3() -> Graph {
    let mut n = Network {
        b: Builder::default(),
        layers: 0,
    };
    let mut x = n.b.input("features", Shape::batched(&[32, 32, 3])).expect("an input");
    x = n.conv(x, 16, 3, 1, 1);
    x = n.norm(x);
    x = n.relu(x);
    for (filters, stride) in [(16, 1), (32, 2), (64, 2)] {
        let mut y = n.conv(x, filters, 3, stride, 1);
        y = n.norm(y);
        y = n.relu(y);
        y = n.conv(y, filters, 3, 1, 1);
        y = n.norm(y);
        if stride > 1 {
            x = n.conv(x, filters, 1, stride, 0);
            x = n.norm(x);
        }
        x = n.apply("add", &[x, y], Value::Null);
        x = n.relu(x);
    }
    x = n.apply("mean", &[x], json!({ "axes": [1, 2] }));
    x = n.dense(x, 10);
    n.finish(x)
}

/// Multiplications and additions of a convolution's or product's definition; of sequence operators what they cost at full speed.
fn operations(i: &nabla_graph::plan::Instruction, batch: usize) -> Option<usize> {
    let product = |shape: &Shape| shape.elements(batch);
    let positions = |y: &Shape| product(y) / y.0.last().map_or(1, |d| d.size);
    Some(match i.op {
        Operator::Conv(_) | Operator::ConvLinear(_) => 2 * positions(&i.out_shape) * product(&i.shapes[1]),
        Operator::ConvInput(_) => 2 * positions(&i.shapes[0]) * product(&i.shapes[1]),
        Operator::ConvKernel(_) => 2 * positions(&i.shapes[1]) * product(&i.out_shape),
        Operator::Matmul(_) | Operator::Linear(_) => {
            // √(mk · kn · mn) = m·k·n
            let all = product(&i.shapes[0]) as f64 * product(&i.shapes[1]) as f64 * product(&i.out_shape) as f64;
            2 * all.sqrt().round() as usize
        }
        Operator::Lstm(_) | Operator::LstmGradient(_) | Operator::Attention(_) | Operator::AttentionGradient(_) => {
            i.op.work(&i.shapes.iter().collect::<Vec<_>>(), &i.out_shape, batch)
        }
        _ => return None,
    })
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let repeats: usize = std::env::var("REPEATS").ok().and_then(|r| r.parse().ok()).unwrap_or(20);
    let _flush = denormals::flush_to_zero();
    println!("level: {}, one thread", level::level().name());
    for (name, graph) in [
        ("W1c", mlp(&[512, 512])),
        ("W2", w2()),
        ("W3", w3()),
        ("W4", sequences::lstm(50, 64, 128)),
        ("W5", sequences::transformer(64, 128, 4)),
        ("W9c", w2()),
        ("W10", mlp(&[128])),
        ("W10c", w2()),
    ] {
        if !words.is_empty() && !words.iter().any(|w| w == name) {
            continue;
        }
        // No step of training.
        let predicts = matches!(name, "W9c" | "W10" | "W10c");
        let characters = matches!(name, "W4" | "W5");
        let (batch, classes) = match name {
            "W1c" => (128, 9.9),
            "W9c" => (1, 9.9),
            _ if characters => (32, 64.9),
            _ => (64, 9.9),
        };
        let batch = std::env::var("BATCH").ok().and_then(|b| b.parse().ok()).unwrap_or(batch);
        let mut graph = graph;
        if predicts {
            let mut b = Builder::from_graph(graph);
            let prediction = b.graph.outputs["prediction"];
            let probabilities = b.apply_named("softmax", &[prediction], Value::Null).expect("an operator");
            b.graph.outputs.insert("prediction".to_owned(), probabilities);
            graph = b.graph;
        }
        let purpose = Purpose {
            mode: if predicts { Mode::Infer } else { Mode::Train },
            gradients: !predicts,
            outputs: vec![if predicts { "prediction" } else { "loss" }.to_owned()],
            capacity: batch,
        };
        let arena = Arc::new(program::arena(&graph).expect("an arena"));
        let start = Instant::now();
        let program = Program::compile(&graph, &arena, &purpose).expect("a program");
        let compiled = start.elapsed();
        let mut memory = program.memory::<f32>().expect("memory");
        let mut theta: Aligned<f32> = Aligned::zeroed(arena.len).expect("memory");
        let mut gradient: Aligned<f32> = Aligned::zeroed(arena.len).expect("memory");
        let numbers = |seed: u32| {
            let mut state = seed;
            move || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32
            }
        };
        for row in &arena.rows {
            let mut next = numbers(row.offset as u32);
            let (count, fan) = (
                row.spec.shape.iter().product(),
                row.spec.shape.iter().rev().skip(1).product::<usize>(),
            );
            let values: Vec<f32> = (0..count)
                .map(|_| {
                    if fan > 1 {
                        (next() - 0.5) * (24.0 / fan as f32).sqrt()
                    } else {
                        1.0
                    }
                })
                .collect();
            arena.write(row, &values, &mut theta).expect("a weight");
        }
        let bases = Bases::new(&mut memory, &mut theta, &mut gradient);
        for (input, scale) in [
            ("features", if characters { classes } else { 1.0 }),
            ("targets", classes),
            ("rowWeights", 0.0),
        ] {
            let Some(place) = program.place(input) else { continue };
            let mut next = numbers(7);
            // SAFETY: nothing runs yet.
            let values = unsafe { bases.write(&place, batch, 0..place.len.at(batch)) };
            values.fill_with(|| if scale > 0.0 { next() * scale } else { 1.0 / batch as f32 });
            if input == "targets" || scale > 1.0 {
                values.iter_mut().for_each(|v| *v = v.floor());
            }
        }
        let moment = Moment {
            batch,
            seed: 1,
            step: 0,
            rates: &program.rates,
        };
        let mut least = vec![f64::INFINITY; program.instructions().len()];
        for repeat in 0..=repeats {
            // A model's weights stay as they are.
            let bases = bases.keeping(predicts && repeat > 0);
            let mut before = computed();
            // SAFETY: the memory was made for this program, which nothing else runs.
            unsafe {
                program.run_watched(&bases, &moment, |index| {
                    least[index] = least[index].min((computed() - before) * 1e6);
                    before = computed();
                });
            }
        }
        let total: f64 = least.iter().sum();
        for (i, &time) in program.instructions().iter().zip(&least) {
            if time < total / 1000.0 {
                continue;
            }
            let speed = operations(i, batch).map_or(String::new(), |n| format!("{:8.1} GFLOP/s", n as f64 / time / 1e3));
            let shapes: Vec<String> = i.shapes.iter().map(|s| s.to_string()).collect();
            println!(
                "{:24} {time:10.1} µs {:5.1} % {speed:18} {} → {}",
                i.op.name(),
                100.0 * time / total,
                shapes.join(" "),
                i.out_shape
            );
        }
        let workspace = program.workspace_len() as f64 * 4e-6;
        // What operators read and write, each once, and in training Adam's seven passes over parameters, gradients and moments.
        let moved: usize = program
            .instructions()
            .iter()
            .map(|i| {
                let inputs: usize = i.inputs.iter().map(|p| p.len.at(batch)).sum();
                inputs + i.output.len.at(batch)
            })
            .sum();
        let moved = (moved + if predicts { 0 } else { 7 * arena.trained }) as f64 * 4e-6;
        println!(
            "{name}: {:.2} ms a step, moves {moved:.1} MB, workspace {workspace:.1} MB, compiled in {:.1} ms\n",
            total / 1e3,
            compiled.as_secs_f64() * 1e3
        );
    }
}
