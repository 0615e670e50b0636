//! An update rule with what is wrapped around it, as plain data: `{"kind": "sam", "rho": 0.05, "base": {"kind": "adam", …}}`.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Optimizer;
use crate::lbfgs::Lbfgs;

/// Sharpness-aware minimization: the gradient is taken at θ + ρ·g/‖g‖, the worst point nearby, and the rule steps from θ. Foret et al. 2021,
/// arXiv:2010.01412. Adaptive: θ + ρ·θ²g/‖θg‖ (Kwon et al. 2021, arXiv:2102.11600, equation 6 with T_w = |w|).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sam {
    /// ρ > 0, default 0.05.
    pub rho: f64,
    /// Scales the neighbourhood by |θ|.
    pub adaptive: bool,
}

/// Slow weights φ: after every k steps of the rule φ ← φ + α(θ − φ), θ ← φ. Zhang et al. 2019, arXiv:1907.08610, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookahead {
    /// k ≥ 1, default 6.
    pub steps: u64,
    /// α in (0, 1], default 0.5.
    pub alpha: f64,
}

/// A rule and its wrappers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Method {
    /// The rule in the middle.
    pub rule: Optimizer,
    /// At most one.
    pub sam: Option<Sam>,
    /// At most one.
    pub lookahead: Option<Lookahead>,
    /// In place of the rule, which then only carries the rate.
    pub lbfgs: Option<Lbfgs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wrapper {
    kind: String,
    base: Value,
    #[serde(default)]
    rho: Option<f64>,
    #[serde(default)]
    adaptive: Option<bool>,
    #[serde(default)]
    steps: Option<u64>,
    #[serde(default)]
    alpha: Option<f64>,
    /// The base's, repeated for readers.
    #[serde(default, rename = "learningRate")]
    _learning_rate: Option<f64>,
}

impl TryFrom<Value> for Method {
    type Error = String;

    fn try_from(value: Value) -> std::result::Result<Self, String> {
        if value["kind"] == "lbfgs" {
            let mut options = value;
            options.as_object_mut().map(|o| o.remove("kind"));
            let lbfgs: Lbfgs = serde_json::from_value(options).map_err(|e| e.to_string())?;
            let rule = crate::Sgd {
                learning_rate: lbfgs.learning_rate,
                ..Default::default()
            };
            return Ok(Method {
                rule: Optimizer::Sgd(rule),
                sam: None,
                lookahead: None,
                lbfgs: Some(lbfgs),
            });
        }
        let wraps = matches!(value["kind"].as_str(), Some("sam" | "lookahead"));
        if !wraps {
            let rule = serde_json::from_value(value).map_err(|e| e.to_string())?;
            return Ok(Method {
                rule,
                sam: None,
                lookahead: None,
                lbfgs: None,
            });
        }
        let wrapper: Wrapper = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let mut method = Method::try_from(wrapper.base)?;
        if method.lbfgs.is_some() {
            return Err(format!("{} cannot be wrapped around lbfgs", wrapper.kind));
        }
        let twice = if wrapper.kind == "sam" {
            method
                .sam
                .replace(Sam {
                    rho: wrapper.rho.unwrap_or(0.05),
                    adaptive: wrapper.adaptive.unwrap_or(false),
                })
                .is_some()
        } else {
            method
                .lookahead
                .replace(Lookahead {
                    steps: wrapper.steps.unwrap_or(6),
                    alpha: wrapper.alpha.unwrap_or(0.5),
                })
                .is_some()
        };
        if twice {
            return Err(format!("{} is wrapped around itself", wrapper.kind));
        }
        Ok(method)
    }
}

impl From<Method> for Value {
    fn from(method: Method) -> Value {
        let mut value = serde_json::to_value(&method.rule).unwrap_or_default();
        if let Some(lbfgs) = method.lbfgs {
            value = serde_json::to_value(lbfgs).unwrap_or_default();
            value["kind"] = "lbfgs".into();
        }
        if let Some(Sam { rho, adaptive }) = method.sam {
            value = serde_json::json!({ "kind": "sam", "rho": rho, "adaptive": adaptive, "base": value });
        }
        if let Some(Lookahead { steps, alpha }) = method.lookahead {
            value = serde_json::json!({ "kind": "lookahead", "steps": steps, "alpha": alpha, "base": value });
        }
        value
    }
}

impl Method {
    /// Checks the options.
    ///
    /// # Errors
    /// `INVALID_OPTION`, naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        if let Some(lbfgs) = self.lbfgs {
            return lbfgs.validate();
        }
        self.rule.validate()?;
        if let Some(sam) = self.sam
            && !(sam.rho > 0.0 && sam.rho.is_finite())
        {
            return Err(Error::option("rho", "in (0, ∞)", sam.rho));
        }
        if self.sam.is_some() && matches!(&self.rule, Optimizer::Sgd(sgd) if sgd.look_ahead) {
            return Err(Error::option("nesterov", "true or false inside sam", "\"lookAhead\""));
        }
        let Some(lookahead) = self.lookahead else { return Ok(()) };
        if lookahead.steps == 0 {
            return Err(Error::option("steps", "at least 1", 0));
        }
        if !(lookahead.alpha > 0.0 && lookahead.alpha <= 1.0) {
            return Err(Error::option("alpha", "in (0, 1]", lookahead.alpha));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_and_unwraps() {
        let json = serde_json::json!({
            "kind": "lookahead", "steps": 5, "alpha": 0.5,
            "base": { "kind": "sam", "rho": 0.1, "adaptive": true, "base": { "kind": "sgd", "learningRate": 0.1 } },
        });
        let method: Method = serde_json::from_value(json).unwrap();
        assert_eq!(method.lookahead.unwrap().steps, 5);
        assert!(method.sam.unwrap().adaptive);
        assert_eq!(method.rule.learning_rate(), 0.1);
        method.validate().unwrap();
        assert_eq!(
            serde_json::from_value::<Method>(serde_json::to_value(&method).unwrap()).unwrap(),
            method
        );
        let twice = serde_json::json!({ "kind": "sam", "base": { "kind": "sam", "base": { "kind": "sgd" } } });
        assert!(serde_json::from_value::<Method>(twice).is_err());
        let lbfgs: Method = serde_json::from_str(r#"{"kind":"lbfgs","history":3}"#).unwrap();
        assert_eq!((lbfgs.lbfgs.unwrap().history, lbfgs.rule.learning_rate()), (3, 1.0));
        assert_eq!(
            serde_json::from_value::<Method>(serde_json::to_value(&lbfgs).unwrap()).unwrap(),
            lbfgs
        );
        for (json, option) in [
            (r#"{"kind":"lbfgs","history":0}"#, "history"),
            (r#"{"kind":"sam","rho":0,"base":{"kind":"sgd"}}"#, "rho"),
            (r#"{"kind":"lookahead","steps":0,"base":{"kind":"sgd"}}"#, "steps"),
            (r#"{"kind":"lookahead","alpha":2,"base":{"kind":"sgd"}}"#, "alpha"),
            (r#"{"kind":"sam","base":{"kind":"adam","beta1":2}}"#, "beta1"),
        ] {
            let error = serde_json::from_str::<Method>(json).unwrap().validate().unwrap_err();
            assert_eq!(error.place.as_deref(), Some(option), "{json}");
        }
    }
}
