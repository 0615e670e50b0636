//! Schedules: the learning rate as a function of the step, counted from 0. The rate is an input of a step, so a schedule compiles nothing.
//!
//! A schedule gives a factor of the optimizer's own rate η₀. `by` says what it counts: whole epochs (the rate is constant within one, as
//! PyTorch's schedulers when stepped once an epoch) or steps. Formulas in the variants; transcendental functions are libm's own, which
//! give the same bits everywhere.

use std::f64::consts::PI;

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use crate::carry::{Carry, Reader};

/// What a schedule counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// Epochs that are over.
    #[default]
    Epoch,
    /// Steps that are over.
    Step,
}

/// Where a fit is. A warm-up's successor gets a clock of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Steps that are over.
    pub step: u64,
    /// Steps of an epoch.
    pub per_epoch: u64,
    /// Steps of the whole fit.
    pub steps: u64,
}

impl Clock {
    fn at(self, by: By) -> f64 {
        match by {
            By::Step => self.step as f64,
            By::Epoch => (self.step / self.per_epoch.max(1)) as f64,
        }
    }

    fn whole(self, by: By) -> f64 {
        match by {
            By::Step => self.steps as f64,
            By::Epoch => self.steps as f64 / self.per_epoch.max(1) as f64,
        }
    }
}

