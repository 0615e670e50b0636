//! Early stopping (Prechelt 1998): ends when the monitored value has not become better for `patience` epochs.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_optim::carry::{Carry, Reader};

use crate::history::Scores;
use crate::spec::{EarlyStopping, Mode};

/// What an epoch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Better than all before.
    pub best: bool,
    /// Time to end.
    pub stop: bool,
}

/// The state of the policy.
#[derive(Clone, Debug)]
pub struct Watch {
    spec: EarlyStopping,
    best: f64,
    waited: usize,
}

impl Watch {
    /// Before the first epoch.
    pub fn new(spec: EarlyStopping) -> Watch {
        Watch {
            spec,
            best: f64::NAN,
            waited: 0,
        }
    }

    /// The policy.
    pub fn spec(&self) -> &EarlyStopping {
        &self.spec
    }

    /// Writes it down.
    pub fn leave<T: Real>(&self, carry: &mut Carry<T>) {
        carry.number(self.best);
        carry.count(self.waited as u64);
    }

    /// As it was written down, under this policy.
    pub fn read<T: Real>(spec: EarlyStopping, from: &mut Reader<T>) -> Result<Watch> {
        Ok(Watch {
            spec,
            best: from.number()?,
            waited: from.place(1 << 40)?,
        })
    }

    /// After an epoch, counted from 0. A value that is not a number is never better.
    pub fn judge(&mut self, epoch: usize, scores: &Scores) -> Judgement {
        if epoch < self.spec.warm_up {
            return Judgement { best: false, stop: false };
        }
        let value = scores.get(&self.spec.monitor).unwrap_or(f64::NAN);
        let gain = match self.spec.mode {
            Mode::Max => value - self.best,
            Mode::Min => self.best - value,
        };
        let best = gain > self.spec.min_delta || (self.best.is_nan() && !value.is_nan());
        if best {
            (self.best, self.waited) = (value, 0);
        } else {
            self.waited += 1;
        }
        Judgement {
            best,
            stop: self.waited >= self.spec.patience.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(mode: Mode, patience: usize, min_delta: f64) -> Watch {
        Watch::new(EarlyStopping {
            monitor: "m".into(),
            mode,
            patience,
            min_delta,
            warm_up: 0,
            restore_best: true,
            validation_fraction: 0.1,
        })
    }

    fn run(mut watch: Watch, values: &[f64]) -> (Option<usize>, Option<usize>) {
        let mut best = None;
        for (epoch, &value) in values.iter().enumerate() {
            let judgement = watch.judge(epoch, &Scores(vec![("m".into(), value)]));
            if judgement.best {
                best = Some(epoch);
            }
            if judgement.stop {
                return (best, Some(epoch));
            }
        }
        (best, None)
    }

    #[test]
    fn waits_patiently_for_a_better_value() {
        assert_eq!(run(watch(Mode::Max, 2, 0.0), &[0.1, 0.3, 0.2, 0.3, 0.9]), (Some(1), Some(3)));
        assert_eq!(run(watch(Mode::Min, 2, 0.0), &[3.0, 2.0, 2.5, 1.0, 1.5]), (Some(3), None));
        assert_eq!(run(watch(Mode::Min, 2, 0.5), &[3.0, 2.8, 2.6, 1.0]), (Some(0), Some(2)));
        assert_eq!(run(watch(Mode::Max, 3, 0.0), &[f64::NAN, f64::NAN, 0.5, f64::NAN]), (Some(2), None));
        assert_eq!(run(watch(Mode::Max, 2, 0.0), &[f64::NAN, f64::NAN, 0.5]), (None, Some(1)));
    }

    #[test]
    fn the_first_epochs_are_not_judged() {
        let warm = |warm_up: usize| {
            Watch::new(EarlyStopping {
                warm_up,
                ..watch(Mode::Min, 2, 0.0).spec
            })
        };
        let values = [1.0, 3.0, 3.0, 2.0, 2.5, 2.5];
        assert_eq!(run(warm(0), &values), (Some(0), Some(2)));
        assert_eq!(run(warm(1), &values), (Some(3), Some(5)));
        assert_eq!(run(warm(4), &values), (Some(4), None));
        assert_eq!(run(warm(9), &values), (None, None));
    }
}
