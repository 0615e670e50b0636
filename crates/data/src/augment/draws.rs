//! The random numbers of one step of a recipe for one row in one epoch.

use nabla_kernels::Real;
use nabla_kernels::philox::{Stream, fill_normal, fill_uniform, hash_path, mix};

/// Numbers for one row before those of the next: rejection never comes near.
const PER_ROW: u64 = 1 << 20;

/// Draws, one after the other.
pub(crate) struct Draws {
    single: Stream,
    whole: Stream,
    row: u64,
    next: u64,
}

impl Draws {
    pub(crate) fn new(seed: u64, step: usize, epoch: u64, row: u32) -> Draws {
        let purpose = |what: &str| mix(hash_path(what).wrapping_add(step as u64));
        Draws {
            single: Stream::new(seed, purpose("augmentation"), epoch),
            whole: Stream::new(seed, purpose("augmentation of every value"), epoch),
            row: u64::from(row),
            next: 0,
        }
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        let at = self.row * PER_ROW + self.next;
        self.next += 1;
        self.single.uniform(at)
    }

    /// Uniform in [−amount, amount).
    pub(crate) fn within(&mut self, amount: f64) -> f64 {
        (2.0 * self.uniform() - 1.0) * amount
    }

    /// Uniform in 0 .. count (which must not be 0).
    pub(crate) fn index(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count - 1)
    }

    /// Where the numbers of whole rows of so many values begin.
    fn first(&self, len: usize) -> u64 {
        self.row * (len as u64).next_multiple_of(64)
    }

    /// Standard normal values.
    pub(crate) fn normal<R: Real>(&self, out: &mut [R]) {
        fill_normal(self.whole, self.first(out.len()), out);
    }

    /// Uniform values in [0, 1).
    pub(crate) fn uniforms(&self, out: &mut [f32]) {
        fill_uniform(self.whole, self.first(out.len()), out);
    }

    /// One number of Beta(α, α): G₁/(G₁ + G₂) of two Gamma(α) numbers, by their logarithms, which for small α the numbers underflow.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.log_gamma(alpha), self.log_gamma(alpha));
        1.0 / (1.0 + libm::exp(b - a))
    }

    /// The logarithm of a Gamma(α) number. Marsaglia & Tsang 2000; below 1 that of Gamma(α + 1)·U^(1/α).
    fn log_gamma(&mut self, alpha: f64) -> f64 {
        if alpha < 1.0 {
            let u = 1.0 - self.uniform();
            return self.log_gamma(alpha + 1.0) + libm::log(u) / alpha;
        }
        let d = alpha - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            // Box & Muller 1958.
            let (u, v) = (1.0 - self.uniform(), self.uniform());
            let x = (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v);
            let cube = 1.0 + c * x;
            if cube <= 0.0 {
                continue;
            }
            let cube = cube * cube * cube;
            let u = 1.0 - self.uniform();
            if libm::log(u) < 0.5 * x * x + d - d * cube + d * libm::log(cube) {
                return libm::log(d * cube);
            }
        }
    }
}
