//! An optimizer by itself, on one flat vector of parameters.

use nabla_error::{Code, Error};
use nabla_kernels::denormals::flush_to_zero;
use nabla_kernels::team::Team;
use nabla_kernels::{Real, reduce};
use nabla_optim::clip::norm;
use nabla_optim::lbfgs::Curvature;
use nabla_optim::{Method, Step};
use nabla_train::fits;
use napi::bindgen_prelude::{Either, Float32Array, Float64Array, Function};
use napi_derive::napi;

use crate::errors::{Result, js, options};

/// Parameters from which on threads share an update: waking them takes some 10 µs, an update of as many some 100.
const SHARED: usize = 1 << 17;

/// Loss and gradient at some weights, by JavaScript.
type Look<'a, T> = dyn FnMut(&[T], &mut [T]) -> nabla_error::Result<f64> + 'a;

/// What is carried from step to step, in one precision.
struct Memory<T: Real> {
    state: Vec<Vec<T>>,
    /// Lookahead's weights, from the first update on.
    slow: Option<Vec<T>>,
    /// SAM's, while it is elsewhere.
    saved: Option<Vec<T>>,
    /// Of L-BFGS.
    curvature: Option<Curvature<T>>,
}

impl<T: Real> Memory<T> {
    fn new(method: &Method, length: usize) -> nabla_error::Result<Self> {
        Ok(Self {
            state: vec![vec![T::ZERO; length]; method.rule.state_count()],
            slow: None,
            saved: None,
            curvature: method.lbfgs.map(|lbfgs| Curvature::new(lbfgs, length)).transpose()?,
        })
    }

    /// One step of L-BFGS. The arrays belong to JavaScript, whose function reads and writes them: here they are copied before and after.
    fn search(&mut self, theta: &mut [T], evaluate: &mut Look<'_, T>) -> nabla_error::Result<()> {
        let Some(curvature) = &mut self.curvature else {
            return Err(Error::internal("only lbfgs searches"));
        };
        let mut gradient = vec![T::ZERO; theta.len()];
        let loss = evaluate(theta, &mut gradient)?;
        if !loss.is_finite() || !reduce::all_finite(&gradient) {
            return Err(Error::new(Code::NotFinite, "the loss or its gradient is not finite; nothing was updated").at("gradient"));
        }
        curvature.step(theta, loss, &mut gradient, &mut |theta, gradient| evaluate(theta, gradient))
    }

    fn look_around(&mut self, method: &Method, theta: &mut [T], gradient: &[T]) {
        let Some(sam) = method.sam else { return };
        self.saved = Some(theta.to_vec());
        let direction = |theta: T, g: T| if sam.adaptive { theta * theta * g } else { g };
        let length = if sam.adaptive {
            let scaled: Vec<T> = theta.iter().zip(gradient).map(|(theta, g)| *theta * *g).collect();
            norm(&scaled)
        } else {
            norm(gradient)
        };
        let step = T::from_f64(if length > 0.0 { sam.rho / length } else { 0.0 });
        for (theta, g) in theta.iter_mut().zip(gradient) {
            *theta += step * direction(*theta, *g);
        }
    }

    /// Nesterov's look-ahead.
    fn go_ahead(&mut self, method: &Method, at: Step, theta: &mut [T]) {
        let (Some(step), Some(velocity)) = (method.rule.ahead(at), self.state.first()) else {
            return;
        };
        self.saved = Some(theta.to_vec());
        let step = T::from_f64(step);
        theta.iter_mut().zip(velocity).for_each(|(theta, v)| *theta += step * *v);
    }

