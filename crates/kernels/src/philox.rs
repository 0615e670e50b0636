//! Counter-based random numbers: Philox 4x32-10.
//!
//! Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3" (doi:10.1145/2063384.2063405). A block of four words
//! is a function of (key, counter), so element i of a stream depends on (seed, purpose, step, i) only: neither on the order in which
//! elements are drawn, nor on threads, nor on the instruction set.

const M0: u32 = 0xD251_1F53;
const M1: u32 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// Philox 4x32 with ten rounds and a 64-bit key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The low half of the key is word 0.
    pub const fn new(key: u64) -> Self {
        Self {
            key: [key as u32, (key >> 32) as u32],
        }
    }

    /// The four words at a counter.
    #[inline(always)]
    pub const fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        let mut c = counter;
        let mut k = self.key;
        let mut round = 0;
        while round < 10 {
            let p0 = M0 as u64 * c[0] as u64;
            let p1 = M1 as u64 * c[2] as u64;
            c = [
                (p1 >> 32) as u32 ^ c[1] ^ k[0],
                p1 as u32,
                (p0 >> 32) as u32 ^ c[3] ^ k[1],
                p0 as u32,
            ];
            k = [k[0].wrapping_add(W0), k[1].wrapping_add(W1)];
            round += 1;
        }
        c
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood 2014): mixes all bits.
pub const fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A layer path or purpose as a number: FNV-1a, then [`mix`].
pub const fn hash_path(path: &str) -> u64 {
    let bytes = path.as_bytes();
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01B3);
        i += 1;
    }
    mix(hash)
}

/// The numbers of one purpose at one step: key = mix(seed + mix(purpose)), counter = (block, step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    philox: Philox,
    step: u64,
}

impl Stream {
    /// `purpose` is the hash of a path ([`hash_path`]), `step` counts training steps (0 where there is none).
    pub const fn new(seed: u64, purpose: u64, step: u64) -> Self {
        Self {
            philox: Philox::new(mix(seed ^ mix(purpose))),
            step,
        }
    }

    /// The words of block `index`.
    #[inline(always)]
    pub const fn block(&self, index: u64) -> [u32; 4] {
        self.philox
            .block([index as u32, (index >> 32) as u32, self.step as u32, (self.step >> 32) as u32])
    }

    /// 64 bits of element `i`: half of block ⌊i/2⌋.
    #[inline(always)]
    pub const fn bits64(&self, i: u64) -> u64 {
        let block = self.block(i / 2);
        let half = (i % 2) as usize * 2;
        block[half] as u64 | (block[half + 1] as u64) << 32
    }

    /// Element `i`, uniform in [0, 1), 53 bits.
    #[inline(always)]
    pub fn uniform(&self, i: u64) -> f64 {
        (self.bits64(i) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

pub(crate) mod fill;
pub use fill::{dropout_mask, fill_normal, fill_uniform};

/// A uniform order of 0 .. rows: Fisher–Yates with unbiased bounded integers (Lemire 2019, arXiv:1805.10941).
///
/// # Panics
/// If there are more than 2³² rows.
pub fn permutation(rows: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows).map(|i| u32::try_from(i).expect("at most 2³² rows")).collect();
    shuffle(&mut order, Stream::new(seed, hash_path("permutation"), 0));
    order
}

/// Shuffles in place by the numbers of a stream.
pub fn shuffle<V>(order: &mut [V], stream: Stream) {
    let mut words = Words {
        stream,
        words: [0; WORDS],
        next: 0,
    };
    for i in (1..order.len()).rev() {
        order.swap(i, words.bounded(i as u64 + 1) as usize);
    }
}

/// Words that are made together: whole vectors of blocks, and little waste where few are wanted.
const WORDS: usize = 64;

/// The words of a stream, one after the other.
struct Words {
    stream: Stream,
    words: [u32; WORDS],
    next: u64,
}

impl Words {
    #[inline(always)]
    fn word(&mut self) -> u64 {
        let at = (self.next % WORDS as u64) as usize;
        if at == 0 {
            fill::words(&self.stream, self.next / 4, &mut self.words);
        }
        self.next += 1;
        self.words[at].into()
    }

    /// Unbiased in 0 .. bound (bound ≤ 2³²): the high word of a product, redrawn while the low word is in the short class.
    #[inline(always)]
    fn bounded(&mut self, bound: u64) -> u64 {
        loop {
            let product = self.word() * bound;
            let low = product & 0xFFFF_FFFF;
            if low >= bound || low >= ((1u64 << 32) - bound) % bound {
                return product >> 32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Random123 (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], 0, [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            ([u32::MAX; 4], u64::MAX, [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                0x299F_31D0_A409_3822,
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(Philox::new(key).block(counter), expected);
        }
    }

    #[test]
    fn permutations_are_permutations_and_uniform() {
        for rows in [0, 1, 2, 10, 1000] {
            let mut order = permutation(rows, 3);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, x)| i == *x as usize));
        }
        assert_eq!(permutation(50, 1), permutation(50, 1));
        assert_ne!(permutation(50, 1), permutation(50, 2));
        // All six orders of three, χ² with 5 degrees of freedom: 20.5 is the 0.1 % point.
        let mut counts = [0f64; 6];
        for seed in 0..6000 {
            let p = permutation(3, seed);
            counts[(p[0] * 2 + u32::from(p[1] > p[2])) as usize] += 1.0;
        }
        let chi: f64 = counts.iter().map(|c| (c - 1000.0) * (c - 1000.0) / 1000.0).sum();
        assert!(chi < 20.5, "{counts:?}");
    }

    #[test]
    fn paths_differ() {
        assert_ne!(hash_path("dense/kernel"), hash_path("dense/bias"));
        assert_ne!(Stream::new(1, 2, 3).bits64(0), Stream::new(1, 2, 4).bits64(0));
        assert_ne!(Stream::new(1, 2, 3).bits64(0), Stream::new(2, 1, 3).bits64(0));
    }
}
