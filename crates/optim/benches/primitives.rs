//! W11 of the benchmarks on a team of threads, one JSON line a row: products, element-wise functions over 10 million numbers, a copy as
//! their limit, and a step of Adam on 10 million parameters. `cargo bench -p nabla-optim --bench primitives -- [--threads 2] [--quick]`

use std::hint::black_box;
use std::time::Instant;

use nabla_kernels::elementwise::{Unary, unary_at};
use nabla_kernels::matmul::{Epilogue, Left, Product, Right, matmul, pack_panels, unpack_panels};
use nabla_kernels::philox::{Stream, fill_normal};
use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Aligned, panels_len};
use nabla_optim::{Adam, Optimizer, Step};

const NUMBERS: usize = 10_000_000;

/// Addresses that a team shares.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: each member uses its own part.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The start. (A method: a closure that named the field would capture the address alone.)
    fn start(self) -> *mut f32 {
        self.0
    }

    /// Part of it.
    ///
    /// # Safety
    /// It exists, and no other member uses it.
    unsafe fn part<'a>(self, range: std::ops::Range<usize>) -> &'a mut [f32] {
        // SAFETY: by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

fn normal(len: usize, seed: u64) -> Aligned<f32> {
    let mut x = Aligned::zeroed(len).expect("memory");
    fill_normal(Stream::new(seed, 0, 0), 0, &mut x);
    x
}

struct Rows {
    team: Team,
    threads: usize,
    repeats: usize,
}

impl Rows {
    /// Times a call, many in a row where one is short, and prints the repeats in ms.
    fn row(&mut self, name: &str, operations: usize, work: &(dyn Fn(&Member) + Sync)) {
        let mut call = || {
            if self.threads == 1 {
                work(&Member::alone());
            } else {
                self.team.run(&work);
            }
        };
        call();
        let start = Instant::now();
        call();
        let many = (0.01 / start.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
        let mut times: Vec<f64> = (0..self.repeats)
            .map(|_| {
                let start = Instant::now();
                (0..many).for_each(|_| call());
                start.elapsed().as_secs_f64() * 1e3 / many as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let speed = if operations > 0 {
            format!(",\"gflops\":{:.1}", operations as f64 / median * 1e-6)
        } else {
            String::new()
        };
        println!(
            "{{\"work\":\"W11 {name}\",\"library\":\"nabla\",\"part\":\"kernel\",\"version\":\"{}\",\"threads\":{},\"unit\":\"ms\",\"median\":{median:.5},\"min\":{:.5},\"repeats\":{},\"data\":\"normal\"{speed}}}",
            env!("CARGO_PKG_VERSION"),
            self.threads,
            times[0],
            times.len(),
        );
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let threads: usize = words
        .iter()
        .position(|w| w == "--threads")
        .and_then(|at| words.get(at + 1)?.parse().ok())
        .unwrap_or(2);
    let mut rows = Rows {
        team: Team::new(threads, || {}),
        threads,
        repeats: if words.iter().any(|w| w == "--quick") { 5 } else { 30 },
    };
    for (m, k, n) in [(32, 784, 128), (128, 784, 512), (512, 512, 512), (1024, 1024, 1024)] {
        // The right operand lies in panels, as weights always do.
        let (a, plain) = (normal(m * k, 1), normal(k * n, 2));
        let mut b = Aligned::zeroed(panels_len(k, n)).expect("memory");
        pack_panels(k, n, &plain, &mut b);
        let mut c = Aligned::zeroed(panels_len(m, n)).expect("memory");
        let p = Product {
            m,
            n,
            k,
            left: Left::row_major(k),
            right: Right::panels(k),
            out: Right::panels(m),
        };
        let out = Shared(c.as_mut_ptr());
        rows.row(&format!("sgemm {m}x{k}x{n}"), 2 * m * k * n, &|member: &Member| {
            // SAFETY: the buffers have the lengths of their layouts; members take disjoint panels.
            unsafe {
                matmul(
                    black_box(&p),
                    a.as_ptr(),
                    b.as_ptr(),
                    out.start(),
                    &Epilogue::default(),
                    0..m,
                    member.part(n / 16),
                )
            }
        });
        let mut found = vec![0.0; m * n];
        unpack_panels(m, n, &c, &mut found);
        let wanted: f64 = (0..k).map(|i| f64::from(a[i]) * f64::from(plain[i * n])).sum();
        assert!((f64::from(found[0]) - wanted).abs() < 1e-3 * k as f64, "a wrong product");
    }
    let x = normal(NUMBERS, 3);
    let mut y: Aligned<f32> = Aligned::zeroed(NUMBERS).expect("memory");
    let out = Shared(y.as_mut_ptr());
    let part = |member: &Member| {
        let part = member.part(NUMBERS / 16);
        part.start * 16..part.end * 16
    };
    for (name, op) in [
        ("tanh", Unary::Tanh),
        ("exp", Unary::Exp),
        ("gelu", Unary::Gelu),
        ("sigmoid", Unary::Sigmoid),
        ("copy", Unary::Identity),
    ] {
        rows.row(&format!("{name} 10M"), 0, &|member: &Member| {
            let part = part(member);
            // SAFETY: members take disjoint parts.
            unsafe { unary_at(black_box(op), x.as_ptr().add(part.start), out.start().add(part.start), part.len()) }
        });
    }
    let mut buffers = [normal(NUMBERS, 4), normal(NUMBERS, 5)].into_iter().collect::<Vec<_>>();
    buffers.extend((0..2).map(|_| Aligned::zeroed(NUMBERS).expect("memory")));
    let [theta, g, m, v] = [0, 1, 2, 3].map(|i| Shared(buffers[i].as_mut_ptr()));
    let rule = Optimizer::Adam(Adam::default());
    let at = Step::first(&rule, 1e-3);
    rows.row("adam 10M", 0, &|member: &Member| {
        let part = part(member);
        // SAFETY: members take disjoint parts.
        let (theta, g, m, v) = unsafe { (theta.part(part.clone()), g.part(part.clone()), m.part(part.clone()), v.part(part)) };
        rule.step(at, theta, g, &mut [m, v]);
    });
}
