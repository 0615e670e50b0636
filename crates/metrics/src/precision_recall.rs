//! Precision, recall, F1 and Fβ of a class, and their averages over the classes; scikit-learn's `precision_recall_fscore_support`.
//!
//! With tp the weight of rows rightly given the class, p of rows given it, t of rows that have it:
//! precision = tp/p;  recall = tp/t;  Fβ = (1+β²)·tp/(β²·t + p), which is (1+β²)·precision·recall/(β²·precision + recall).
//!
//! | average | value |
//! |---|---|
//! | `binary` | of the class `positive` (default 1); two classes only, and their default |
//! | `macro` | plain mean over the classes; the default beyond two classes |
//! | `weighted` | mean weighted by t; plain when all t are 0 |
//! | `micro` | of the sums of tp, p and t: equals accuracy |
//!
//! As in scikit-learn the averages go over the classes that were true or predicted in some row (of any weight, 0 too); 0/0 is `zeroDivision`.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Batch, Confusion, Direction, Rule};

/// How the values of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Average {
    /// Of the positive class.
    Binary,
    /// Of the sums.
    Micro,
    /// Plain mean.
    Macro,
    /// Mean weighted by the rows of each class.
    Weighted,
}

/// What a class's value is made of.
#[derive(Clone, Copy, Default)]
struct Sums {
    hits: f64,
    predicted: f64,
    truth: f64,
}

/// What all four have in common.
struct Choice {
    average: Option<Average>,
    positive: usize,
    threshold: f64,
    zero_division: f64,
}

impl Choice {
    fn validate(&self) -> Result<()> {
        check_threshold(self.threshold)?;
        if self.positive > 1 {
            return Err(Error::option("positive", "0 or 1, the classes of a binary target", self.positive));
        }
        if (0.0..=1.0).contains(&self.zero_division) {
            Ok(())
        } else {
            Err(Error::option("zeroDivision", "in [0, 1]", self.zero_division))
        }
    }

    fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
        if let (Some(Average::Binary), crate::Truth::Classes { count, .. }) = (self.average, batch.truth)
            && count > 2
        {
            return Err(Error::new(
                Code::InvalidOption,
                format!("average \"binary\" needs two classes, the targets have {count}"),
            )
            .expected("two classes")
            .received(format!("{count} classes"))
            .hint("use average \"macro\", \"micro\" or \"weighted\""));
        }
        state.add(batch, self.threshold)
    }

    fn value(&self, state: &Confusion, ratio: impl Fn(Sums) -> (f64, f64)) -> f64 {
        let of = |sums: Sums| {
            let (over, under) = ratio(sums);
            if under == 0.0 { self.zero_division } else { over / under }
        };
        let sums = |k| Sums {
            hits: state.hits(k),
            predicted: state.predicted(k),
            truth: state.truth(k),
        };
        let average = self
            .average
            .unwrap_or(if state.classes <= 2 { Average::Binary } else { Average::Macro });
        if !state.seen.contains(&true) {
            return f64::NAN;
        }
        match average {
            Average::Binary => of(if self.positive < state.classes {
                sums(self.positive)
            } else {
                Sums::default()
            }),
            Average::Micro => of(state.seen().map(sums).fold(Sums::default(), |a, b| Sums {
                hits: a.hits + b.hits,
                predicted: a.predicted + b.predicted,
                truth: a.truth + b.truth,
            })),
            Average::Macro => mean(state.seen().map(|k| (of(sums(k)), 1.0))),
            Average::Weighted if state.seen().all(|k| state.truth(k) == 0.0) => mean(state.seen().map(|k| (of(sums(k)), 1.0))),
            Average::Weighted => mean(state.seen().map(|k| (of(sums(k)), state.truth(k)))),
        }
    }
}

fn mean(weighted: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = weighted.fold((0.0, 0.0), |(sum, weight), (x, w)| (sum + x * w, weight + w));
    sum / weight
}

/// Expects a probability.
pub(crate) fn check_threshold(threshold: f64) -> Result<()> {
    if (0.0..=1.0).contains(&threshold) {
        Ok(())
    } else {
        Err(Error::option("threshold", "in [0, 1]", threshold))
    }
}

/// Makes the options' struct of one of them; `$beta` is there for Fβ only.
macro_rules! averaged {
    ($rule:ident, $doc:literal, |$self:ident, $sums:ident| $ratio:expr $(, $beta:ident: $default:literal)?) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
        pub struct $rule {
            /// Name in reports.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
            $(
                /// How many times as important recall is as precision, β > 0.
                pub $beta: f64,
            )?
            /// See the table above; default binary for two classes, macro beyond.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub average: Option<Average>,
            /// The positive class of `binary`; default 1.
            pub positive: usize,
            /// A single probability means class 1 above it; default 0.5.
            pub threshold: f64,
            /// What 0/0 is, in [0, 1]; default 0.
            pub zero_division: f64,
        }

        impl Default for $rule {
            fn default() -> Self {
                Self { name: None, $($beta: $default,)? average: None, positive: 1, threshold: 0.5, zero_division: 0.0 }
            }
        }

        impl $rule {
            fn choice(&self) -> Choice {
                Choice { average: self.average, positive: self.positive, threshold: self.threshold, zero_division: self.zero_division }
            }
        }

        impl Rule for $rule {
            type State = Confusion;
            const DIRECTION: Direction = Direction::Max;

            fn validate(&self) -> Result<()> {
                $(
                    if !(self.$beta.is_finite() && self.$beta > 0.0) {
                        return Err(Error::option("beta", "in (0, ∞)", self.$beta));
                    }
                )?
                self.choice().validate()
            }

            fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
                self.choice().update(state, batch)
            }

            fn value(&self, state: &Confusion) -> f64 {
                let $self = self;
                self.choice().value(state, |$sums| $ratio)
            }

            fn samples() -> Vec<Self> {
                let averages = [None, Some(Average::Micro), Some(Average::Macro), Some(Average::Weighted)];
                averages.map(|average| Self { average, ..Self::default() }).into()
            }
        }
    };
}

averaged!(Precision, "Of the rows given a class, the share that has it.", |_rule, s| (
    s.hits,
    s.predicted
));
averaged!(Recall, "Of the rows that have a class, the share given it.", |_rule, s| (
    s.hits, s.truth
));
averaged!(F1, "Harmonic mean of precision and recall: Fβ with β = 1.", |_rule, s| (
    2.0 * s.hits,
    s.truth + s.predicted
));
averaged!(
    FBeta,
    "Fβ: recall counts β times as much as precision. van Rijsbergen 1979. Default β = 1.",
    |rule, s| {
        let square = rule.beta * rule.beta;
        ((1.0 + square) * s.hits, square * s.truth + s.predicted)
    },
    beta: 1.0
);
