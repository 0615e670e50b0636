//! One macro that turns N registers of an x86 instruction set into 16 lanes.
//!
//! No closures and no iterators: a closure that is not inlined would be compiled without the instruction set, and every intrinsic in
//! it would become a call.

/// Implements `Lanes` for a tuple struct of registers; the arguments are the names of the intrinsics. `zero` lists the registers' places
/// that are not there and stay 0 (the low halves).
macro_rules! lanes {
    (
        $name:ident, $t:ident, $register:ident x $n:literal [$($i:literal)*] zero [$($z:literal)*] width $width:literal, mask $mask:ty, low $low:ident,
        tile $rows:literal x $panels:literal,
        splat $splat:ident, load $load:ident, store $store:ident, stream $stream:ident, add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident,
        fma $fma:ident, sqrt $sqrt:ident, max $max:ident, min $min:ident, and $and:ident, or $or:ident, xor $xor:ident,
        own $own:ident
    ) => {
        #[doc = concat!("16 lanes of ", stringify!($t), " in registers of ", stringify!($width), ".")]
        #[derive(Clone, Copy)]
        pub struct $name([$register; $n]);

        impl Sealed for $name {}

        // SAFETY (all of them): these types live only inside `simd::dispatch`, on a machine that has the instructions.
        impl Lanes<$t> for $name {
            type Mask = [$mask; $n];
            type Low = $low;
            const TILE_ROWS: usize = $rows;
            const TILE_PANELS: usize = $panels;

            #[inline(always)]
            fn splat(x: $t) -> Self {
                // SAFETY: see the impl.
                let r = unsafe { $splat(x) };
                Self([r; $n])
            }
            #[inline(always)]
            fn load(x: &[$t; 16]) -> Self {
                // SAFETY: the array holds 16 numbers.
                unsafe { Self::load_at(x.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, to: &mut [$t; 16]) {
                // SAFETY: the array holds 16 numbers.
                unsafe { self.store_at(to.as_mut_ptr()) }
            }
            #[inline(always)]
            unsafe fn load_at(p: *const $t) -> Self {
                // SAFETY: the caller vouches for 16 numbers; see the impl.
                Self(unsafe { [$($load(p.add($i * $width))),*] })
            }
            #[inline(always)]
            unsafe fn store_at(self, p: *mut $t) {
                // SAFETY: the caller vouches for room for 16 numbers; see the impl.
                unsafe {
                    $($store(p.add($i * $width), self.0[$i]);)*
                    $($store(p.add($z * $width), $splat(0.0));)*
                }
            }
            #[inline(always)]
            unsafe fn stream_at(self, p: *mut $t) {
                // SAFETY: as above, and the caller vouches for the alignment.
                unsafe {
                    $($stream(p.add($i * $width), self.0[$i]);)*
                    $($stream(p.add($z * $width), $splat(0.0));)*
                }
            }
            #[inline(always)]
            fn streamed() {
                // SAFETY: every x86-64 processor has it.
                unsafe { _mm_sfence() }
            }
            #[inline(always)]
            unsafe fn load_first_at(p: *const $t, n: usize) -> Self {
                // SAFETY: lanes from `n` on are masked off and not touched; `wrapping_add` makes no claim about their address.
                Self(unsafe { [$($own::load_masked($own::first(n, $i * $width), p.wrapping_add($i * $width))),*] })
            }
            #[inline(always)]
            unsafe fn store_first_at(self, p: *mut $t, n: usize) {
                // SAFETY: as above.
                unsafe { $($own::store_masked(p.wrapping_add($i * $width), $own::first(n, $i * $width), self.0[$i]);)* }
            }
            #[inline(always)]
            fn keep_first(self, n: usize) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { [$($own::select($own::first(n, $i * $width), self.0[$i], $splat(0.0))),*] })
            }
            lanes!(@binary $name [$($i)*] add $add, sub $sub, mul $mul, div $div, max $max, min $min, and $and, or $or, xor $xor);
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { [$($fma(self.0[$i], b.0[$i], c.0[$i])),*] })
            }
            #[inline(always)]
            fn scale(self, n: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { [$($own::scale(self.0[$i], n.0[$i])),*] })
            }
            lanes!(@unary $name [$($i)*] sqrt $sqrt);
            lanes!(@own_unary $own [$($i)*] round floor shift_right_mantissa);
            lanes!(@own_compare $own [$($i)*] less less_equal equal);
            #[inline(always)]
            fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
                // SAFETY: see the impl.
                Self(unsafe { [$($own::select(mask[$i], a.0[$i], b.0[$i])),*] })
            }
            #[inline(always)]
            fn all(mask: Self::Mask) -> bool {
                // SAFETY: see the impl.
                unsafe { true $(&& $own::all(mask[$i]))* }
            }
        }
    };
    (@binary $name:ident $i:tt $($method:ident $intrinsic:ident),*) => { $(lanes!(@one_binary $i $method $intrinsic);)* };
    (@one_binary [$($i:literal)*] $method:ident $intrinsic:ident) => {
        #[inline(always)]
        fn $method(self, b: Self) -> Self {
            // SAFETY: see the impl.
            Self(unsafe { [$($intrinsic(self.0[$i], b.0[$i])),*] })
        }
    };
    (@unary $name:ident [$($i:literal)*] $method:ident $intrinsic:ident) => {
        #[inline(always)]
        fn $method(self) -> Self {
            // SAFETY: see the impl.
            Self(unsafe { [$($intrinsic(self.0[$i])),*] })
        }
    };
    (@own_unary $own:ident $i:tt $($method:ident)*) => { $(lanes!(@one_own_unary $own $i $method);)* };
    (@one_own_unary $own:ident [$($i:literal)*] $method:ident) => {
        #[inline(always)]
        fn $method(self) -> Self {
            // SAFETY: see the impl.
            Self(unsafe { [$($own::$method(self.0[$i])),*] })
        }
    };
    (@own_compare $own:ident $i:tt $($method:ident)*) => { $(lanes!(@one_own_compare $own $i $method);)* };
    (@one_own_compare $own:ident [$($i:literal)*] $method:ident) => {
        #[inline(always)]
        fn $method(self, b: Self) -> Self::Mask {
            // SAFETY: see the impl.
            unsafe { [$($own::$method(self.0[$i], b.0[$i])),*] }
        }
    };
}

pub(super) use lanes;