/// How the learning rate goes; t is the count (`by`), η₀ the optimizer's rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Schedule {
    /// factor·η₀ throughout.
    Constant {
        /// Default 1.
        #[serde(default = "one")]
        factor: f64,
    },
    /// η₀·factor^⌊t/every⌋. PyTorch's `StepLR`.
    Step {
        /// Between two drops, ≥ 1.
        every: u64,
        /// Default 0.1.
        #[serde(default = "tenth")]
        factor: f64,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀·factor^(milestones that are ≤ t). PyTorch's `MultiStepLR`.
    MultiStep {
        /// Ascending.
        milestones: Vec<u64>,
        /// Default 0.1.
        #[serde(default = "tenth")]
        factor: f64,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀·factorᵗ. PyTorch's `ExponentialLR`.
    Exponential {
        /// In (0, 1].
        factor: f64,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀/(1 + k·t).
    InverseTime {
        /// k ≥ 0.
        decay: f64,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀·(end + (1−end)·(1 − t/T)^power), then end·η₀. PyTorch's `PolynomialLR` with end 0.
    Polynomial {
        /// Share of η₀, default 0.
        #[serde(default)]
        end: f64,
        /// Default 1.
        #[serde(default = "one")]
        power: f64,
        /// T; none is the whole fit.
        #[serde(default)]
        length: Option<f64>,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀·(end + (1−end)·½(1 + cos(πt/T))), then end·η₀. Loshchilov & Hutter 2017, arXiv:1608.03983; PyTorch's `CosineAnnealingLR` up to T.
    Cosine {
        /// Share of η₀, default 0.
        #[serde(default)]
        end: f64,
        /// T; none is the whole fit.
        #[serde(default)]
        length: Option<f64>,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// The same, starting over after `period`, then period·growth, … PyTorch's `CosineAnnealingWarmRestarts`.
    CosineRestarts {
        /// Length of the first, ≥ 1.
        period: u64,
        /// ≥ 1, default 1.
        #[serde(default = "one")]
        growth: f64,
        /// Share of η₀, default 0.
        #[serde(default)]
        end: f64,
        /// Default epochs.
        #[serde(default)]
        by: By,
    },
    /// η₀·(start + (1−start)·step/steps) for the first steps, then another schedule with its count from there. Goyal et al. 2017,
    /// arXiv:1706.02677; PyTorch's `LinearLR`.
    Warmup {
        /// Steps that rise, ≥ 1.
        steps: u64,
        /// Share of η₀, default 0.
        #[serde(default)]
        start: f64,
        /// None is constant.
        #[serde(default)]
        next: Option<Box<Schedule>>,
    },
    /// From η₀ up to peak·η₀ in the first `rise` of all steps and down to end·η₀ by half cosines. Smith & Topin 2018, arXiv:1708.07120;
    /// PyTorch's `OneCycleLR` of two phases.
    OneCycle {
        /// Default 10.
        #[serde(default = "ten")]
        peak: f64,
        /// In (0, 1), default 0.3.
        #[serde(default = "three_tenths")]
        rise: f64,
        /// Default 1e-3.
        #[serde(default = "thousandth")]
        end: f64,
    },
    /// η₀ times a factor that [`Plateau`] lowers.
    ReduceOnPlateau {
        /// `loss` or a metric.
        monitor: String,
        /// Whether larger is better.
        maximize: bool,
        /// In (0, 1), default 0.1.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs without improvement that are let pass, default 10.
        #[serde(default = "ten_epochs")]
        patience: u64,
        /// What counts as an improvement, default 0.
        #[serde(default)]
        min_delta: f64,
        /// The rate does not fall below, default 0.
        #[serde(default)]
        minimum: f64,
    },
    /// The rates themselves, one a step: a user's function, called ahead.
    Rates {
        /// As many as steps.
        rates: Vec<f64>,
    },
}

fn one() -> f64 {
    1.0
}
fn ten() -> f64 {
    10.0
}
fn ten_epochs() -> u64 {
    10
}
fn tenth() -> f64 {
    0.1
}
fn three_tenths() -> f64 {
    0.3
}
fn thousandth() -> f64 {
    1e-3
}

/// From 1 at 0 to `end` at 1, along half a cosine.
fn half_cosine(end: f64, share: f64) -> f64 {
    end + (1.0 - end) * 0.5 * (1.0 + libm::cos(PI * share))
}

fn expect(ok: bool, option: &str, range: &str, value: impl std::fmt::Display) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(&format!("schedule.{option}"), range, value))
    }
}

impl Schedule {
    /// The rate at a time, where the optimizer's own is `base`; `plateau` is the factor that a plateau has left.
    pub fn rate(&self, base: f64, clock: Clock, plateau: f64) -> f64 {
        base * match self {
            Schedule::Constant { factor } => *factor,
            Schedule::Step { every, factor, by } => libm::pow(*factor, (clock.at(*by) / *every as f64).floor()),
            Schedule::MultiStep { milestones, factor, by } => {
                let t = clock.at(*by);
                libm::pow(*factor, milestones.iter().filter(|m| **m as f64 <= t).count() as f64)
            }
            Schedule::Exponential { factor, by } => libm::pow(*factor, clock.at(*by)),
            Schedule::InverseTime { decay, by } => 1.0 / (1.0 + decay * clock.at(*by)),
            Schedule::Polynomial { end, power, length, by } => {
                let share = (clock.at(*by) / length.unwrap_or(clock.whole(*by))).min(1.0);
                end + (1.0 - end) * libm::pow(1.0 - share, *power)
            }
            Schedule::Cosine { end, length, by } => half_cosine(*end, (clock.at(*by) / length.unwrap_or(clock.whole(*by))).min(1.0)),
            Schedule::CosineRestarts { period, growth, end, by } => {
                let (mut t, mut length) = (clock.at(*by), *period as f64);
                if *growth == 1.0 {
                    t %= length;
                }
                while t >= length {
                    t -= length;
                    length *= growth;
                }
                half_cosine(*end, t / length)
            }
            Schedule::Warmup { steps, start, next } => {
                if clock.step < *steps {
                    start + (1.0 - start) * clock.step as f64 / *steps as f64
                } else {
                    let rest = Clock {
                        step: clock.step - steps,
                        steps: clock.steps.saturating_sub(*steps).max(1),
                        ..clock
                    };
                    return next.as_ref().map_or(base, |next| next.rate(base, rest, plateau));
                }
            }
            Schedule::OneCycle { peak, rise, end } => {
                let (t, last) = (clock.step as f64, (clock.steps.max(2) - 1) as f64);
                let top = (rise * clock.steps as f64 - 1.0).max(f64::MIN_POSITIVE);
                if t <= top {
                    peak * half_cosine(1.0 / peak, 1.0 - t / top)
                } else {
                    peak * half_cosine(end / peak, ((t - top) / (last - top)).min(1.0))
                }
            }
            Schedule::ReduceOnPlateau { .. } => plateau,
            Schedule::Rates { rates } => return rates.get(clock.step as usize).or(rates.last()).copied().unwrap_or(base),
        }
    }

    /// The plateau's policy, wherever it stands in the chain.
    pub fn plateau(&self) -> Option<&Schedule> {
        match self {
            Schedule::ReduceOnPlateau { .. } => Some(self),
            Schedule::Warmup { next: Some(next), .. } => next.plateau(),
            _ => None,
        }
    }

    /// How many steps it knows rates for, if not all.
    pub fn known_steps(&self) -> Option<u64> {
        match self {
            Schedule::Rates { rates } => Some(rates.len() as u64),
            Schedule::Warmup {
                steps, next: Some(next), ..
            } => next.known_steps().map(|n| n + steps),
            _ => None,
        }
    }

    /// Checks the ranges of the options.
    ///
    /// # Errors
    /// `INVALID_OPTION`, naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        let drop = |factor: f64| expect(factor > 0.0 && factor.is_finite(), "factor", "in (0, ∞)", factor);
        let share = |name: &str, x: f64| expect((0.0..=1.0).contains(&x), name, "in [0, 1]", x);
        let length = |l: &Option<f64>| expect(l.is_none_or(|l| l > 0.0 && l.is_finite()), "length", "above 0", l.unwrap_or(0.0));
        match self {
            Schedule::Constant { factor } => expect(*factor >= 0.0 && factor.is_finite(), "factor", "in [0, ∞)", factor),
            Schedule::Step { every, factor, .. } => drop(*factor).and(expect(*every > 0, "every", "at least 1", every)),
            Schedule::MultiStep { milestones, factor, .. } => {
                drop(*factor)?;
                let ascending = milestones.windows(2).all(|w| w[0] < w[1]);
                expect(
                    ascending && !milestones.is_empty(),
                    "milestones",
                    "ascending, at least one",
                    format!("{milestones:?}"),
                )
            }
            Schedule::Exponential { factor, .. } => expect(*factor > 0.0 && *factor <= 1.0, "factor", "in (0, 1]", factor),
            Schedule::InverseTime { decay, .. } => expect(*decay >= 0.0 && decay.is_finite(), "decay", "in [0, ∞)", decay),
            Schedule::Polynomial { end, power, length: l, .. } => {
                share("end", *end)?;
                expect(*power > 0.0 && power.is_finite(), "power", "in (0, ∞)", power)?;
                length(l)
            }
            Schedule::Cosine { end, length: l, .. } => share("end", *end).and(length(l)),
            Schedule::CosineRestarts { period, growth, end, .. } => {
                expect(*period > 0, "period", "at least 1", period)?;
                expect(*growth >= 1.0 && growth.is_finite(), "growth", "in [1, ∞)", growth)?;
                share("end", *end)
            }
            Schedule::Warmup { steps, start, next } => {
                expect(*steps > 0, "steps", "at least 1", steps)?;
                share("start", *start)?;
                next.as_ref().map_or(Ok(()), |next| next.validate())
            }
            Schedule::OneCycle { peak, rise, end } => {
                expect(*peak >= 1.0 && peak.is_finite(), "peak", "in [1, ∞)", peak)?;
                expect(*rise > 0.0 && *rise < 1.0, "rise", "in (0, 1)", rise)?;
                share("end", *end)
            }
            Schedule::ReduceOnPlateau {
                factor,
                min_delta,
                minimum,
                ..
            } => {
                expect(*factor > 0.0 && *factor < 1.0, "factor", "in (0, 1)", factor)?;
                expect(*min_delta >= 0.0 && min_delta.is_finite(), "minDelta", "in [0, ∞)", min_delta)?;
                expect(*minimum >= 0.0 && minimum.is_finite(), "minimum", "in [0, ∞)", minimum)
            }
            Schedule::Rates { rates } => {
                let wrong = rates.iter().position(|r| !(r.is_finite() && *r >= 0.0));
                expect(
                    !rates.is_empty() && wrong.is_none(),
                    "rates",
                    "finite numbers of at least 0",
                    wrong.map_or("none".to_owned(), |i| format!("{} for step {i}", rates[i])),
                )
            }
        }
    }
}

/// Lowers the rate when a score stands still: after more than `patience` epochs without improvement it is multiplied by `factor`, and the
/// waiting starts anew. PyTorch's `ReduceLROnPlateau` with an absolute threshold and no cooldown.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    best: f64,
    waited: u64,
    /// What the rate is multiplied by now.
    pub factor: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau {
            best: f64::NAN,
            waited: 0,
            factor: 1.0,
        }
    }
}

