//! Making graphs, node by node: by the tracer, by derivative rules and by passes.

use nabla_error::{Code, Error, Result};
use nabla_params::Initializer;
use serde_json::Value;

use crate::ir::{Graph, Id, Node, Parameter};
use crate::ops::elementwise::{Binary, BinaryKind, Unary, UnaryKind};
use crate::ops::reduce::{Reduce, ReduceKind};
use crate::ops::{Constant, Op, Operator};
use crate::shape::{Dim, Shape};

/// A graph under construction.
#[derive(Debug, Default)]
pub struct Builder {
    /// What has been built so far.
    pub graph: Graph,
    /// The layer path that new nodes get.
    pub path: String,
}

/// An error where a weight of these sizes is larger than the memory that is there, or than can be counted.
pub fn expect_weights(name: &str, shape: &[usize]) -> Result<()> {
    Shape::fixed(shape)
        .expect_room(1, &format!("the weights \"{name}\""))
        .map_err(|e| e.at(name))
}

impl Builder {
    /// Goes on building an existing graph.
    pub fn from_graph(graph: Graph) -> Builder {
        Builder {
            graph,
            path: String::new(),
        }
    }

    /// The shape of a node.
    pub fn shape(&self, id: Id) -> &Shape {
        &self.graph.nodes[id].shape
    }

    fn push(&mut self, op: Operator, inputs: Vec<Id>, shape: Shape) -> Id {
        self.graph.nodes.push(Node {
            op,
            inputs,
            shape,
            path: self.path.clone(),
        });
        self.graph.nodes.len() - 1
    }

    /// A run-time input; its name is unique.
    pub fn input(&mut self, name: &str, shape: Shape) -> Result<Id> {
        if self.graph.inputs.contains_key(name) {
            return Err(Error::new(Code::InvalidOption, format!("there is already an input named \"{name}\"")).at(name));
        }
        shape.expect_room(1, "input values").map_err(|e| e.at(name))?;
        let id = self.push(Operator::INPUT, Vec::new(), shape);
        self.graph.inputs.insert(name.to_owned(), id);
        Ok(id)
    }

