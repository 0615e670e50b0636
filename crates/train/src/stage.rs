//! A fit that is left after an epoch, and goes on later to the same bits as if it had not been left: the rungs of a search, and
//! generations that take over each other's weights.

use std::any::Any;

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Aligned, Real};
use nabla_optim::lbfgs::Curvature;

use crate::early_stopping::Watch;
use crate::fit::Fit;
use crate::history::{Epoch, Stopped};
use crate::spec::FitSpec;
use crate::update::Carried;

/// What a fit has come to besides its weights.
#[derive(Debug)]
pub(crate) struct Progress<T: Real> {
    pub watch: Option<Watch>,
    /// Weights of the best epoch, where they come back.
    pub best: Option<Aligned<T>>,
    pub best_epoch: Option<usize>,
    pub history: Vec<Epoch>,
    pub stopped: Stopped,
}

impl<T: Real> Progress<T> {
    /// Before the first epoch.
    pub fn new(spec: &FitSpec) -> Self {
        Self {
            watch: spec.early_stopping.clone().map(Watch::new),
            best: None,
            best_epoch: None,
            history: Vec::new(),
            stopped: Stopped::Epochs,
        }
    }

    fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            watch: self.watch.clone(),
            best: self.best.as_ref().map(Aligned::try_clone).transpose()?,
            best_epoch: self.best_epoch,
            history: self.history.clone(),
            stopped: self.stopped,
        })
    }
}

/// Everything that the next epoch depends on besides recipe and rows.
pub(crate) struct Left<T: Real> {
    pub theta: Aligned<T>,
    pub state: Vec<Aligned<T>>,
    pub update: Carried<T>,
    pub curvature: Option<Curvature<T>>,
    pub step: u64,
    pub rate: f64,
    pub progress: Progress<T>,
}

impl<T: Real> Left<T> {
    fn bytes(&self) -> usize {
        let of = |buffer: &Aligned<T>| buffer.len();
        let states: usize = self.state.iter().map(of).sum();
        let best = self.progress.best.as_ref().map_or(0, of);
        let curvature = self.curvature.as_ref().map_or(0, Curvature::len);
        (self.theta.len() + states + best + self.update.len() + curvature) * size_of::<T>()
    }
}

/// A fit that was left; any number of fits may go on from it.
pub struct Paused(Box<dyn Any + Send + Sync>);

impl Paused {
    pub(crate) fn new<T: Real>(left: Left<T>) -> Paused {
        Paused(Box::new(left))
    }

    pub(crate) fn of<T: Real>(&self) -> Option<&Left<T>> {
        self.0.downcast_ref()
    }

    /// The memory of its buffers.
    pub fn bytes(&self) -> usize {
        self.of::<f32>().map_or(0, Left::bytes) + self.of::<f64>().map_or(0, Left::bytes)
    }
}

impl std::fmt::Debug for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Paused")
    }
}

impl<T: Real> Fit<'_, T> {
    /// As it is now.
    pub(crate) fn leave(&self, progress: &Progress<T>) -> Result<Paused> {
        Ok(Paused::new(Left {
            theta: self.theta.try_clone()?,
            state: self.state.iter().map(Aligned::try_clone).collect::<Result<_>>()?,
            update: self.update.leave()?,
            curvature: self.curvature.as_ref().map(Curvature::try_clone).transpose()?,
            step: self.step,
            rate: self.rate,
            progress: progress.try_clone()?,
        }))
    }

    /// Goes on from there: of the same model, with this recipe's rates. (The curvature of L-BFGS goes with its options.)
    pub(crate) fn go_on(&mut self, from: &Paused) -> Result<Progress<T>> {
        let len = self.theta.len();
        let alike = |l: &&Left<T>| {
            let states = l.state.len() == self.state.len() && l.state.iter().zip(&self.state).all(|(a, b)| a.len() == b.len());
            let best = l.progress.best.as_ref().is_none_or(|b| b.len() == len);
            let curved = l.curvature.as_ref().is_none_or(|c| c.fits(len)) && l.curvature.is_some() == self.curvature.is_some();
            l.theta.len() == len && states && best && curved && l.update.fits(len)
        };
        let left = from.of::<T>().filter(alike);
        let Some(left) = left else {
            return Err(Error::new(
                Code::ShapeMismatch,
                "a fit cannot go on from one of another model, optimizer or precision",
            )
            .at("resume")
            .expected(format!("{} numbers in weights", self.theta.len()))
            .received("other ones")
            .hint("Only what changes no shape may differ: rates, decays, dropout."));
        };
        self.theta.copy_from_slice(&left.theta);
        for (own, other) in self.state.iter_mut().zip(&left.state) {
            own.copy_from_slice(other);
        }
        self.update.go_on(&self.recipe.spec, &left.update);
        if self.curvature.is_some() {
            self.curvature = left.curvature.as_ref().map(Curvature::try_clone).transpose()?;
        }
        self.step = left.step;
        self.rate = left.rate;
        left.progress.try_clone()
    }
}
