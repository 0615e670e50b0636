//! W11 of the benchmarks on a team of threads, one JSON line a row: products, element-wise functions over 10 million numbers, a copy and a
//! triad as their limits, and a step of every optimizer on 10 million parameters, with the bytes it moves and how long they would take at the
//! triad's rate (`of_bound`, the median against that).
//! `cargo bench -p nabla-optim --bench primitives -- [--threads 2] [--quick] [--only fma,adam]`; `fma` is fused multiply-adds on registers, the
//! limit of arithmetic.

use std::hint::black_box;
use std::time::Instant;

use nabla_kernels::elementwise::{Unary, unary_at};
use nabla_kernels::matmul::{Epilogue, Left, Product, Right, matmul, pack_panels, unpack_panels};
use nabla_kernels::philox::{Stream, fill_normal};
use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Aligned, panels_len};
use nabla_optim::{Optimizer, Step};

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

/// Fused multiply-adds a call of [`Peak`].
const PEAK: usize = 1 << 20;

/// Sixteen chains of vectors of 16: more than any FMA unit's latency times width.
struct Peak<'a>(&'a mut [f32; 16]);

impl Kernel<f32> for Peak<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<f32>>(self) {
        let (factor, more) = (L::splat(black_box(0.999)), L::load(self.0));
        // Six on a level whose 16 lanes are two registers: all of them stay in registers.
        let mut sums = [more; 6];
        for _ in 0..PEAK / (16 * 6) {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, more);
            }
        }
        let mut all = L::zero();
        for sum in sums {
            all = all.add(sum);
        }
        all.store(self.0);
    }
}

/// a ← b + s·c. McCalpin 1995, STREAM; three numbers of four bytes each are counted, though a cache line of `a` is read before it is written.
struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
}

impl Kernel<f32> for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<f32>>(self) {
        let s = L::splat(3.0);
        let (a, _) = self.a.as_chunks_mut::<16>();
        let ((b, _), (c, _)) = (self.b.as_chunks::<16>(), self.c.as_chunks::<16>());
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            s.mul_add(L::load(c), L::load(b)).store(a);
        }
    }
}

struct Rows {
    team: Team,
    threads: usize,
    repeats: usize,
    only: Vec<String>,
    /// Bytes a second of the triad.
    rate: f64,
}

