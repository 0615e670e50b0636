//! Does the table choose the way that wins? Each pass of some twenty convolutions, directly and by Winograd's F(4×4, 3×3), on one thread.
//! `cargo bench -p nabla-graph --bench convolution`; `REPEATS` says how often (default 15), each figure is the least of them. GFLOP/s count
//! direct work. Ends with exit code 1 where the choice takes over a tenth longer than the best.

use std::process::ExitCode;
use std::sync::Arc;

use nabla_graph::ops::Operator;
use nabla_graph::ops::convolution::{Way, force};
use nabla_graph::{Bases, Builder, Mode, Moment, Program, Purpose, Shape, program};
use nabla_kernels::team::Member;
use nabla_kernels::{Aligned, denormals, level};
use serde_json::json;

#[path = "operators/clock.rs"]
mod clock;

/// Images, their size, channels, filters, kernel, stride.
const SHAPES: [[usize; 6]; 21] = [
    [64, 28, 1, 32, 3, 1],
    [64, 32, 3, 16, 3, 1],
    [64, 32, 8, 8, 3, 1],
    [64, 32, 8, 16, 3, 1],
    [64, 32, 12, 12, 3, 1],
    [64, 32, 16, 16, 3, 1],
    [64, 26, 32, 64, 3, 1],
    [64, 16, 32, 32, 3, 1],
    [64, 8, 64, 64, 3, 1],
    [64, 4, 128, 128, 3, 1],
    [64, 2, 256, 256, 3, 1],
    [16, 56, 64, 64, 3, 1],
    [16, 14, 128, 128, 3, 1],
    [16, 7, 256, 256, 3, 1],
    [1, 26, 32, 64, 3, 1],
    [1, 7, 128, 128, 3, 1],
    [64, 32, 16, 32, 3, 2],
    [64, 16, 32, 64, 3, 2],
    [64, 32, 16, 32, 1, 2],
    [64, 16, 32, 32, 1, 1],
    [64, 16, 16, 16, 5, 1],
];

/// ms of a pass, the least of the repeats.
fn measure(pass: &str, [batch, size, channels, filters, kernel, stride]: [usize; 6], repeats: usize) -> f64 {
    let padding = kernel / 2;
    let out = (size + 2 * padding - kernel) / stride + 1;
    let mut b = Builder::default();
    let x = Shape::batched(&[size, size, channels]);
    let y = Shape::batched(&[out, out, filters]);
    let w = Shape::fixed(&[kernel, kernel, channels, filters]);
    let (first, second) = match pass {
        "conv" => (x, w),
        "convInput" => (y, w),
        _ => (x, y),
    };
    let mut attributes = json!({ "stride": [stride, stride], "padding": [padding, padding, padding, padding] });
    match pass {
        "convInput" => attributes["size"] = json!([size, size]),
        "convKernel" => attributes["size"] = json!([kernel, kernel]),
        _ => {}
    }
    let inputs = [("a", first), ("b", second)].map(|(name, shape)| b.input(name, shape).expect("an input"));
    let op = Operator::parse(pass, attributes).expect("an operator");
    let result = b.apply(op, &inputs).expect("a convolution");
    let graph = b.finish(&[("result", result)]);
    let arena = Arc::new(program::arena(&graph).expect("an arena"));
    let purpose = Purpose {
        mode: Mode::Infer,
        gradients: false,
        outputs: vec!["result".to_owned()],
        capacity: batch,
    };
    let program = Program::compile(&graph, &arena, &purpose).expect("a program");
    let mut memory = program.memory::<f32>().expect("memory");
    memory
        .workspace
        .iter_mut()
        .enumerate()
        .for_each(|(i, v)| *v = (i % 17) as f32 / 17.0 - 0.5);
    let theta: Aligned<f32> = Aligned::zeroed(arena.len).expect("memory");
    let bases = Bases::reading(&mut memory, &theta);
    let moment = Moment {
        batch,
        seed: 0,
        step: 0,
        rates: &[],
    };
    let mut least = f64::INFINITY;
    for _ in 0..=repeats {
        let before = clock::computed();
        // SAFETY: the memory was made for this program, which nothing else runs.
        unsafe { program.run(&bases, &moment, &Member::alone()) };
        least = least.min(1e3 * (clock::computed() - before));
    }
    least
}

fn main() -> ExitCode {
    let repeats: usize = std::env::var("REPEATS").ok().and_then(|r| r.parse().ok()).unwrap_or(15);
    let _flush = denormals::flush_to_zero();
    println!("level: {}, one thread; ms\n", level::level().name());
    println!("images size channels filters kernel stride  pass          direct  Winograd    chosen  GFLOP/s");
    let mut slow = 0;
    for shape in SHAPES {
        let [batch, size, channels, filters, kernel, stride] = shape;
        for pass in ["conv", "convInput", "convKernel"] {
            let of = |way: Option<Way>| {
                force(way);
                measure(pass, shape, repeats)
            };
            let direct = of(Some(Way::Direct));
            let winograd = if kernel == 3 && stride == 1 {
                of(Some(Way::Winograd))
            } else {
                f64::INFINITY
            };
            let chosen = of(None);
            let best = direct.min(winograd);
            // The choice is one of the two; measured a third time it differs by noise alone.
            let taken = if (chosen - direct).abs() < (chosen - winograd).abs() {
                direct
            } else {
                winograd
            };
            let out = (size + 2 * (kernel / 2) - kernel) / stride + 1;
            let speed = (2 * batch * out * out * kernel * kernel * channels * filters) as f64 / chosen * 1e-6;
            let mark = if taken > 1.1 * best { "  not the best" } else { "" };
            slow += usize::from(taken > 1.1 * best);
            println!(
                "{batch:6}{size:5}{channels:9}{filters:8}{kernel:7}{stride:7}  {pass:10}{direct:10.3}{winograd:10.3}{chosen:10.3}{speed:9.1}{mark}"
            );
        }
    }
    force(None);
    println!("\n{slow} of {} choices take over a tenth longer than the best", 3 * SHAPES.len());
    ExitCode::from(u8::from(slow > 0))
}
