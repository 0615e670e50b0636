//! Places of values among quantiles, uniform or normal, and back.

use libm::{log, sqrt};

use crate::prepare::Distribution;

/// What is cut off the normal distribution: its quantiles 10⁻⁷ and 1 − 10⁻⁷.
const TAIL: f64 = 1e-7;

/// Piecewise linear through (x, y), `x` ascending; constant outside. Of equal x the last one counts, as `numpy.interp`.
fn interpolate(at: f64, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> f64, count: usize) -> f64 {
    // The first place whose x is above.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        if x(middle) <= at { low = middle + 1 } else { high = middle }
    }
    match low {
        0 => y(0),
        i if i == count => y(count - 1),
        i => {
            let (x0, x1) = (x(i - 1), x(i));
            y(i - 1) + (y(i) - y(i - 1)) / (x1 - x0) * (at - x0)
        }
    }
}

/// The place of x among ascending quantiles in [0, 1], or the normal value there: the mean of both ways to count equal quantiles.
pub(crate) fn place(x: f64, quantiles: &[f64], output: Distribution) -> f64 {
    let n = quantiles.len();
    let share = |i: usize| i as f64 / (n - 1) as f64;
    let (least, most) = (quantiles[0], quantiles[n - 1]);
    let place = if x.is_nan() {
        return x;
    } else if (x - least) < TAIL && x <= least {
        0.0
    } else if x >= most {
        1.0
    } else {
        let up = interpolate(x, |i| quantiles[i], share, n);
        let down = interpolate(-x, |i| -quantiles[n - 1 - i], |i| -share(n - 1 - i), n);
        (up - down) / 2.0
    };
    match output {
        Distribution::Uniform => place,
        Distribution::Normal => normal(place.clamp(TAIL, 1.0 - TAIL)),
    }
}

/// The value at a place.
pub(crate) fn value(y: f64, quantiles: &[f64], output: Distribution) -> f64 {
    let n = quantiles.len();
    let place = match output {
        Distribution::Uniform => y,
        // What was cut goes to the ends.
        Distribution::Normal => match 0.5 * libm::erfc(-y / std::f64::consts::SQRT_2) {
            p if p <= TAIL * (1.0 + 1e-6) => 0.0,
            p if p >= 1.0 - TAIL * (1.0 + 1e-6) => 1.0,
            p => p,
        },
    };
    interpolate(place, |i| i as f64 / (n - 1) as f64, |i| quantiles[i], n)
}

/// The standard normal's quantile p: Wichura 1988, algorithm AS 241 (PPND16), about 1e-16.
fn normal(p: f64) -> f64 {
    let q = p - 0.5;
    let ratio = |r: f64, over: [f64; 8], under: [f64; 7]| {
        let over = over.iter().rev().fold(0.0, |sum, c| sum * r + c);
        let under = under.iter().rev().fold(0.0, |sum, c| sum * r + c) * r + 1.0;
        over / under
    };
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * ratio(
            r,
            [
                3.387_132_872_796_366_5,
                1.331_416_678_917_843_8e2,
                1.971_590_950_306_551_3e3,
                1.373_169_376_550_946e4,
                4.592_195_393_154_987e4,
                6.726_577_092_700_87e4,
                3.343_057_558_358_813e4,
                2.509_080_928_730_122_7e3,
            ],
            [
                4.231_333_070_160_091e1,
                6.871_870_074_920_579e2,
                5.394_196_021_424_751e3,
                2.121_379_430_158_659_7e4,
                3.930_789_580_009_271e4,
                2.872_908_573_572_194_3e4,
                5.226_495_278_852_854e3,
            ],
        );
    }
    let r = sqrt(-log(if q < 0.0 { p } else { 1.0 - p }));
    let value = if r <= 5.0 {
        ratio(
            r - 1.6,
            [
                1.423_437_110_749_683_5,
                4.630_337_846_156_546,
                5.769_497_221_460_691,
                3.647_848_324_763_204_5,
                1.270_458_252_452_368_4,
                2.417_807_251_774_506e-1,
                2.272_384_498_926_918_4e-2,
                7.745_450_142_783_414e-4,
            ],
            [
                2.053_191_626_637_759,
                1.676_384_830_183_803_8,
                6.897_673_349_851e-1,
                1.481_039_764_274_800_8e-1,
                1.519_866_656_361_645_7e-2,
                5.475_938_084_995_345e-4,
                1.050_750_071_644_416_9e-9,
            ],
        )
    } else {
        ratio(
            r - 5.0,
            [
                6.657_904_643_501_103,
                5.463_784_911_164_114,
                1.784_826_539_917_291_3,
                2.965_605_718_285_049e-1,
                2.653_218_952_657_612_4e-2,
                1.242_660_947_388_078_4e-3,
                2.711_555_568_743_487_6e-5,
                2.010_334_399_292_288_1e-7,
            ],
            [
                5.998_322_065_558_88e-1,
                1.369_298_809_227_358e-1,
                1.487_536_129_085_061_5e-2,
                7.868_691_311_456_133e-4,
                1.846_318_317_510_054_8e-5,
                1.421_511_758_316_446e-7,
                2.044_263_103_389_939_8e-15,
            ],
        )
    };
    if q < 0.0 { -value } else { value }
}
