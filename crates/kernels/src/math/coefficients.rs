//! The numbers of [`crate::math`] for f32 and f64.
//!
//! Minimax polynomials by Remez's exchange in 60 digits; beside each its largest relative error before rounding.

use super::horner;
use crate::Real;
use crate::simd::Lanes;

/// What the functions of [`crate::math`] need of a number type.
pub trait Math: Sized {
    /// log₂ e
    const LOG2_E: Self;
    /// ln 2 with trailing zeros, so that n·LN_2_HIGH is exact
    const LN_2_HIGH: Self;
    /// ln 2 − LN_2_HIGH
    const LN_2_LOW: Self;
    /// ln 2 with trailing zeros, for the logarithm
    const LOG_LN_2_HIGH: Self;
    /// ln 2 − LOG_LN_2_HIGH
    const LOG_LN_2_LOW: Self;
    /// √2
    const SQRT_2: Self;
    /// exp is 0 here
    const EXP_LOWEST: Self;
    /// exp is ∞ here
    const EXP_HIGHEST: Self;
    /// expm1 is −1 here
    const EXPM1_LOWEST: Self;
    /// tanh is 1 here
    const TANH_ONE: Self;
    /// erf is 1 here
    const ERF_ONE: Self;
    /// Φ(−x) is 0 here
    const NORMAL_HIGHEST: Self;
    /// 2 to the number of stored mantissa bits
    const TWO_TO_MANTISSA: Self;
    /// The number of stored mantissa bits
    const MANTISSA: Self;
    /// 127 or 1023
    const EXPONENT_BIAS: Self;
    /// 1/κ of the map of the normal tail
    const TAIL_SCALE: Self;

    /// (eʳ − 1 − r)/r², enough for eʳ
    fn exp_tail<L: Lanes<Self>>(r: L) -> L
    where
        Self: Real;
    /// (eʳ − 1 − r)/r², enough for eʳ − 1
    fn expm1_tail<L: Lanes<Self>>(r: L) -> L
    where
        Self: Real;
    /// (2 artanh s − 2s)/s³ in z = s²
    fn log_tail<L: Lanes<Self>>(z: L) -> L
    where
        Self: Real;
    /// erf(x)/x − 1 in z = x² on [0, 1]
    fn erf_near<L: Lanes<Self>>(z: L) -> L
    where
        Self: Real;
    /// ½·erfc(y/√2)·exp(y²/2)/t in u = 1 − 2t, t = 1/(1 + y/κ)
    fn tail<L: Lanes<Self>>(u: L) -> L
    where
        Self: Real;
    /// (Φ(x) − ½)/x in z = x², |x| ≤ 0.6
    fn normal_near<L: Lanes<Self>>(z: L) -> L
    where
        Self: Real;
    /// sin(2πr)/r in z = r², |r| ≤ 1/8
    fn sine<L: Lanes<Self>>(z: L) -> L
    where
        Self: Real;
    /// cos(2πr) in z = r², |r| ≤ 1/8
    fn cosine<L: Lanes<Self>>(z: L) -> L
    where
        Self: Real;
}

