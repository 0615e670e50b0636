//! The instruments by themselves, on arrays.

use std::sync::Arc;

use nabla_data::fit_values;
use nabla_data::pipeline::{Prepared, prepared_columns};
use nabla_data::prepare::Step as Preparation;
use nabla_data::{Column, ColumnSchema};
use nabla_error::Error;
use nabla_metrics::{Batch, Metric, MetricSpec, Truth};
use nabla_params::Initializer;
use nabla_train::linear::{Linear, Settings};
use napi::bindgen_prelude::{Either, Float32Array, Float64Array};
use napi_derive::napi;

use crate::errors::{Result, js, options, seed};
use crate::output;
use crate::task::{Answer, On, Task};

/// A metric on arrays: `classes` > 0 says that `truth` holds class indices.
#[napi(catch_unwind)]
pub fn metric(
    spec: String,
    truth: Float64Array,
    prediction: Float64Array,
    width: u32,
    classes: u32,
    weights: Option<Float64Array>,
) -> Result<f64> {
    let spec: MetricSpec = options(&spec, "metric")?;
    let labels: Vec<u32>;
    let truth = if classes > 0 {
        labels = truth.iter().map(|&v| v as u32).collect();
        Truth::Classes {
            labels: &labels,
            count: classes as usize,
        }
    } else {
        Truth::Numbers {
            values: &truth,
            width: width as usize,
        }
    };
    let mut metric = Metric::new(spec).map_err(js)?;
    metric
        .update(&Batch {
            truth,
            prediction: &prediction,
            weights: weights.as_deref(),
        })
        .map_err(js)?;
    Ok(metric.value())
}

/// Least squares: the task gives a model. `settings` is JSON `{ width, lambda, l1Ratio, intercept, basis }`; λ is a number, or `null` for the
/// least leave-one-out error.
#[napi(catch_unwind)]
pub fn least_squares(
    task: u32,
    features: Float64Array,
    targets: Float64Array,
    weights: Option<Float64Array>,
    settings: String,
) -> Result<Task> {
    let settings: Settings = options(&settings, "ridge")?;
    let (features, targets, weights) = (features.to_vec(), targets.to_vec(), weights.map(|w| w.to_vec()));
    Task::start(task, On::Pool, move |control, _| {
        Linear::fit(&settings, &features, &targets, weights.as_deref(), control).map(|model| Answer::Linear(Arc::new(model)))
    })
}

/// A linear model of basis functions.
#[napi]
pub struct LinearModel {
    pub(crate) inner: Arc<Linear>,
}

#[napi]
impl LinearModel {
    /// Coefficients, errors, rank and the like as JSON.
    #[napi(catch_unwind)]
    pub fn info(&self) -> String {
        let solution = &self.inner.solution;
        serde_json::json!({
            "coefficients": solution.coefficients,
            "intercept": solution.intercept,
            "standardErrors": solution.standard_errors,
            "rank": solution.rank,
            "residualSquares": solution.residual_squares,
            "leaveOneOut": solution.leave_one_out,
            "lambda": solution.lambda,
        })
        .to_string()
    }

    /// One number a row.
    #[napi(catch_unwind)]
    pub fn predict(&self, task: u32, features: Float64Array) -> Result<Task> {
        let (model, features) = (Arc::clone(&self.inner), features.to_vec());
        Task::start(task, On::Pool, move |_, _| Ok(Answer::Numbers(model.predict(&features))))
    }
}

/// P(|T| ≥ |t|) of Student's t distribution.
#[napi(catch_unwind)]
pub fn student_t_two_sided(t: f64, freedom: f64) -> f64 {
    nabla_metrics::student_t::two_sided(t, freedom)
}

/// t with P(T ≤ t) = p.
#[napi(catch_unwind)]
pub fn student_t_quantile(p: f64, freedom: f64) -> f64 {
    nabla_metrics::student_t::quantile(p, freedom)
}

/// Values of an initializer, row-major.
#[napi(catch_unwind)]
pub fn sample_initializer(spec: String, shape: Vec<u32>, random: f64) -> Result<output::Float64Array> {
    let initializer: Initializer = options(&spec, "initializer")?;
    let shape: Vec<usize> = shape.into_iter().map(|n| n as usize).collect();
    initializer.validate(&shape).map_err(js)?;
    initializer
        .sample(&shape, seed(random)?, "sample")
        .map(output::Float64Array::new)
        .map_err(js)
}