    /// A weight; its name is unique.
    pub fn parameter(&mut self, name: &str, shape: &[usize], initializer: Initializer, trainable: bool, decay: bool) -> Result<Id> {
        if self.graph.parameters.iter().any(|p| p.name == name) {
            return Err(Error::new(Code::InvalidOption, format!("there is already a parameter named \"{name}\"")).at(name));
        }
        expect_weights(name, shape)?;
        let node = self.push(Operator::PARAMETER, Vec::new(), Shape::fixed(shape));
        self.graph.parameters.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            initializer,
            trainable,
            decay,
            node,
        });
        Ok(node)
    }

    /// Fixed numbers, row-major.
    pub fn constant(&mut self, values: Vec<f64>, shape: &[usize]) -> Result<Id> {
        Shape::fixed(shape).check_size(1)?;
        let count: usize = shape.iter().product();
        if values.len() != count {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} values do not fill the shape {}", values.len(), Shape::fixed(shape)),
            )
            .expected(format!("{count} values"))
            .received(format!("{} values", values.len())));
        }
        Ok(self.push(Operator::Constant(Constant { values }), Vec::new(), Shape::fixed(shape)))
    }

    /// One fixed number.
    pub fn scalar(&mut self, value: f64) -> Id {
        self.push(Operator::Constant(Constant { values: vec![value] }), Vec::new(), Shape::default())
    }

    /// Applies an operator; the shape rule decides whether it fits.
    pub fn apply(&mut self, op: Operator, inputs: &[Id]) -> Result<Id> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&i| self.shape(i)).collect();
        let shape = op.shape(&shapes).and_then(|shape| shape.expect_room(1, "values").map(|()| shape));
        let shape = shape.map_err(|e| e.within(&self.path))?;
        Ok(self.push(op, inputs.to_vec(), shape))
    }

    /// Applies an operator by name, as the tracer does: also the composites, which are written in terms of others.
    pub fn apply_named(&mut self, name: &str, inputs: &[Id], attributes: Value) -> Result<Id> {
        if let Some(&unknown) = inputs.iter().find(|&&i| i >= self.graph.nodes.len()) {
            return Err(Error::internal(format!("{name}: there is no value {unknown} in this trace")));
        }
        match name {
            "mean" => {
                let Operator::Reduce(sum) = Operator::parse("sum", attributes)? else {
                    unreachable!("sum is a reduction")
                };
                self.mean(inputs, sum)
            }
            "where" => self.choose(inputs),
            _ => {
                let op = Operator::parse(name, attributes)?;
                self.apply(op, inputs)
            }
        }
    }

    /// The operators of `range` again, with other values in the place of some; what does not depend on those is shared. Gives the new
    /// nodes of `wanted`.
    pub fn repeat(&mut self, range: std::ops::Range<Id>, replaced: &[(Id, Id)], wanted: &[Id]) -> Result<Vec<Id>> {
        if let Some(&(old, new)) = replaced.iter().find(|(old, new)| self.shape(*old) != self.shape(*new)) {
            let (old, new) = (self.shape(old).to_string(), self.shape(new).to_string());
            return Err(Error::new(Code::ShapeMismatch, format!("a value {new} takes the place of {old}"))
                .expected(old)
                .received(new));
        }
        let mut moved: std::collections::HashMap<Id, Id> = replaced.iter().copied().collect();
        for id in range {
            let node = self.graph.nodes[id].clone();
            if moved.contains_key(&id) || !node.inputs.iter().any(|i| moved.contains_key(i)) {
                continue;
            }
            let inputs = node.inputs.iter().map(|i| moved.get(i).copied().unwrap_or(*i)).collect();
            self.graph.nodes.push(Node { inputs, ..node });
            moved.insert(id, self.graph.nodes.len() - 1);
        }
        Ok(wanted.iter().map(|id| moved.get(id).copied().unwrap_or(*id)).collect())
    }

    /// The composites, as [`Operator::all`] lists the operators: `mean` takes what `sum` takes, `where` what `select` takes, broadcast.
    pub fn composites() -> Vec<(&'static str, usize, Value)> {
        vec![("mean", 1, Reduce::default().attributes()), ("where", 3, Value::Null)]
    }

    /// Condition, value and value, broadcast to one shape.
    fn choose(&mut self, inputs: &[Id]) -> Result<Id> {
        let &[condition, a, b] = inputs else {
            return Err(Error::new(
                Code::InvalidOption,
                format!("where takes 3 values, got {}", inputs.len()),
            ));
        };
        let shape = self.shape(condition).broadcast(self.shape(a))?.broadcast(self.shape(b))?;
        shape.check_size(1)?;
        let mut all = [condition, a, b];
        for id in &mut all {
            *id = self.broadcast_to(*id, shape.clone())?;
        }
        self.apply(crate::ops::select::Select.into(), &all)
    }

    /// mean = sum · (1 / count); the count may grow with the batch.
    fn mean(&mut self, inputs: &[Id], sum: Reduce) -> Result<Id> {
        let total = self.apply(Operator::Reduce(sum.clone()), inputs)?;
        let shape = self.shape(inputs[0]).clone();
        let reduced: Vec<Dim> = sum.reduced_axes(&shape)?.into_iter().map(|a| shape.0[a]).collect();
        let count = Shape::product(&reduced)?;
        if count.batch {
            return Err(Error::new(Code::NotImplemented, "a mean over the batch axis")
                .hint("Give one value a row; the loss is averaged over the batch by the trainer."));
        }
        let factor = self.scalar(1.0 / count.size as f64);
        self.binary(BinaryKind::Multiply, total, factor)
    }

    /// An element-wise function.
    pub fn unary(&mut self, kind: UnaryKind, x: Id) -> Result<Id> {
        self.apply(Operator::Unary(Unary(kind)), &[x])
    }

    /// An element-wise function of two operands, broadcast.
    pub fn binary(&mut self, kind: BinaryKind, a: Id, b: Id) -> Result<Id> {
        self.apply(Operator::Binary(Binary(kind)), &[a, b])
    }

    /// x · factor.
    pub fn scale(&mut self, x: Id, factor: f64) -> Result<Id> {
        let factor = self.scalar(factor);
        self.binary(BinaryKind::Multiply, x, factor)
    }

    /// Σ x over the given axes.
    pub fn sum(&mut self, x: Id, axes: &[usize], keep_dims: bool) -> Result<Id> {
        let axes = Some(axes.iter().map(|&a| a as i64).collect());
        self.apply(
            Operator::Reduce(Reduce {
                kind: ReduceKind::Sum,
                axes,
                keep_dims,
            }),
            &[x],
        )
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, x: Id, shape: Shape) -> Result<Id> {
        if *self.shape(x) == shape {
            return Ok(x);
        }
        self.apply(Operator::Reshape(crate::ops::reshape::Reshape { shape }), &[x])
    }

    /// x repeated along the axes where it has size 1, up to the shape.
    pub fn broadcast_to(&mut self, x: Id, shape: Shape) -> Result<Id> {
        if *self.shape(x) == shape {
            return Ok(x);
        }
        self.apply(Operator::Broadcast(crate::ops::reshape::Broadcast { shape }), &[x])
    }

    /// The adjoint of broadcasting: sums over the axes along which `shape` was repeated.
    pub fn sum_to(&mut self, x: Id, shape: &Shape) -> Result<Id> {
        let from = self.shape(x).clone();
        if from == *shape {
            return Ok(x);
        }
        let extra = from.rank() - shape.rank();
        let one = Dim::fixed(1);
        let axes: Vec<usize> = (0..from.rank())
            .filter(|&i| i < extra || (shape.0[i - extra] == one && from.0[i] != one))
            .collect();
        let summed = self.sum(x, &axes, true)?;
        self.reshape(summed, shape.clone())
    }

    /// Finishes with named outputs.
    pub fn finish(mut self, outputs: &[(&str, Id)]) -> Graph {
        self.graph.outputs = outputs.iter().map(|&(name, id)| (name.to_owned(), id)).collect();
        self.graph
    }
}
