//! What each operator is: name, attributes, shape rule, derivative, kernel, samples. One file an operator with an idea of its own;
//! the element-wise ones are rows of one table. An operator is added by its file and its row in [`registry!`] below.

pub mod arg_max;
pub mod attention;
pub mod attention_step;
pub mod batch_norm;
pub mod chain;
pub mod concat;
pub mod convolution;
pub mod cross_entropy;
pub mod ctc;
mod ctc_composed;
pub mod dropout;
pub mod elementwise;
pub mod embedding_curvature;
pub mod embedding_loss;
pub mod gather;
pub mod io;
pub mod linear;
pub mod matmul;
mod matmul_batched;
pub mod max_pool_pick;
pub mod normalize;
pub mod one_hot;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod reshape;
pub mod scan_mark;
pub mod select;
pub mod slice;
pub mod softmax;
pub mod steps;
pub mod take;
pub mod transpose;
pub mod triangle;

use std::fmt::Debug;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::builder::Builder;
use crate::ir::Id;
use crate::passes::differentiate::of_decomposition;
use crate::shape::Shape;
pub use io::Io;

/// Where a derivative rule stands: the node's inputs, its value and the gradient that reaches it.
pub struct At<'a> {
    /// The node's inputs.
    pub inputs: &'a [Id],
    /// The node itself.
    pub y: Id,
    /// ∂loss/∂y.
    pub dy: Id,
    /// Which inputs want a gradient.
    pub wants: &'a [bool],
}

/// The gradient of each input; `None` says that there is none (an index, a comparison), or that nobody wants it.
pub type Gradients = Vec<Option<Id>>;

/// An operator. The struct's fields are its attributes.
pub trait Op: Clone + Debug + PartialEq + Sized {
    /// The names it goes by (several for a table).
    const NAMES: &'static [&'static str];
    /// What fits, and what to do where something does not: the hint of a refusal that has no closer one.
    const HINT: &'static str;
    /// How many inputs it takes …
    const INPUTS: usize;

    /// … with these attributes.
    fn inputs(&self) -> usize {
        Self::INPUTS
    }

    /// Its name.
    fn name(&self) -> &'static str {
        Self::NAMES[0]
    }

    /// From its name and attributes.
    fn parse(name: &str, attributes: Value) -> Result<Self>;

    /// Its attributes as plain data; `null` without any.
    fn attributes(&self) -> Value;

    /// The one shape rule.
    fn shape(&self, x: &[&Shape]) -> Result<Shape>;

    /// Graph nodes for the gradients of the inputs.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients>;

    /// The same in simpler operators: the oracle of a fused kernel. `None` for a primitive.
    fn decompose(&self, _b: &mut Builder, _inputs: &[Id]) -> Option<Result<Id>> {
        None
    }

    /// Whether the output may lie where this input does, if nobody else wants the input: element by element, it is read before it is
    /// written, and a member reads what it writes and nothing else.
    fn in_place(&self, _x: &[&Shape], _y: &Shape, _input: usize) -> bool {
        false
    }

    /// Elements of workspace it needs beside its output.
    fn scratch(&self, _x: &[&Shape], _batch: usize) -> usize {
        0
    }

    /// Elements that it makes of its second input alone: where that is a weight, a program of few rows may keep them from one prediction to
    /// the next.
    fn kept(&self, _x: &[&Shape]) -> usize {
        0
    }

    /// Its cost in floating-point operations at full speed: decides whether threads share it.
    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize;

    /// Computes this member's part of the output.
    fn run<T: Real>(&self, io: &Io<T>);

    /// Inputs on which the laws are tested.
    fn samples() -> Vec<Sample>;

    /// Inputs that must be refused.
    fn bad_samples() -> Vec<Sample>;
}

/// One sample: an operator with attributes and the inputs to try it on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The operator.
    pub op: Operator,
    /// Its inputs.
    pub inputs: Vec<SampleInput>,
}

