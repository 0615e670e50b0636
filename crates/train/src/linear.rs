//! A linear model of basis functions: how it is asked for, fitted, and what it predicts.

use nabla_error::{Error, Result};
use serde::Deserialize;

use crate::basis::{Basis, Expansion};
use crate::least_squares::{self, Solution};
use crate::{control::Control, coordinate_descent};

/// How least squares are asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Inputs a row.
    pub width: usize,
    /// Of the penalty; the least leave-one-out error where there is none.
    pub lambda: Option<f64>,
    /// The share of the penalty that is of the first power; 0 is ridge.
    #[serde(default)]
    pub l1_ratio: f64,
    /// A constant term.
    pub intercept: bool,
    /// Functions of the inputs.
    pub basis: Basis,
}

/// A fitted model.
#[derive(Clone, Debug)]
pub struct Linear {
    width: usize,
    expansion: Expansion,
    /// Coefficients, their errors, and what the fit is like.
    pub solution: Solution,
}

impl Linear {
    /// Fits to rows of `width` inputs.
    ///
    /// # Errors
    /// Those of [`least_squares::solve`] and [`coordinate_descent::solve`]; `INVALID_OPTION` for a basis of no or too many functions.
    pub fn fit(settings: &Settings, features: &[f64], targets: &[f64], weights: Option<&[f64]>, control: &Control) -> Result<Linear> {
        let Settings {
            width,
            lambda,
            l1_ratio,
            intercept,
            ref basis,
        } = *settings;
        if let Some(i) = features.iter().position(|x| !x.is_finite()) {
            let message = format!("a feature of row {} is {}", i / width.max(1), features[i]);
            return Err(Error::new(nabla_error::Code::NotFinite, message));
        }
        let expansion = basis.fit(features, width)?;
        let phi = expansion.expand_all(features, width)?;
        control.check()?;
        let size = expansion.size();
        let solution = match lambda {
            Some(lambda) if l1_ratio > 0.0 => coordinate_descent::solve(&phi, size, targets, weights, lambda, l1_ratio, intercept)?,
            Some(lambda) => least_squares::solve(&phi, size, targets, weights, lambda, intercept)?,
            None => least_squares::solve_automatic(&phi, size, targets, weights, intercept)?,
        };
        Ok(Linear {
            width,
            expansion,
            solution,
        })
    }

    /// One number a row.
    pub fn predict(&self, features: &[f64]) -> Vec<f64> {
        let mut phi = vec![0.0; self.expansion.size()];
        let Solution {
            coefficients, intercept, ..
        } = &self.solution;
        features
            .chunks_exact(self.width)
            .map(|row| {
                self.expansion.expand(row, &mut phi);
                phi.iter().zip(coefficients).fold(*intercept, |sum, (x, w)| sum + x * w)
            })
            .collect()
    }
}
