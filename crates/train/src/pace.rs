//! Together or alone? Two members that must meet are slower than one where the cores are busy with something else. The bits are the
//! same either way, so the clock may decide: a few steps are timed both ways now and then, and the faster way goes on.

use std::time::Duration;

/// Steps timed each way.
const TRIED: u64 = 3;
/// Steps between two looks; doubled while the answer stays the same, up to …
const FIRST: u64 = 128;
/// … this.
const LAST: u64 = 4096;

/// The decision of the moment.
#[derive(Debug)]
pub struct Pace {
    at: u64,
    period: u64,
    together: Duration,
    alone: Duration,
    better_together: bool,
}

impl Pace {
    /// Before the first step.
    pub fn new() -> Pace {
        Pace {
            at: 0,
            period: FIRST,
            together: Duration::MAX,
            alone: Duration::MAX,
            better_together: true,
        }
    }

    /// Whether the team takes the next step together.
    pub fn together(&self) -> bool {
        match self.at {
            at if at < TRIED => true,
            at if at < 2 * TRIED => false,
            _ => self.better_together,
        }
    }

    /// After a step.
    pub fn took(&mut self, time: Duration) {
        match self.at {
            at if at < TRIED => self.together = self.together.min(time),
            at if at < 2 * TRIED => self.alone = self.alone.min(time),
            _ => {}
        }
        self.at += 1;
        if self.at == 2 * TRIED {
            let better = self.together <= self.alone;
            self.period = if better == self.better_together {
                (self.period * 2).min(LAST)
            } else {
                FIRST
            };
            self.better_together = better;
        }
        if self.at >= self.period {
            *self = Pace {
                at: 0,
                together: Duration::MAX,
                alone: Duration::MAX,
                ..*self
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(together: u64, alone: u64, pace: &mut Pace, steps: usize) -> usize {
        (0..steps)
            .filter(|_| {
                let way = pace.together();
                pace.took(Duration::from_micros(if way { together } else { alone }));
                way
            })
            .count()
    }

    #[test]
    fn takes_the_faster_way_and_looks_again() {
        let mut pace = Pace::new();
        assert!(after(50, 90, &mut pace, 1000) > 980);
        assert!(
            after(5000, 90, &mut pace, 20_000) < 4200,
            "a busy machine is noticed within one period"
        );
        assert!(after(50, 90, &mut pace, 20_000) > 15_000);
    }
}