impl Rows {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }

    /// Times a call, many in a row where one is short, and prints the repeats in ms. Gives the median in seconds.
    fn row(&mut self, name: &str, (operations, bytes): (usize, usize), work: &(dyn Fn(&Member) + Sync)) -> f64 {
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
        let mut least_cpu = f64::INFINITY;
        let mut times: Vec<f64> = (0..self.repeats)
            .map(|_| {
                let (start, cpu) = (Instant::now(), processor_time());
                (0..many).for_each(|_| call());
                if let (Some(before), Some(after)) = (cpu, processor_time()) {
                    least_cpu = least_cpu.min((after - before) * 1e3 / many as f64);
                }
                start.elapsed().as_secs_f64() * 1e3 / many as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let mut speed = String::new();
        if self.threads == 1 && least_cpu.is_finite() {
            speed += &format!(",\"min_cpu\":{least_cpu:.5}");
        }
        if operations > 0 {
            speed += &format!(",\"gflops\":{:.1}", operations as f64 / median * 1e-6);
        }
        if bytes > 0 {
            speed += &format!(",\"gbytes\":{:.1}", bytes as f64 / median * 1e-6);
        }
        if bytes > 0 && self.rate > 0.0 {
            speed += &format!(",\"of_bound\":{:.3}", median * 1e-3 / (bytes as f64 / self.rate));
        }
        println!(
            "{{\"work\":\"W11 {name}\",\"library\":\"nabla\",\"part\":\"kernel\",\"version\":\"{}\",\"threads\":{},\"unit\":\"ms\",\"median\":{median:.5},\"min\":{:.5},\"repeats\":{},\"data\":\"normal\"{speed}}}",
            env!("CARGO_PKG_VERSION"),
            self.threads,
            times[0],
            times.len(),
        );
        median * 1e-3
    }
}

/// Seconds that this thread has run, where that is known: on a busy machine the clock on the wall tells of others.
fn processor_time() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        #[repr(C)]
        #[derive(Default)]
        struct Time {
            seconds: std::ffi::c_long,
            nanoseconds: std::ffi::c_long,
        }
        unsafe extern "C" {
            fn clock_gettime(clock: i32, time: *mut Time) -> i32;
        }
        /// `CLOCK_THREAD_CPUTIME_ID`
        const THREAD: i32 = 3;
        let mut time = Time::default();
        // SAFETY: the C library's function writes one timespec.
        let failed = unsafe { clock_gettime(THREAD, &mut time) } != 0;
        (!failed).then_some(time.seconds as f64 + time.nanoseconds as f64 * 1e-9)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The default of every kind, and the options that move other bytes.
fn rules() -> Vec<(String, Optimizer)> {
    let of = |name: &str, json: &str| (name.to_owned(), serde_json::from_str(json).expect("a rule"));
    let mut all: Vec<(String, Optimizer)> = Optimizer::NAMES
        .iter()
        .map(|name| of(name, &format!("{{\"kind\":\"{name}\"}}")))
        .collect();
    all.push(of("sgd momentum", r#"{"kind":"sgd","momentum":0.9}"#));
    all.push(of("adam amsgrad", r#"{"kind":"adam","amsgrad":true}"#));
    all.push(of(
        "rmsprop centered momentum",
        r#"{"kind":"rmsprop","centered":true,"momentum":0.9}"#,
    ));
    all
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let after = |word: &str| words.iter().position(|w| w == word).and_then(|at| words.get(at + 1));
    let threads: usize = after("--threads").and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut rows = Rows {
        team: Team::new(threads, || {}),
        threads,
        repeats: if words.iter().any(|w| w == "--quick") { 5 } else { 30 },
        only: after("--only")
            .map(|only| only.split(',').map(String::from).collect())
            .unwrap_or_default(),
        rate: 0.0,
    };
    if rows.wants("fma") {
        rows.row("fma", (2 * PEAK / (16 * 6) * (16 * 6) * threads, 0), &|_: &Member| {
            let mut x = [1.0; 16];
            dispatch(Peak(black_box(&mut x)));
            black_box(x);
        });
    }
    for (m, k, n) in [(32, 784, 128), (128, 784, 512), (512, 512, 512), (1024, 1024, 1024)] {
        if !rows.wants("sgemm") {
            break;
        }
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
        rows.row(&format!("sgemm {m}x{k}x{n}"), (2 * m * k * n, 0), &|member: &Member| {
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
        if !rows.wants(name) {
            continue;
        }
        rows.row(&format!("{name} 10M"), (0, 0), &|member: &Member| {
            let part = part(member);
            // SAFETY: members take disjoint parts.
            unsafe { unary_at(black_box(op), x.as_ptr().add(part.start), out.start().add(part.start), part.len()) }
        });
    }
    let third = normal(NUMBERS, 4);
    let seconds = rows.row("triad 10M", (0, 3 * 4 * NUMBERS), &|member: &Member| {
        let part = part(member);
        // SAFETY: members take disjoint parts.
        let a = unsafe { out.part(part.clone()) };
        dispatch(Triad {
            a,
            b: &x[part.clone()],
            c: &third[part],
        });
    });
    rows.rate = (3 * 4 * NUMBERS) as f64 / seconds;
    for (name, rule) in rules().into_iter().filter(|(name, _)| rows.wants(name)).collect::<Vec<_>>() {
        let count = rule.state_count();
        let mut buffers = [normal(NUMBERS, 4), normal(NUMBERS, 5)].into_iter().collect::<Vec<_>>();
        buffers.extend((0..count).map(|_| Aligned::zeroed(NUMBERS).expect("memory")));
        let all: Vec<Shared> = buffers.iter_mut().map(|b| Shared(b.as_mut_ptr())).collect();
        let at = Step::first(&rule, 1e-3);
        // θ and the state are read and written, the gradient is read; a rule of whole parameters reads all but that twice more, and writes θ.
        let once = 2 * (1 + count) + 1;
        let bytes = (once + if rule.by_row() { 2 * (1 + count) + 1 } else { 0 }) * 4 * NUMBERS;
        rows.row(&format!("{name} 10M"), (0, bytes), &|member: &Member| {
            let part = part(member);
            let mut state: Vec<&mut [f32]> = Vec::with_capacity(4);
            // SAFETY: members take disjoint parts.
            unsafe {
                state.extend(all[2..].iter().map(|s| s.part(part.clone())));
                rule.step(at, all[0].part(part.clone()), all[1].part(part.clone()), &mut state);
                if rule.by_row() {
                    let state: Vec<&[f32]> = state.iter().map(|s| &**s).collect();
                    let norms = rule.row_sums(at, all[0].part(part.clone()), &state);
                    rule.row_move(at, norms, all[0].part(part), &state);
                }
            }
        });
    }
}