    /// One update; `false` if the gradient is not finite: nothing is changed then.
    fn update(&mut self, method: &Method, at: Step, team: &mut Team, theta: &mut [T], gradient: &[T]) -> bool {
        // As on a team's other threads.
        let _flush = flush_to_zero();
        if let Some(saved) = self.saved.take() {
            theta.copy_from_slice(&saved);
        }
        if method.lookahead.is_some() && self.slow.is_none() {
            self.slow = Some(theta.to_vec());
        }
        let mut state: Vec<&mut [T]> = self.state.iter_mut().map(Vec::as_mut_slice).collect();
        if !method.rule.update_shared(team, at, theta, gradient, &mut state) {
            return false;
        }
        if let (Some(lookahead), Some(slow)) = (method.lookahead, &mut self.slow)
            && at.t.is_multiple_of(lookahead.steps)
        {
            let alpha = T::from_f64(lookahead.alpha);
            for (slow, theta) in slow.iter_mut().zip(theta) {
                *slow += alpha * (*theta - *slow);
                *theta = *slow;
            }
        }
        true
    }
}

enum Memories {
    F32(Memory<f32>),
    F64(Memory<f64>),
}

/// An optimizer over one flat vector of parameters.
#[napi]
pub struct OptimizerState {
    method: Method,
    memory: Memories,
    length: usize,
    at: Step,
    team: Team,
}

#[napi]
impl OptimizerState {
    /// Of a specification, for so many parameters in `f32` or `f64`.
    #[napi(constructor, catch_unwind)]
    pub fn new(spec: String, length: u32, precision: String) -> Result<Self> {
        let method: Method = options(&spec, "optimizer")?;
        method.validate().map_err(js)?;
        let length = length as usize;
        let memory = match precision.as_str() {
            "f32" => Memories::F32(Memory::new(&method, length).map_err(js)?),
            "f64" => Memories::F64(Memory::new(&method, length).map_err(js)?),
            other => return Err(js(Error::option("precision", "\"f32\" or \"f64\"", format!("{other:?}")))),
        };
        Ok(Self {
            at: Step::first(&method.rule, method.rule.learning_rate()),
            method,
            memory,
            length,
            team: Team::new(if length < SHARED { 1 } else { fits::default_threads() }, || {}),
        })
    }