macro_rules! polynomials {
    ($($name:ident $(#[$note:meta])* [$($c:expr),* $(,)?])*) => { $(
        $(#[$note])*
        #[inline(always)]
        fn $name<L: Lanes<Self>>(x: L) -> L {
            horner(x, &[$($c),*])
        }
    )* };
}

#[expect(clippy::excessive_precision, reason = "the decimal form of the nearest f32, as the fit printed it")]
impl Math for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 6.931_457_519_5e-1;
    const LN_2_LOW: Self = 1.428_606_765_3e-6;
    const LOG_LN_2_HIGH: Self = 6.931_381_225_6e-1;
    const LOG_LN_2_LOW: Self = 9.058_000_614_5e-6;
    const SQRT_2: Self = std::f32::consts::SQRT_2;
    const EXP_LOWEST: Self = -104.0;
    const EXP_HIGHEST: Self = 89.0;
    const EXPM1_LOWEST: Self = -20.0;
    const TANH_ONE: Self = 10.0;
    const ERF_ONE: Self = 4.0;
    const NORMAL_HIGHEST: Self = 14.4;
    const TWO_TO_MANTISSA: Self = 8_388_608.0;
    const MANTISSA: Self = 23.0;
    const EXPONENT_BIAS: Self = 127.0;
    const TAIL_SCALE: Self = 0.25;
    polynomials! {
        exp_tail /** 1.3e-8 of r */ [0.5, 0.166_665_419_936_180_11, 0.041_666_280_478_239_06, 0.008_366_642_519_831_657, 0.001_394_651_248_119_771_5]
        expm1_tail /** 2.4e-10 of r */ [0.5, 0.166_666_671_633_720_4, 0.041_666_354_984_045_03, 0.008_333_272_300_660_61, 0.001_394_110_498_949_885_5, 0.000_199_145_812_075_585_13]
        log_tail /** 8.1e-10 of the logarithm */ [0.666_667_759_418_487_5, 0.399_774_938_821_792_6, 0.298_731_058_835_983_3]
        erf_near /** 1.2e-9 */ [0.128_379_106_521_606_4, -0.376_126_259_565_353_4, 0.112_835_854_291_915_9, -0.026_853_814_721_107_483,
            0.005_188_330_542_296_171, -0.000_801_020_243_670_791_4, 7.853_849_820_094_183e-5]
        tail /** 8.6e-9 */ [0.188_821_285_963_058_47, -0.151_974_141_597_747_8, 0.096_784_226_596_355_44, -0.046_630_859_375,
            0.015_100_958_757_102_49, -0.001_881_317_584_775_388_2, -0.000_878_140_795_975_923_5, 0.000_392_479_443_689_808_25,
            4.483_999_146_032_147e-5, -3.299_185_846_117_325e-5]
        normal_near /** 4.4e-9 of ½ */ [0.398_942_232_131_958, -0.066_488_072_276_115_42, 0.009_950_033_389_031_887, -0.001_098_282_868_042_588_2]
        sine /** 4.6e-12 */ [6.283_185_482_025_146_5, -41.341_701_507_568_36, 81.605_201_721_191_4, -76.697_761_535_644_53, 41.469_303_131_103_516]
        cosine /** 4.8e-11 */ [1.0, -19.739_208_221_435_547, 64.939_315_795_898_44, -85.442_825_317_382_81, 59.219_390_869_140_625]
    }
}

#[expect(clippy::excessive_precision, reason = "as the fit printed it")]
impl Math for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 6.931_471_803_691_238_164_90e-1;
    const LN_2_LOW: Self = 1.908_214_929_270_587_700_02e-10;
    const LOG_LN_2_HIGH: Self = Self::LN_2_HIGH;
    const LOG_LN_2_LOW: Self = Self::LN_2_LOW;
    const SQRT_2: Self = std::f64::consts::SQRT_2;
    const EXP_LOWEST: Self = -746.0;
    const EXP_HIGHEST: Self = 710.0;
    const EXPM1_LOWEST: Self = -40.0;
    const TANH_ONE: Self = 20.0;
    const ERF_ONE: Self = 6.0;
    const NORMAL_HIGHEST: Self = 38.6;
    const TWO_TO_MANTISSA: Self = 4_503_599_627_370_496.0;
    const MANTISSA: Self = 52.0;
    const EXPONENT_BIAS: Self = 1023.0;
    const TAIL_SCALE: Self = 0.2;
    polynomials! {
        exp_tail /** 1.8e-17 of r */ [0.500_000_000_000_000_6, 0.166_666_666_666_666_85, 0.041_666_666_666_572_975, 0.008_333_333_333_314_224,
            0.001_388_888_893_261_894_8, 0.000_198_412_699_039_286_85, 2.480_150_413_564_622e-5, 2.755_722_708_705_277_7e-6,
            2.762_645_639_254_211e-7, 2.511_476_267_149_949_4e-8]
        expm1_tail /** 2.7e-19 of r */ [0.5, 0.166_666_666_666_666_77, 0.041_666_666_666_666_7, 0.008_333_333_333_321_532,
            0.001_388_888_888_886_674_8, 0.000_198_412_698_864_005_56, 2.480_158_736_076_003_4e-5, 2.755_724_391_206_395_5e-6,
            2.755_724_256_392_507_7e-7, 2.510_914_728_635_399_7e-8, 2.092_450_951_044_546_5e-9]
        log_tail /** 1.2e-18 of the logarithm */ [0.666_666_666_666_673_5, 0.399_999_999_994_111_1, 0.285_714_287_432_596_2, 0.222_221_984_762_114_36,
            0.181_835_697_314_500_14, 0.153_139_033_962_595_4, 0.147_975_067_155_099_79]
        erf_near /** 1.3e-19 */ [0.128_379_167_095_512_57, -0.376_126_389_031_837_5, 0.112_837_916_709_548_58, -0.026_866_170_645_072_96,
            0.005_223_977_624_781_37, -0.000_854_832_697_876_514_9, 0.000_120_553_310_375_511_08, -1.492_559_351_872_822_6e-5,
            1.646_097_295_415_376_5e-6, -1.635_002_619_207_727e-7, 1.465_788_353_091_946_5e-8, -1.136_567_067_182_716e-9,
            5.945_255_584_223_488e-11]
        tail /** 2.1e-19 */ [0.153_838_609_950_012_58, -0.133_076_500_578_011_38, 0.099_061_123_193_995_21, -0.062_706_631_334_257_56,
            0.033_004_073_234_081_42, -0.013_823_727_741_373_273, 0.004_159_013_359_853_032, -0.000_598_675_352_409_740_6,
            -0.000_159_573_877_881_732_22, 0.000_108_979_798_854_191_44, -1.187_516_122_702_305_2e-5, -9.952_492_753_867_234e-6,
            3.336_326_428_006_961e-6, 7.959_656_951_271_653e-7, -5.541_385_873_611_901e-7, -6.692_367_380_137_55e-8,
            8.724_598_879_116_936e-8, 8.044_938_578_760_697e-9, -1.401_118_169_254_282_7e-8, -1.714_761_354_746_697e-9,
            2.146_278_035_460_515_2e-9, 4.423_215_995_295_244e-10, -2.278_848_477_505_155e-10, -7.469_409_142_754_294e-11]
        normal_near /** 5.7e-18 of ½ */ [0.398_942_280_401_432_54, -0.066_490_380_066_886_14, 0.009_973_557_009_266_804,
            -0.001_187_328_201_848_926_1, 0.000_115_434_559_933_669_82, -9.443_978_486_884_578e-6, 6.639_173_008_758_936e-7,
            -3.790_863_346_988_917_6e-8]
        sine /** 3.3e-18 */ [std::f64::consts::TAU, -41.341_702_240_399_634, 81.605_249_275_943_88, -76.705_859_703_119_56,
            42.058_684_875_179_87, -15.093_795_823_170_044, 3.780_687_056_763_498_7]
        cosine /** 3.1e-20 */ [1.0, -19.739_208_802_178_716, 64.939_394_022_667_95, -85.456_817_206_521_93, 60.244_641_328_709_18,
            -26.426_250_892_321_44, 7.903_090_861_183_314, -1.696_833_116_549_526_7]
    }
}