/// One input of a sample: random values in a range.
#[derive(Clone, Debug)]
pub struct SampleInput {
    /// Sizes (no batch axis is needed to test a kernel; −1 stands for the batch).
    pub shape: Vec<i64>,
    /// Values are uniform in this range …
    pub range: (f64, f64),
    /// … and whole numbers if asked.
    pub integers: bool,
}

impl Sample {
    /// Inputs of the given shapes with values in [−2, 2].
    pub fn new(op: impl Into<Operator>, shapes: &[&[i64]]) -> Sample {
        let input = |s: &&[i64]| SampleInput {
            shape: s.to_vec(),
            range: (-2.0, 2.0),
            integers: false,
        };
        Sample {
            op: op.into(),
            inputs: shapes.iter().map(input).collect(),
        }
    }

    /// The same with other values.
    pub fn within(mut self, low: f64, high: f64) -> Sample {
        self.inputs.iter_mut().for_each(|i| i.range = (low, high));
        self
    }

    /// Makes one input whole numbers in [0, below).
    pub fn indices(mut self, input: usize, below: usize) -> Sample {
        self.inputs[input].range = (0.0, below as f64);
        self.inputs[input].integers = true;
        self
    }
}

/// An error for attributes that cannot be read.
fn attribute_error(name: &str, error: &serde_json::Error) -> Error {
    Error::new(Code::InvalidOption, format!("{name}: {error}")).at(name)
}

/// The derivative of an operator by that of its decomposition: for those that are differentiated rarely, such as the backward passes.
fn by_decomposition(op: &impl Op, b: &mut Builder, at: &At) -> Result<Gradients> {
    let y = op
        .decompose(b, at.inputs)
        .ok_or_else(|| Error::internal(format!("{} has no decomposition", op.name())))??;
    of_decomposition(b, y, at.inputs, at.dy)
}

/// A refusal of a shape rule, with every shape that came and a hint.
fn refusal(mut error: Error, name: &str, hint: &str, x: &[&Shape]) -> Error {
    let shapes: Vec<String> = x.iter().map(ToString::to_string).collect();
    let told = error.received.take();
    let known = |shape: &String| told.as_ref().is_some_and(|r| r.contains(shape.as_str()));
    error.received = Some(match told {
        Some(text) if shapes.iter().all(known) => text,
        Some(text) => format!("{text} for {}", shapes.join(" and ")),
        None => shapes.join(" and "),
    });
    match error.hint {
        None => error.hint(format!("{name}: {hint}")),
        Some(_) => error,
    }
}

/// Attributes of an operator without any.
pub(crate) fn no_attributes(name: &str, attributes: &Value) -> Result<()> {
    match attributes {
        Value::Null => Ok(()),
        Value::Object(map) if map.is_empty() => Ok(()),
        other => Err(Error::new(Code::InvalidOption, format!("{name} takes no attributes, got {other}")).at(name)),
    }
}

/// `parse` and `attributes` for an operator whose struct is its attributes.
macro_rules! attributes_by_serde {
    () => {
        fn parse(name: &str, attributes: serde_json::Value) -> nabla_error::Result<Self> {
            let attributes = if attributes.is_null() {
                serde_json::json!({})
            } else {
                attributes
            };
            serde_json::from_value(attributes).map_err(|e| $crate::ops::attribute_error(name, &e))
        }

        fn attributes(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or_default()
        }
    };
}
pub(crate) use attributes_by_serde;

/// Fixed numbers, row-major; the shape is the node's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The numbers.
    #[serde(with = "numbers")]
    pub values: Vec<f64>,
}

/// JSON has no NaN and no infinities: they are written as strings.
mod numbers {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(f64),
        Word(String),
    }

    pub fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|&v| {
            if v.is_finite() {
                Number::Plain(v)
            } else {
                Number::Word(format!("{v}"))
            }
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let parse = |n| match n {
            Number::Plain(v) => Ok(v),
            Number::Word(w) => w.parse().map_err(serde::de::Error::custom),
        };
        Vec::<Number>::deserialize(d)?.into_iter().map(parse).collect()
    }
}