impl Plateau {
    /// Writes it down.
    pub fn leave<T: Real>(&self, carry: &mut Carry<T>) {
        carry.number(self.best);
        carry.count(self.waited);
        carry.number(self.factor);
    }

    /// As it was written down.
    pub fn read<T: Real>(from: &mut Reader<T>) -> Result<Plateau> {
        Ok(Plateau {
            best: from.number()?,
            waited: from.count()?,
            factor: from.number()?,
        })
    }

    /// After an epoch with this score. A value that is not a number is no improvement.
    pub fn judge(&mut self, policy: &Schedule, base: f64, value: f64) {
        let Schedule::ReduceOnPlateau {
            maximize,
            factor,
            patience,
            min_delta,
            minimum,
            ..
        } = policy
        else {
            return;
        };
        let gain = if *maximize { value - self.best } else { self.best - value };
        if gain > *min_delta || (self.best.is_nan() && !value.is_nan()) {
            (self.best, self.waited) = (value, 0);
            return;
        }
        self.waited += 1;
        if self.waited > *patience {
            let least = if base > 0.0 { (minimum / base).min(1.0) } else { 0.0 };
            (self.factor, self.waited) = ((self.factor * factor).max(least), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        schedule: Schedule,
        base: f64,
        per_epoch: u64,
        steps: u64,
        #[serde(default)]
        scores: Vec<f64>,
        rates: Vec<f64>,
    }

    #[test]
    fn follows_pytorch() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/schedules.json"));
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        for case in fixture.cases {
            case.schedule.validate().unwrap();
            let mut plateau = Plateau::default();
            for (step, expected) in case.rates.iter().enumerate() {
                let clock = Clock {
                    step: step as u64,
                    per_epoch: case.per_epoch,
                    steps: case.steps,
                };
                let rate = case.schedule.rate(case.base, clock, plateau.factor);
                // PyTorch multiplies its way along some curves, which rounds once a step.
                assert!(
                    (rate - expected).abs() <= 1e-12 * case.base,
                    "{:?} at step {step}: {rate:e}, expected {expected:e}",
                    case.schedule
                );
                if let (Some(policy), Some(score)) = (case.schedule.plateau(), case.scores.get(step)) {
                    plateau.judge(policy, case.base, *score);
                }
            }
        }
    }

    #[test]
    fn composes_and_says_what_it_knows() {
        let json = r#"{"kind":"warmup","steps":4,"start":0.5,"next":{"kind":"rates","rates":[3,2,1]}}"#;
        let schedule: Schedule = serde_json::from_str(json).unwrap();
        let rates: Vec<f64> = (0..8)
            .map(|step| {
                let clock = Clock {
                    step,
                    per_epoch: 2,
                    steps: 8,
                };
                schedule.rate(8.0, clock, 1.0)
            })
            .collect();
        assert_eq!(rates, [4.0, 5.0, 6.0, 7.0, 3.0, 2.0, 1.0, 1.0]);
        assert_eq!(schedule.known_steps(), Some(7));
        assert_eq!(serde_json::to_value(&schedule).unwrap()["next"]["kind"], "rates");
    }

    #[test]
    fn options_out_of_range_are_named() {
        for (json, option) in [
            (r#"{"kind":"constant","factor":-1}"#, "factor"),
            (r#"{"kind":"step","every":0}"#, "every"),
            (r#"{"kind":"multiStep","milestones":[3,3]}"#, "milestones"),
            (r#"{"kind":"exponential","factor":1.5}"#, "factor"),
            (r#"{"kind":"inverseTime","decay":-1}"#, "decay"),
            (r#"{"kind":"polynomial","power":0}"#, "power"),
            (r#"{"kind":"cosine","end":2}"#, "end"),
            (r#"{"kind":"cosineRestarts","period":1,"growth":0.5}"#, "growth"),
            (r#"{"kind":"warmup","steps":5,"next":{"kind":"cosine","length":0}}"#, "length"),
            (r#"{"kind":"oneCycle","rise":1}"#, "rise"),
            (
                r#"{"kind":"reduceOnPlateau","monitor":"loss","maximize":false,"factor":1}"#,
                "factor",
            ),
            (r#"{"kind":"rates","rates":[1,-1]}"#, "rates"),
        ] {
            let error = serde_json::from_str::<Schedule>(json).unwrap().validate().unwrap_err();
            assert_eq!(error.place.as_deref(), Some(format!("schedule.{option}").as_str()), "{json}");
        }
    }
}
