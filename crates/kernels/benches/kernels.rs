//! GFLOP/s and GB/s of the kernels on one thread: `cargo bench -p nabla-kernels --bench kernels -- [words of names]`.
//! `NABLA_SIMD` chooses the level. Each figure is the best of many short runs, as the machine's other work allows.

use std::hint::black_box;
use std::time::Instant;

use nabla_kernels::elementwise::{self, Binary, Operand, Unary};
use nabla_kernels::matmul::{self, Activation, Epilogue, Left, Product, Right};
use nabla_kernels::philox::{self, Stream};
use nabla_kernels::{Aligned, Real, level, panels_len, reduce, softmax};

/// Best nanoseconds of one call.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let once = start.elapsed().as_nanos().max(1);
    let repeats = (1_000_000 / once).clamp(1, 10_000) as u32;
    let mut best = f64::INFINITY;
    let total = Instant::now();
    while total.elapsed().as_millis() < 150 {
        let start = Instant::now();
        for _ in 0..repeats {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(repeats));
    }
    best
}

struct Filter(Vec<String>);

impl Filter {
    fn wants(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| name.contains(word.as_str()))
    }
}

fn filled<T: Real>(len: usize, seed: u64) -> Aligned<T> {
    let mut x = Aligned::zeroed(len).expect("memory for a benchmark");
    philox::fill_uniform(Stream::new(seed, 0, 0), 0, &mut x);
    for v in x.iter_mut() {
        *v -= T::from_f64(0.5);
    }
    x
}

fn product<T: Real>(filter: &Filter, name: &str, p: Product, a_len: usize, activation: Activation) {
    let name = format!("matmul {} {name} {}x{}x{} {activation:?}", T::NAME, p.m, p.k, p.n);
    if !filter.wants(&name) {
        return;
    }
    let a = filled::<T>(a_len, 1);
    let b = filled::<T>(panels_len(p.k, p.n), 2);
    let mut c = Aligned::<T>::zeroed(panels_len(p.m, p.n)).expect("memory for a benchmark");
    let bias = vec![T::ZERO; p.n];
    let e = Epilogue {
        bias: Some(&bias),
        activation,
        accumulate: false,
    };
    let panels = p.n.div_ceil(16);
    // SAFETY: the buffers have the lengths of their layouts.
    let ns = best(|| unsafe { matmul::matmul(black_box(&p), a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), &e, 0..p.m, 0..panels) });
    let gflops = 2.0 * (p.m * p.n * p.k) as f64 / ns;
    println!("{name:60} {ns:12.1} ns {gflops:8.1} GFLOP/s");
}

fn products<T: Real>(filter: &Filter) {
    let panels = |m, k, n| Product {
        m,
        n,
        k,
        left: Left::row_major(k),
        right: Right::panels(k),
        out: Right::panels(m),
    };
    for (m, k, n) in [
        (32, 784, 128),
        (128, 784, 512),
        (512, 512, 512),
        (1, 784, 128),
        (32, 128, 10),
        (16, 4, 16),
        (16, 16, 3),
        (6, 64, 64),
    ] {
        product::<T>(filter, "panels", panels(m, k, n), m * k, Activation::Identity);
    }
    product::<T>(filter, "panels", panels(32, 784, 128), 32 * 784, Activation::Tanh);
    product::<T>(filter, "panels", panels(16, 4, 16), 64, Activation::Tanh);
    for (m, k, n) in [(784, 32, 128), (784, 128, 512), (4, 16, 16), (16, 16, 3)] {
        let p = Product {
            m,
            n,
            k,
            left: Left::transposed(m),
            right: Right::panels(k),
            out: Right::panels(m),
        };
        product::<T>(filter, "weight gradient", p, m * k, Activation::Identity);
    }
    for (m, k, n) in [(32, 784, 128), (512, 512, 512), (16, 16, 3)] {
        let p = Product {
            m,
            n,
            k,
            left: Left::row_major(k),
            right: Right::row_major(n),
            out: Right::row_major(n),
        };
        product::<T>(filter, "row-major", p, m * k, Activation::Identity);
    }
}

fn line(name: &str, ns: f64, bytes: usize) {
    println!("{name:60} {ns:12.1} ns {:8.2} GB/s", bytes as f64 / ns);
}