macro_rules! registry {
    ($($variant:ident($op:ty)),* $(,)?) => {
        /// Every operator: the three sources of values, and the registry.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented at its type")]
        pub enum Operator {
            /// A run-time input or a weight: a value that no operator computes.
            Source(&'static str),
            Constant(Constant),
            $($variant($op)),*
        }

        $(impl From<$op> for Operator {
            fn from(op: $op) -> Operator { Operator::$variant(op) }
        })*

        impl Operator {
            /// Its name.
            pub fn name(&self) -> &'static str {
                match self {
                    Operator::Source(name) => name,
                    Operator::Constant(_) => "constant",
                    $(Operator::$variant(op) => op.name()),*
                }
            }

            /// Names and input counts of the registry, and each one's attributes with their defaults.
            pub fn all() -> Vec<(&'static str, usize, Value)> {
                let mut all = Vec::new();
                $(for name in <$op as Op>::NAMES {
                    let attributes = <$op as Op>::parse(name, Value::Null).map(|op| op.attributes()).unwrap_or(Value::Null);
                    all.push((*name, <$op as Op>::INPUTS, attributes));
                })*
                all
            }

            /// From its name and attributes; an unknown name is an error.
            pub fn parse(name: &str, attributes: Value) -> Result<Operator> {
                match name {
                    "input" => return Ok(Operator::INPUT),
                    "parameter" => return Ok(Operator::PARAMETER),
                    "constant" => return serde_json::from_value(attributes).map(Operator::Constant).map_err(|e| attribute_error(name, &e)),
                    _ => {}
                }
                $(if <$op as Op>::NAMES.contains(&name) {
                    return <$op as Op>::parse(name, attributes).map(Operator::$variant);
                })*
                Err(Error::new(Code::InvalidOption, format!("there is no operator \"{name}\"")).at(name))
            }

            /// Its attributes as plain data.
            pub fn attributes(&self) -> Value {
                match self {
                    Operator::Source(_) => Value::Null,
                    Operator::Constant(c) => serde_json::to_value(c).unwrap_or_default(),
                    $(Operator::$variant(op) => op.attributes()),*
                }
            }

            /// How many inputs it takes.
            pub fn arity(&self) -> usize {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => 0,
                    $(Operator::$variant(op) => op.inputs()),*
                }
            }

            /// The shape rule, after the number of inputs is checked. A refusal says what came and what to do.
            pub fn shape(&self, x: &[&Shape]) -> Result<Shape> {
                let (found, hint) = match self {
                    Operator::Source(_) | Operator::Constant(_) => return Err(Error::internal("a source has no shape rule")),
                    _ if x.len() != self.arity() => (Err(self.count_error(x.len())), ""),
                    $(Operator::$variant(op) => (op.shape(x), <$op as Op>::HINT)),*
                };
                found.map_err(|error| refusal(error, self.name(), hint, x))
            }

            fn count_error(&self, count: usize) -> Error {
                Error::new(Code::InvalidOption, format!("{} takes {} values, got {count}", self.name(), self.arity()))
            }

            /// The derivative rule.
            pub fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => Ok(Vec::new()),
                    $(Operator::$variant(op) => op.gradient(b, at)),*
                }
            }

            /// The same in simpler operators.
            pub fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => None,
                    $(Operator::$variant(op) => op.decompose(b, inputs)),*
                }
            }

            /// Whether the output may lie where an input does.
            pub fn in_place(&self, x: &[&Shape], y: &Shape, input: usize) -> bool {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => false,
                    $(Operator::$variant(op) => op.in_place(x, y, input)),*
                }
            }

            /// Elements of workspace beside the output.
            pub fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => 0,
                    $(Operator::$variant(op) => op.scratch(x, batch)),*
                }
            }

            /// Elements made of the second input alone.
            pub fn kept(&self, x: &[&Shape]) -> usize {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => 0,
                    $(Operator::$variant(op) => op.kept(x)),*
                }
            }

            /// The cost in floating-point operations.
            pub fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => 0,
                    $(Operator::$variant(op) => op.work(x, y, batch)),*
                }
            }

            /// Computes this member's part.
            #[inline]
            pub fn run<T: Real>(&self, io: &Io<T>) {
                match self {
                    Operator::Source(_) | Operator::Constant(_) => {}
                    $(Operator::$variant(op) => op.run(io)),*
                }
            }

            /// Every operator's samples.
            pub fn samples() -> Vec<Sample> {
                let mut all = Vec::new();
                $(all.extend(<$op as Op>::samples());)*
                all
            }

            /// Every operator's inputs that must be refused.
            pub fn bad_samples() -> Vec<Sample> {
                let mut all = Vec::new();
                $(all.extend(<$op as Op>::bad_samples());)*
                all
            }
        }
    };
}