/// The columns that steps make of others, `[{ name, kind, levels? }]` as JSON.
#[napi(catch_unwind)]
pub fn columns_after(steps: String, columns: String) -> Result<String> {
    let steps: Vec<Preparation> = options(&steps, "prepare")?;
    let columns: Vec<ColumnSchema> = options(&columns, "columns")?;
    let columns: Vec<Column> = columns.into_iter().map(Column::from).collect();
    let after = prepared_columns(&steps, &columns).map_err(js)?.into_iter();
    let after: Vec<ColumnSchema> = after.map(|Column { name, kind }| ColumnSchema { name, kind }).collect();
    crate::errors::json(&after)
}

/// A fitted preparation.
#[napi]
pub struct Scaler {
    fitted: Prepared,
}

#[napi]
impl Scaler {
    /// Fits steps on rows of `width` values.
    #[napi(
        factory,
        catch_unwind,
        ts_args_type = "steps: string, values: Float32Array | Float64Array, width: number"
    )]
    pub fn fit(steps: String, values: Either<Float32Array, Float64Array>, width: u32) -> Result<Scaler> {
        let steps: Vec<Preparation> = options(&steps, "prepare")?;
        let fitted = match values {
            Either::A(values) => fit_values(&steps, &values, width as usize),
            Either::B(values) => fit_values(&steps, &values, width as usize),
        };
        fitted.map(|fitted| Scaler { fitted }).map_err(js)
    }

    /// Prepared rows into `out`, a new array of the same kind that has room for them; `missing`: NaN is a missing cell.
    #[napi(
        catch_unwind,
        ts_args_type = "values: Float32Array | Float64Array, out: Float32Array | Float64Array, missing: boolean"
    )]
    pub fn transform(
        &self,
        values: Either<Float32Array, Float64Array>,
        out: Either<Float32Array, Float64Array>,
        missing: bool,
    ) -> Result<()> {
        match (values, out) {
            // SAFETY: the array was made for this call, in which JavaScript waits, so nobody else reads or writes it.
            (Either::A(values), Either::A(mut out)) => self.fitted.transform(&values, missing, unsafe { out.as_mut() }),
            // SAFETY: as above.
            (Either::B(values), Either::B(mut out)) => self.fitted.transform(&values, missing, unsafe { out.as_mut() }),
            _ => Err(Error::internal("arrays of two precisions")),
        }
        .map_err(js)
    }

    /// Rows back in their own units into `out`, as `transform`.
    #[napi(
        catch_unwind,
        ts_args_type = "values: Float32Array | Float64Array, out: Float32Array | Float64Array, missing: boolean"
    )]
    pub fn inverse(
        &self,
        values: Either<Float32Array, Float64Array>,
        out: Either<Float32Array, Float64Array>,
        missing: bool,
    ) -> Result<()> {
        match (values, out) {
            // SAFETY: as of `transform`.
            (Either::A(values), Either::A(mut out)) => self.fitted.inverse(&values, missing, unsafe { out.as_mut() }),
            // SAFETY: as above.
            (Either::B(values), Either::B(mut out)) => self.fitted.inverse(&values, missing, unsafe { out.as_mut() }),
            _ => Err(Error::internal("arrays of two precisions")),
        }
        .map_err(js)
    }

    /// The fitted numbers, as JSON.
    #[napi(catch_unwind)]
    pub fn info(&self) -> Result<String> {
        crate::errors::json(&self.fitted)
    }
}

/// ‖x‖ₚ = (Σ |xᵢ|ᵖ)^(1/p); p = 0 counts what is not 0, p = ∞ is the largest.
#[napi(catch_unwind, ts_args_type = "values: Float32Array | Float64Array, p: number")]
pub fn norm(values: Either<Float32Array, Float64Array>, p: f64) -> Result<f64> {
    if p.is_nan() || p < 0.0 {
        return Err(js(Error::option("p", "to be at least 0, or Infinity", p)));
    }
    Ok(match values {
        Either::A(values) => nabla_params::norm(values.iter().map(|&v| f64::from(v)), p),
        Either::B(values) => nabla_params::norm(values.iter().copied(), p),
    })
}
