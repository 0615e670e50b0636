//! Stands in for `nabla_kernels` until its `philox` exists.

pub(crate) mod philox {
    fn mix(mut x: u64) -> u64 {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
    pub fn hash_path(path: &str) -> u64 {
        path.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3))
    }
    #[derive(Clone, Copy)]
    pub struct Stream(u64);
    impl Stream {
        pub fn new(seed: u64, purpose: u64, step: u64) -> Self {
            Self(mix(seed ^ mix(purpose ^ mix(step))))
        }
    }
    pub fn fill_uniform(stream: &Stream, first: u64, out: &mut [f64]) {
        for (i, o) in out.iter_mut().enumerate() {
            *o = (mix(stream.0 ^ mix(first + i as u64)) >> 11) as f64 / (1u64 << 53) as f64;
        }
    }
    pub fn fill_normal(stream: &Stream, first: u64, out: &mut [f64]) {
        for (i, o) in out.iter_mut().enumerate() {
            let a = mix(stream.0 ^ mix(first + i as u64));
            let (u, v) = ((a >> 11) as f64 / (1u64 << 53) as f64, (mix(a) >> 11) as f64 / (1u64 << 53) as f64);
            *o = libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(std::f64::consts::TAU * v);
        }
    }
}