registry! {
    Unary(elementwise::Unary),
    Binary(elementwise::Binary),
    Chain(chain::Chain),
    Matmul(matmul::Matmul),
    Linear(linear::Linear),
    Conv(convolution::Conv),
    ConvInput(convolution::ConvInput),
    ConvKernel(convolution::ConvKernel),
    ConvLinear(convolution::ConvLinear),
    Pool(pool::Pool),
    MaxPoolGradient(pool::MaxPoolGradient),
    MaxPoolPick(max_pool_pick::MaxPoolPick),
    AveragePoolGradient(pool::AveragePoolGradient),
    Normalize(normalize::Normalize),
    NormalizeGradient(normalize::NormalizeGradient),
    Count(batch_norm::Count),
    ColumnMoments(batch_norm::ColumnMoments),
    BatchNorm(batch_norm::BatchNorm),
    BatchNormTraining(batch_norm::BatchNormTraining),
    BatchNormSums(batch_norm::BatchNormSums),
    ColumnAffine(batch_norm::ColumnAffine),
    Reduce(reduce::Reduce),
    Reshape(reshape::Reshape),
    Broadcast(reshape::Broadcast),
    Softmax(softmax::Softmax),
    LogSoftmax(softmax::LogSoftmax),
    OneHot(one_hot::OneHot),
    SoftmaxCrossEntropy(cross_entropy::SoftmaxCrossEntropy),
    SoftmaxCrossEntropyGradient(cross_entropy::SoftmaxCrossEntropyGradient),
    EmbeddingLoss(embedding_loss::EmbeddingLoss),
    EmbeddingLossGradient(embedding_loss::EmbeddingLossGradient),
    EmbeddingLossCurvature(embedding_curvature::EmbeddingLossCurvature),
    Ctc(ctc::Ctc),
    CtcGradient(ctc::CtcGradient),
    Dropout(dropout::Dropout),
    DropoutMask(dropout::DropoutMask),
    Transpose(transpose::Transpose),
    Slice(slice::Slice),
    Pad(slice::Pad),
    Concat(concat::Concat),
    Gather(gather::Gather),
    ScatterAdd(gather::ScatterAdd),
    LowerTriangle(triangle::LowerTriangle),
    Steps(steps::Steps),
    Select(select::Select),
    ArgMax(arg_max::ArgMax),
    Take(take::Take),
    Put(take::Put),
    TakeAlong(take::TakeAlong),
    PutAlong(take::PutAlong),
    Attention(attention::Attention),
    AttentionStep(attention_step::AttentionStep),
    AttentionGradient(attention::AttentionGradient),
    ScanMark(scan_mark::ScanMark),
    Lstm(recurrent::lstm::Lstm),
    LstmGradient(recurrent::lstm::LstmGradient),
    Gru(recurrent::gru::Gru),
    GruGradient(recurrent::gru::GruGradient),
    SimpleRnn(recurrent::simple::SimpleRnn),
    SimpleRnnGradient(recurrent::simple::SimpleRnnGradient),
}

impl Operator {
    /// A run-time input.
    pub const INPUT: Operator = Operator::Source("input");
    /// A weight.
    pub const PARAMETER: Operator = Operator::Source("parameter");

    /// Whether no operator computes the value.
    pub fn is_source(&self) -> bool {
        matches!(self, Operator::Source(_) | Operator::Constant(_))
    }
}
