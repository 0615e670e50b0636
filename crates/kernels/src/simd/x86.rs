//! AVX2 with FMA, and AVX-512: registers of 8 and 4, and of 16 and 8 numbers.

use std::arch::x86_64::*;

use super::x86_operations::lanes;
use super::{Lanes, sealed::Sealed};

lanes!(Avx2F32, f32, __m256 x 2 [0 1] zero [] width 8, mask __m256, low Avx2F32Low, tile 6 x 1,
    splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps, stream _mm256_stream_ps, add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps,
    div _mm256_div_ps, fma _mm256_fmadd_ps, sqrt _mm256_sqrt_ps, max _mm256_max_ps, min _mm256_min_ps, and _mm256_and_ps,
    or _mm256_or_ps, xor _mm256_xor_ps, own avx2_f32);
lanes!(Avx2F64, f64, __m256d x 4 [0 1 2 3] zero [] width 4, mask __m256d, low Avx2F64Low, tile 3 x 1,
    splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd, stream _mm256_stream_pd, add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd,
    div _mm256_div_pd, fma _mm256_fmadd_pd, sqrt _mm256_sqrt_pd, max _mm256_max_pd, min _mm256_min_pd, and _mm256_and_pd,
    or _mm256_or_pd, xor _mm256_xor_pd, own avx2_f64);
lanes!(Avx512F32, f32, __m512 x 1 [0] zero [] width 16, mask __mmask16, low Avx2F32Low, tile 8 x 2,
    splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps, stream _mm512_stream_ps, add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps,
    div _mm512_div_ps, fma _mm512_fmadd_ps, sqrt _mm512_sqrt_ps, max _mm512_max_ps, min _mm512_min_ps, and _mm512_and_ps,
    or _mm512_or_ps, xor _mm512_xor_ps, own avx512_f32);
lanes!(Avx512F64, f64, __m512d x 2 [0 1] zero [] width 8, mask __mmask8, low Avx512F64Low, tile 8 x 1,
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd, stream _mm512_stream_pd, add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd,
    div _mm512_div_pd, fma _mm512_fmadd_pd, sqrt _mm512_sqrt_pd, max _mm512_max_pd, min _mm512_min_pd, and _mm512_and_pd,
    or _mm512_or_pd, xor _mm512_xor_pd, own avx512_f64);

// Low halves: 8 lanes computed, the others 0. For products with at most 8 columns left, half the work.
lanes!(Avx2F32Low, f32, __m256 x 1 [0] zero [1] width 8, mask __m256, low Avx2F32Low, tile 8 x 1,
    splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps, stream _mm256_stream_ps, add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps,
    div _mm256_div_ps, fma _mm256_fmadd_ps, sqrt _mm256_sqrt_ps, max _mm256_max_ps, min _mm256_min_ps, and _mm256_and_ps,
    or _mm256_or_ps, xor _mm256_xor_ps, own avx2_f32);
lanes!(Avx2F64Low, f64, __m256d x 2 [0 1] zero [2 3] width 4, mask __m256d, low Avx2F64Low, tile 6 x 1,
    splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd, stream _mm256_stream_pd, add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd,
    div _mm256_div_pd, fma _mm256_fmadd_pd, sqrt _mm256_sqrt_pd, max _mm256_max_pd, min _mm256_min_pd, and _mm256_and_pd,
    or _mm256_or_pd, xor _mm256_xor_pd, own avx2_f64);
lanes!(Avx512F64Low, f64, __m512d x 1 [0] zero [1] width 8, mask __mmask8, low Avx512F64Low, tile 8 x 1,
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd, stream _mm512_stream_pd, add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd,
    div _mm512_div_pd, fma _mm512_fmadd_pd, sqrt _mm512_sqrt_pd, max _mm512_max_pd, min _mm512_min_pd, and _mm512_and_pd,
    or _mm512_or_pd, xor _mm512_xor_pd, own avx512_f64);