fn elementwise<T: Real>(filter: &Filter) {
    // 256 elements: the cost of a call. 32,768: the second-level cache.
    for n in [256, 32_768] {
        let x = filled::<T>(n, 3);
        let z = filled::<T>(n, 4);
        let mut y = Aligned::<T>::zeroed(n).expect("memory for a benchmark");
        for op in Unary::ALL {
            let name = format!("unary {} {op:?} {n}", T::NAME);
            if filter.wants(&name) {
                line(
                    &name,
                    best(|| elementwise::unary(black_box(*op), &x, &mut y)),
                    2 * n * size_of::<T>(),
                );
            }
        }
        for op in [
            Binary::Add,
            Binary::Divide,
            Binary::ReluGradient,
            Binary::TanhGradient,
            Binary::GeluGradient,
        ] {
            let name = format!("binary {} {op:?} {n}", T::NAME);
            if filter.wants(&name) {
                let ns = best(|| elementwise::binary(black_box(op), Operand::Slice(&x), Operand::Slice(&z), &mut y));
                line(&name, ns, 3 * n * size_of::<T>());
            }
        }
    }
}

fn others<T: Real>(filter: &Filter) {
    let n = 32_768;
    let x = filled::<T>(n, 5);
    let mut y = Aligned::<T>::zeroed(n).expect("memory for a benchmark");
    let bytes = n * size_of::<T>();
    let wants = |what: &str| {
        let name = format!("{what} {}", T::NAME);
        filter.wants(&name).then_some(name)
    };
    if let Some(name) = wants("reduce sum") {
        line(&name, best(|| _ = black_box(reduce::sum(&x))), bytes);
    }
    if let Some(name) = wants("reduce sum 10") {
        line(&name, best(|| _ = black_box(reduce::sum(&x[..10]))), 10 * size_of::<T>());
    }
    if let Some(name) = wants("reduce max") {
        line(&name, best(|| _ = black_box(reduce::max(&x))), bytes);
    }
    if let Some(name) = wants("reduce all_finite") {
        line(&name, best(|| _ = black_box(reduce::all_finite(&x))), bytes);
    }
    if let Some(name) = wants("reduce columns 256x128") {
        line(&name, best(|| reduce::sum_columns(256, 128, &x, 128, &mut y[..128], 0..128)), bytes);
    }
    for n in [10, 128] {
        if let Some(name) = wants(&format!("softmax 32x{n}")) {
            line(
                &name,
                best(|| softmax::softmax(n, &x[..32 * n], &mut y[..32 * n])),
                64 * n * size_of::<T>(),
            );
        }
        if let Some(name) = wants(&format!("softmax cross-entropy gradient 32x{n}")) {
            let (labels, weights) = (vec![T::ONE; 32], vec![T::ONE; 32]);
            let ns = best(|| softmax::softmax_cross_entropy_gradient(n, &x[..32 * n], &labels, &weights, &mut y[..32 * n]));
            line(&name, ns, 64 * n * size_of::<T>());
        }
    }
    let stream = Stream::new(1, 2, 3);
    if let Some(name) = wants("philox uniform") {
        line(&name, best(|| philox::fill_uniform(stream, 0, &mut y)), bytes);
    }
    if let Some(name) = wants("philox normal") {
        line(&name, best(|| philox::fill_normal(stream, 0, &mut y)), bytes);
    }
    if let Some(name) = wants("philox dropout mask") {
        line(&name, best(|| philox::dropout_mask(stream, 0, 0.5, &mut y)), bytes);
    }
    if let Some(name) = wants("pack_transposed 128x256") {
        // SAFETY: both buffers have 128 · 256 numbers, in panels.
        line(
            &name,
            best(|| unsafe { matmul::pack_transposed(128, 256, x.as_ptr(), y.as_mut_ptr(), 0..8) }),
            2 * bytes,
        );
    }
}

fn main() {
    let filter = Filter(std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect());
    println!("level: {}, one thread", level::level().name());
    products::<f32>(&filter);
    products::<f64>(&filter);
    elementwise::<f32>(&filter);
    elementwise::<f64>(&filter);
    others::<f32>(&filter);
    others::<f64>(&filter);
}