    /// SAM: keeps `theta` and moves it to the worst point nearby; the next `update` comes back first.
    #[napi(
        catch_unwind,
        ts_args_type = "theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array"
    )]
    pub fn look_around(&mut self, theta: Either<Float32Array, Float64Array>, gradient: Either<Float32Array, Float64Array>) -> Result<()> {
        self.with(theta, gradient, true)
    }

    /// Nesterov's look-ahead: keeps `theta` and moves it along the velocity, where the gradient is wanted; the next `update` comes back.
    #[napi(catch_unwind, ts_args_type = "theta: Float32Array | Float64Array")]
    pub fn go_ahead(&mut self, theta: Either<Float32Array, Float64Array>) -> Result<()> {
        match (theta, &mut self.memory) {
            (Either::A(mut theta), Memories::F32(memory)) if theta.len() == self.length => {
                // SAFETY: JavaScript is waiting in this call, so nobody else touches the array.
                memory.go_ahead(&self.method, self.at, unsafe { theta.as_mut() });
            }
            (Either::B(mut theta), Memories::F64(memory)) if theta.len() == self.length => {
                // SAFETY: as above.
                memory.go_ahead(&self.method, self.at, unsafe { theta.as_mut() });
            }
            _ => {
                return Err(js(Error::new(
                    Code::ShapeMismatch,
                    "theta is not the array that the optimizer was started with",
                )
                .at("theta")));
            }
        }
        Ok(())
    }

    /// One update of `theta` in place.
    #[napi(
        catch_unwind,
        ts_args_type = "theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array"
    )]
    pub fn update(&mut self, theta: Either<Float32Array, Float64Array>, gradient: Either<Float32Array, Float64Array>) -> Result<()> {
        self.with(theta, gradient, false)?;
        self.at = self.at.next(&self.method.rule, self.at.learning_rate);
        Ok(())
    }

    /// One step of L-BFGS: `evaluate` writes the gradient at `theta` into `gradient` and gives the loss; `null` gives up. Gives whether it
    /// did not: `theta` is then where it was.
    #[napi(
        catch_unwind,
        ts_args_type = "theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array, evaluate: () => number | null"
    )]
    pub fn search(
        &mut self,
        theta: Either<Float32Array, Float64Array>,
        gradient: Either<Float32Array, Float64Array>,
        evaluate: Function<'_, (), Option<f64>>,
    ) -> Result<bool> {
        macro_rules! run {
            ($theta:ident, $gradient:ident, $memory:ident) => {{
                expect_lengths(self.length, $theta.len(), &$gradient)?;
                let before = $theta.to_vec();
                let mut now = before.clone();
                let mut given_up = false;
                let found = $memory.search(&mut now, &mut |at, out| {
                    // SAFETY: JavaScript is waiting in this call or in `evaluate`, never at the same time.
                    unsafe { $theta.as_mut() }.copy_from_slice(at);
                    let loss = evaluate.call(()).map_err(|e| Error::internal(e.reason.clone()))?;
                    out.copy_from_slice(&$gradient);
                    given_up = loss.is_none();
                    loss.ok_or_else(|| Error::internal("given up"))
                });
                // SAFETY: as above.
                unsafe { $theta.as_mut() }.copy_from_slice(if found.is_ok() { &now } else { &before });
                if given_up {
                    return Ok(false);
                }
                found.map_err(js)?;
            }};
        }
        match (theta, gradient, &mut self.memory) {
            (Either::A(mut theta), Either::A(gradient), Memories::F32(memory)) => run!(theta, gradient, memory),
            (Either::B(mut theta), Either::B(gradient), Memories::F64(memory)) => run!(theta, gradient, memory),
            _ => {
                return Err(js(Error::new(
                    Code::InvalidOption,
                    "theta and gradient must be arrays of the precision that the optimizer was started with",
                )
                .at("gradient")));
            }
        }
        Ok(true)
    }

    fn with(&mut self, theta: Either<Float32Array, Float64Array>, gradient: Either<Float32Array, Float64Array>, look: bool) -> Result<()> {
        match (theta, gradient, &mut self.memory) {
            (Either::A(mut theta), Either::A(gradient), Memories::F32(memory)) => {
                expect_lengths(self.length, theta.len(), &gradient)?;
                // SAFETY: JavaScript is waiting in this call, so nobody else touches the array.
                let theta = unsafe { theta.as_mut() };
                step(memory, (&self.method, self.at, &mut self.team), theta, &gradient, look)
            }
            (Either::B(mut theta), Either::B(gradient), Memories::F64(memory)) => {
                expect_lengths(self.length, theta.len(), &gradient)?;
                // SAFETY: as above.
                let theta = unsafe { theta.as_mut() };
                step(memory, (&self.method, self.at, &mut self.team), theta, &gradient, look)
            }
            _ => Err(js(Error::new(
                Code::InvalidOption,
                "theta and gradient must be arrays of the precision that the optimizer was started with",
            )
            .at("gradient"))),
        }
    }
}

/// SAM's look around, or an update.
fn step<T: Real>(
    memory: &mut Memory<T>,
    (method, at, team): (&Method, Step, &mut Team),
    theta: &mut [T],
    gradient: &[T],
    look: bool,
) -> Result<()> {
    let finite = if look {
        let finite = reduce::all_finite(gradient);
        if finite {
            memory.look_around(method, theta, gradient);
        }
        finite
    } else {
        memory.update(method, at, team, theta, gradient)
    };
    if finite {
        return Ok(());
    }
    Err(js(
        Error::new(Code::NotFinite, "the gradient is not finite; nothing was updated").at("gradient")
    ))
}

fn expect_lengths<T: Real>(length: usize, theta: usize, gradient: &[T]) -> Result<()> {
    if theta != length || gradient.len() != length {
        return Err(js(Error::new(
            Code::ShapeMismatch,
            format!(
                "the optimizer was started for {length} parameters, got {theta} and {} derivatives",
                gradient.len()
            ),
        )
        .at("gradient")
        .expected(length.to_string())
        .received(gradient.len().to_string())));
    }
    Ok(())
}