/// What has no intrinsic of the same form on both instruction sets. All of it is for the impls of `Lanes` above only.
macro_rules! avx2 {
    ($module:ident, $t:ident, $int:ident, $register:ident, $width:literal, $cast:ident, $back:ident, $loadi:expr, $maskload:ident,
     $maskstore:ident, $round:ident, $compare:ident, $blend:ident, $movemask:ident, $add:ident, $sub:ident, $mul:ident, $splat:ident, $srl:ident,
     $sll:ident, $mantissa:literal, $magic:expr) => {
        mod $module {
            use super::*;

            /// 16 true lanes, then 16 false ones: a mask of the first n is a window into it.
            static WINDOW: [$int; 32] = {
                let mut window = [0; 32];
                let mut i = 0;
                while i < 16 {
                    window[i] = -1;
                    i += 1;
                }
                window
            };

            /// The mask of lanes `from ..` that are below `n ≤ 16`.
            #[inline(always)]
            pub unsafe fn first(n: usize, from: usize) -> $register {
                debug_assert!(n <= 16);
                // SAFETY: 16 − n + from + width ≤ 16 + 16 (from + width ≤ 16); the caller has AVX2.
                unsafe { $back(_mm256_loadu_si256(WINDOW.as_ptr().add(16 - n + from).cast())) }
            }
            #[inline(always)]
            pub unsafe fn load_masked(mask: $register, p: *const $t) -> $register {
                // SAFETY: masked lanes are not touched; the caller vouches for the others.
                unsafe { $maskload(p, $cast(mask)) }
            }
            #[inline(always)]
            pub unsafe fn store_masked(p: *mut $t, mask: $register, x: $register) {
                // SAFETY: masked lanes are not touched; the caller vouches for the others.
                unsafe { $maskstore(p, $cast(mask), x) }
            }
            #[inline(always)]
            pub unsafe fn select(mask: $register, a: $register, b: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $blend(b, a, mask) }
            }
            #[inline(always)]
            pub unsafe fn all(mask: $register) -> bool {
                // SAFETY: the caller has AVX2.
                unsafe { $movemask(mask) == (1 << $width) - 1 }
            }
            #[inline(always)]
            pub unsafe fn round(x: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
            }
            #[inline(always)]
            pub unsafe fn floor(x: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x) }
            }
            #[inline(always)]
            pub unsafe fn less(a: $register, b: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $compare::<_CMP_LT_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn less_equal(a: $register, b: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $compare::<_CMP_LE_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn equal(a: $register, b: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $compare::<_CMP_EQ_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn shift_right_mantissa(x: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $back($srl::<$mantissa>($cast(x))) }
            }
            /// 2ⁿ: adding 1.5·2^mantissa + bias leaves n + bias in the low bits, the shift moves it into the exponent.
            #[inline(always)]
            unsafe fn power(n: $register) -> $register {
                // SAFETY: the caller has AVX2.
                unsafe { $back($sll::<$mantissa>($cast($add(n, $splat($magic))))) }
            }
            #[inline(always)]
            pub unsafe fn scale(x: $register, n: $register) -> $register {
                // SAFETY: the caller has AVX2. Two steps, the first exact, so that a denormal result is rounded once.
                unsafe {
                    let half = floor($mul(n, $splat(0.5)));
                    $mul($mul(x, power(half)), power($sub(n, half)))
                }
            }
        }
    };
}
avx2!(
    avx2_f32,
    f32,
    i32,
    __m256,
    8,
    _mm256_castps_si256,
    _mm256_castsi256_ps,
    _mm256_loadu_si256,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    _mm256_round_ps,
    _mm256_cmp_ps,
    _mm256_blendv_ps,
    _mm256_movemask_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_set1_ps,
    _mm256_srli_epi32,
    _mm256_slli_epi32,
    23,
    12582912.0 + 127.0
);
avx2!(
    avx2_f64,
    f64,
    i64,
    __m256d,
    4,
    _mm256_castpd_si256,
    _mm256_castsi256_pd,
    _mm256_loadu_si256,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    _mm256_round_pd,
    _mm256_cmp_pd,
    _mm256_blendv_pd,
    _mm256_movemask_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_set1_pd,
    _mm256_srli_epi64,
    _mm256_slli_epi64,
    52,
    6755399441055744.0 + 1023.0
);

macro_rules! avx512 {
    ($module:ident, $t:ident, $mask:ident, $register:ident, $width:literal, $cast:ident, $back:ident, $maskload:ident, $maskstore:ident,
     $round:ident, $compare:ident, $blend:ident, $srl:ident, $mantissa:literal, $scale:ident) => {
        mod $module {
            use super::*;

            /// The mask of lanes `from ..` that are below `n ≤ 16`.
            #[inline(always)]
            pub unsafe fn first(n: usize, from: usize) -> $mask {
                debug_assert!(n <= 16);
                ((((1u32 << n) - 1) >> from) & ((1 << $width) - 1)) as $mask
            }
            #[inline(always)]
            pub unsafe fn load_masked(mask: $mask, p: *const $t) -> $register {
                // SAFETY: masked lanes are not touched; the caller vouches for the others.
                unsafe { $maskload(mask, p) }
            }
            #[inline(always)]
            pub unsafe fn store_masked(p: *mut $t, mask: $mask, x: $register) {
                // SAFETY: masked lanes are not touched; the caller vouches for the others.
                unsafe { $maskstore(p, mask, x) }
            }
            #[inline(always)]
            pub unsafe fn select(mask: $mask, a: $register, b: $register) -> $register {
                // SAFETY: the caller has AVX-512.
                unsafe { $blend(mask, b, a) }
            }
            #[inline(always)]
            pub unsafe fn all(mask: $mask) -> bool {
                mask == $mask::MAX
            }
            #[inline(always)]
            pub unsafe fn round(x: $register) -> $register {
                // SAFETY: the caller has AVX-512.
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
            }
            #[inline(always)]
            pub unsafe fn floor(x: $register) -> $register {
                // SAFETY: the caller has AVX-512.
                unsafe { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x) }
            }
            #[inline(always)]
            pub unsafe fn less(a: $register, b: $register) -> $mask {
                // SAFETY: the caller has AVX-512.
                unsafe { $compare::<_CMP_LT_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn less_equal(a: $register, b: $register) -> $mask {
                // SAFETY: the caller has AVX-512.
                unsafe { $compare::<_CMP_LE_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn equal(a: $register, b: $register) -> $mask {
                // SAFETY: the caller has AVX-512.
                unsafe { $compare::<_CMP_EQ_OQ>(a, b) }
            }
            #[inline(always)]
            pub unsafe fn shift_right_mantissa(x: $register) -> $register {
                // SAFETY: the caller has AVX-512.
                unsafe { $back($srl::<$mantissa>($cast(x))) }
            }
            #[inline(always)]
            pub unsafe fn scale(x: $register, n: $register) -> $register {
                // SAFETY: the caller has AVX-512.
                unsafe { $scale(x, n) }
            }
        }
    };
}
avx512!(
    avx512_f32,
    f32,
    __mmask16,
    __m512,
    16,
    _mm512_castps_si512,
    _mm512_castsi512_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_roundscale_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps,
    _mm512_srli_epi32,
    23,
    _mm512_scalef_ps
);
avx512!(
    avx512_f64,
    f64,
    __mmask8,
    __m512d,
    8,
    _mm512_castpd_si512,
    _mm512_castsi512_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_roundscale_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd,
    _mm512_srli_epi64,
    52,
    _mm512_scalef_pd
);
