//! A model of sequences as a function of one step: what a session runs. Each value [batch, time, …] becomes [batch, 1, …]; what recurrent
//! layers carry, and what attention and causal convolution looked at, become inputs. Of a scan, which the graph holds step by step, the
//! first step is taken, between its marks. A layer that would need later steps, or all of them, is an error that names it.

use std::collections::{BTreeSet, HashMap};

use nabla_error::{Code, Error, Result};

use crate::builder::Builder;
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::attention_step::AttentionStep;
use crate::ops::concat::Concat;
use crate::ops::convolution::Conv;
use crate::ops::elementwise::{Binary, BinaryKind, Unary};
use crate::ops::gather::Gather;
use crate::ops::recurrent::{gru::Gru, lstm::Lstm, simple::SimpleRnn};
use crate::ops::reshape::{Broadcast, Reshape};
use crate::ops::slice::slice;
use crate::passes::dead_code::dead_code;
use crate::passes::mode;
use crate::shape::{Dim, Shape};

mod scan;

use scan::needed;

/// A value that goes from step to step: the output becomes the input of the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The input, 0 at first.
    pub input: String,
    /// The output.
    pub output: String,
}

/// What attention looks back at: the output's numbers are kept at this step's place in the input, [batch, time, width] or [batch, time].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The input.
    pub input: String,
    /// The output.
    pub output: String,
    /// Numbers a step.
    pub width: usize,
}

/// One step of a model.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// Inputs: `features` [batch, 1, …], states, caches, and `position` [batch, 1] where steps are told apart by their place.
    pub graph: Graph,
    /// What recurrent layers carry.
    pub states: Vec<State>,
    /// What attention keeps.
    pub caches: Vec<Cache>,
    /// How many steps there can be; no end where no layer knows of places.
    pub limit: Option<usize>,
}

/// What a value has to do with time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Nothing: weights, and what follows from them.
    None,
    /// A value each step, [batch, time, …].
    Steps,
    /// The same inside a scan, without the axis of time: [batch, …].
    Now,
    /// A value after the steps so far: the last step's.
    Ended,
    /// Which step is the last one that counts, from the mask alone: in a session, the one just given.
    Last,
}

struct Stepping<'a> {
    graph: &'a Graph,
    b: Builder,
    map: Vec<Id>,
    kind: Vec<Time>,
    /// Values that are a mask, whatever their shape.
    masks: Vec<bool>,
    /// The states of scans that have begun, by scan and index.
    scanned: HashMap<(usize, usize), State>,
    time: usize,
    states: Vec<State>,
    caches: Vec<Cache>,
    outputs: Vec<(String, Id)>,
    position: Option<Id>,
}

const ONE: Dim = Dim::fixed(1);

fn one_step(shape: &Shape) -> Shape {
    let mut shape = shape.clone();
    shape.0[1] = ONE;
    shape
}

fn refused(node: &Node, because: &str) -> Error {
    let place = if node.path.is_empty() { "the model" } else { &node.path };
    Error::new(Code::InvalidOption, format!("{place} cannot be stepped: {because}"))
        .at(place)
        .expected("recurrent layers and scans forwards, causal attention and convolution, and layers that work on each step alone")
        .received(node.op.name())
        .hint("predict takes the whole sequence at once.")
}

/// The model's prediction as a function of one step.
pub fn step(graph: &Graph) -> Result<Stepped> {
    let mut wanted = graph.clone();
    wanted.outputs.retain(|name, _| name == "output");
    let graph = &dead_code(&mode::marked(&wanted)?);
    let features = *graph
        .inputs
        .get("features")
        .ok_or_else(|| Error::internal("the graph has no features"))?;
    let shape = &graph.nodes[features].shape;
    if shape.rank() < 2
        || graph
            .inputs
            .keys()
            .any(|name| !["features", "mask", "targets"].contains(&name.as_str()))
    {
        return Err(Error::new(Code::InvalidOption, "only a model of one sequence can be stepped")
            .at("session")
            .expected("features [batch, time, …]")
            .received(shape.to_string()));
    }
    let mut s = Stepping {
        graph,
        b: Builder::default(),
        map: Vec::new(),
        kind: Vec::new(),
        masks: Vec::new(),
        scanned: HashMap::new(),
        time: shape.0[1].size,
        states: Vec::new(),
        caches: Vec::new(),
        outputs: Vec::new(),
        position: None,
    };
    let needed = needed(graph)?;
    let asked: BTreeSet<Id> = graph
        .nodes
        .iter()
        .filter_map(mask_of)
        .chain(graph.inputs.get("mask").copied())
        .collect();
    for (id, node) in graph.nodes.iter().enumerate() {
        let is_mask = match &node.op {
            Operator::Reshape(_) => s.masks[node.inputs[0]],
            _ => false,
        };
        s.masks.push(is_mask || asked.contains(&id));
        if !needed[id] && !matches!(node.op, Operator::Source(_)) {
            s.map.push(Id::MAX);
            s.kind.push(Time::None);
            continue;
        }
        s.b.path.clone_from(&node.path);
        let (new, kind) = s.node(id, node)?;
        s.map.push(new);
        s.kind.push(kind);
    }
    let output = graph.output("output")?;
    let mut outputs = s.outputs;
    outputs.push(("output".to_owned(), s.map[output]));
    if matches!(s.kind[output], Time::None | Time::Last) {
        return Err(Error::new(Code::InvalidOption, "the prediction does not depend on the sequence").at("session"));
    }
    let named: Vec<(&str, Id)> = outputs.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    let bounded = s.position.is_some() || !s.caches.is_empty();
    Ok(Stepped {
        graph: dead_code(&s.b.finish(&named)),
        states: s.states,
        caches: s.caches,
        limit: bounded.then_some(s.time),
    })
}

/// The mask that an operator reads.
fn mask_of(node: &Node) -> Option<Id> {
    match node.op {
        Operator::Steps(_) | Operator::Attention(_) => node.inputs.get(1).copied(),
        _ => None,
    }
}

impl Stepping<'_> {
    fn node(&mut self, id: Id, node: &Node) -> Result<(Id, Time)> {
        match &node.op {
            Operator::Source("parameter") => {
                let p = self.graph.parameters.iter().find(|p| p.node == id);
                let p = p.ok_or_else(|| Error::internal("a weight without a name"))?;
                let new = self.b.parameter(&p.name, &p.shape, p.initializer.clone(), p.trainable, p.decay)?;
                return Ok((new, Time::None));
            }
            Operator::Source(_) => return self.input(id, node),
            Operator::Constant(c) => {
                let sizes: Vec<usize> = node.shape.0.iter().map(|d| d.size).collect();
                return Ok((self.b.constant(c.values.clone(), &sizes)?, Time::None));
            }
            Operator::ScanMark(mark) => return self.mark(node, mark),
            _ => {}
        }
        let kinds: Vec<Time> = node.inputs.iter().map(|&i| self.kind[i]).collect();
        let inputs: Vec<Id> = node.inputs.iter().map(|&i| self.map[i]).collect();
        let counts = matches!(node.op, Operator::Reduce(_)) && self.masks[node.inputs[0]];
        let of_last = kinds.contains(&Time::Last) && kinds.iter().all(|&k| k == Time::Last || k == Time::None);
        if counts || of_last {
            return Ok((inputs[0], Time::Last));
        }
        if kinds[0] == Time::Last && matches!(node.op, Operator::Matmul(_)) && kinds[1] == Time::Steps {
            // The step just given is chosen.
            return Ok((inputs[1], Time::Ended));
        }
        if kinds.contains(&Time::Now) {
            if kinds.iter().any(|&k| k != Time::Now && k != Time::None) {
                return Err(refused(node, "each of its steps looks at the whole sequence"));
            }
            return Ok((self.b.apply(node.op.clone(), &inputs)?, Time::Now));
        }
        if !kinds.contains(&Time::Steps) {
            let kind = if kinds.contains(&Time::Ended) { Time::Ended } else { Time::None };
            return Ok((self.b.apply(node.op.clone(), &inputs)?, kind));
        }
        if kinds.contains(&Time::Ended) || kinds.contains(&Time::Last) {
            return Err(refused(node, "what it knows only at the end goes into each step"));
        }
        self.steps(node, &inputs, &kinds)
    }

    fn input(&mut self, id: Id, node: &Node) -> Result<(Id, Time)> {
        let is = |name: &str| self.graph.inputs.get(name) == Some(&id);
        if is("features") {
            return Ok((self.b.input("features", one_step(&node.shape))?, Time::Steps));
        }
        if is("mask") {
            // A step that is given counts.
            let one = self.b.scalar(1.0);
            return Ok((self.b.broadcast_to(one, one_step(&node.shape))?, Time::Steps));
        }
        Ok((self.b.input("targets", node.shape.clone())?, Time::None))
    }

    /// An operator that reads a value each step.
    fn steps(&mut self, node: &Node, inputs: &[Id], kinds: &[Time]) -> Result<(Id, Time)> {
        let x = &self.graph.nodes[node.inputs[0]].shape;
        let rank = x.rank();
        let axis = |axis: i64| if axis < 0 { axis + rank as i64 } else { axis };
        let keeps = node.shape.rank() >= 2 && node.shape.0[0] == Dim::BATCH && node.shape.0[1] == Dim::fixed(self.time);
        let fits = match &node.op {
            Operator::Unary(Unary(_)) => true,
            Operator::Binary(Binary(_)) => return self.binary(node, inputs, kinds),
            Operator::Matmul(product) => rank > 2 && !product.transpose_a && kinds[1] == Time::None && self.b.shape(inputs[1]).rank() == 2,
            Operator::Gather(_) => kinds[0] == Time::None,
            Operator::Softmax(_) | Operator::LogSoftmax(_) => rank > 2,
            Operator::Normalize(norm) => rank > 2 && norm.from > 1,
            Operator::BatchNorm(_) => rank > 2 && kinds[1..].iter().all(|&k| k == Time::None),
            Operator::Concat(concat) => axis(concat.axis) > 1 && kinds.iter().all(|&k| k == Time::Steps),
            Operator::Pad(pad) => axis(pad.axis) > 1,
            Operator::Transpose(turn) => turn.axes.as_ref().is_some_and(|axes| axes[0] == 0 && axes[1] == 1),
            Operator::Reduce(reduce) => {
                if !reduce.reduced_axes(x)?.iter().all(|&a| a > 1) {
                    return Err(refused(node, "it looks at all steps at once"));
                }
                true
            }
            Operator::Reshape(_) if keeps => {
                let to = Reshape {
                    shape: one_step(&node.shape),
                };
                return Ok((self.b.apply(to.into(), inputs)?, Time::Steps));
            }
            Operator::Broadcast(_) if keeps => {
                let to = Broadcast {
                    shape: one_step(&node.shape),
                };
                return Ok((self.b.apply(to.into(), inputs)?, Time::Steps));
            }
            Operator::Slice(slice) => {
                let from = if slice.from < 0 {
                    slice.from + self.time as i64
                } else {
                    slice.from
                };
                let to = slice
                    .to
                    .map_or(self.time as i64, |to| if to < 0 { to + self.time as i64 } else { to });
                match axis(slice.axis) {
                    1 if from == self.time as i64 - 1 && to == self.time as i64 => return Ok((inputs[0], Time::Ended)),
                    1 if from == 0 && to == self.time as i64 => return Ok((inputs[0], Time::Steps)),
                    1 => return Err(refused(node, "it looks at certain steps")),
                    _ => true,
                }
            }
            Operator::Lstm(_) | Operator::Gru(_) | Operator::SimpleRnn(_) => return self.cell(node, inputs, kinds),
            Operator::Conv(conv) if rank == 3 => return self.convolution(node, conv, inputs, kinds),
            Operator::Attention(attention) => {
                if !attention.causal {
                    return Err(refused(node, "attention that is not causal looks at later steps"));
                }
                return self.attention(node, inputs[0], inputs.get(1).copied(), attention.heads);
            }
            Operator::Steps(steps) => {
                if steps.reverse {
                    return Err(refused(node, "it runs from the last step to the first"));
                }
                // To the front of a row goes what counts; a cell carries its state over what does not. Back, that is 0.
                let y = if steps.back {
                    self.counted(inputs[0], inputs[1])?
                } else {
                    inputs[0]
                };
                return Ok((y, Time::Steps));
            }
            _ => false,
        };
        let flattens = matches!(node.op, Operator::Reshape(_));
        if !fits || !keeps {
            let because = if flattens {
                "it puts all steps into one row"
            } else {
                "its value at a step depends on other steps"
            };
            return Err(refused(node, because));
        }
        Ok((self.b.apply(node.op.clone(), inputs)?, Time::Steps))
    }

    /// Element by element; a table of places gives the row of this one.
    fn binary(&mut self, node: &Node, inputs: &[Id], kinds: &[Time]) -> Result<(Id, Time)> {
        let mut inputs = inputs.to_vec();
        for (input, kind) in inputs.iter_mut().zip(kinds) {
            let shape = self.b.shape(*input).clone();
            let Some(at) = (shape.rank() + 1).checked_sub(node.shape.rank()) else {
                continue;
            };
            if *kind == Time::Steps || shape.rank() < node.shape.rank() - 1 || shape.0[at] == ONE {
                continue;
            }
            if at != 0 || shape.0[0] != Dim::fixed(self.time) {
                return Err(refused(node, "its value at a step depends on other steps"));
            }
            let place = self.position(node.shape.0[0])?;
            *input = self.b.apply(Gather.into(), &[*input, place])?;
        }
        Ok((self.b.apply(node.op.clone(), &inputs)?, Time::Steps))
    }

    fn position(&mut self, batch: Dim) -> Result<Id> {
        if let Some(id) = self.position {
            return Ok(id);
        }
        let id = self.b.input("position", Shape(vec![batch, ONE]))?;
        self.position = Some(id);
        Ok(id)
    }

    fn cell(&mut self, node: &Node, inputs: &[Id], kinds: &[Time]) -> Result<(Id, Time)> {
        let (reverse, states) = match &node.op {
            Operator::Lstm(Lstm { reverse }) => (*reverse, 2),
            Operator::Gru(Gru { reverse }) | Operator::SimpleRnn(SimpleRnn { reverse, .. }) => (*reverse, 1),
            _ => return Err(Error::internal("not a recurrent cell")),
        };
        if reverse {
            return Err(refused(node, "it runs from the last step to the first"));
        }
        if kinds[1..].iter().any(|&kind| kind != Time::None) || !self.is_zero(node.inputs[2]) {
            return Err(refused(node, "it starts from a state of its own"));
        }
        let units = self.graph.nodes[node.inputs[1]].shape.0[0].size;
        let state = self.state(Shape(vec![node.shape.0[0], Dim::fixed(states * units)]))?;
        let mut inputs = inputs.to_vec();
        inputs[2] = self.b.graph.inputs[&state.input];
        let record = self.b.apply(node.op.clone(), &inputs)?;
        let width = node.shape.0[2].size;
        // The parts of the record that the state is made of: h, and c before it.
        let mut parts = Vec::new();
        for i in 1..=states {
            parts.push(slice(&mut self.b, record, 2, width - i * units, width - (i - 1) * units)?);
        }
        let mut record = record;
        if let Operator::Steps(_) = &self.graph.nodes[node.inputs[0]].op {
            let mask = self.map[self.graph.nodes[node.inputs[0]].inputs[1]];
            if !self.counts_always(mask) {
                // A step that does not count carries the state.
                let count = self.beside(mask, 3)?;
                for (i, part) in parts.iter_mut().enumerate() {
                    let old = slice(&mut self.b, inputs[2], 1, i * units, (i + 1) * units)?;
                    let old = self.b.reshape(old, Shape(vec![node.shape.0[0], ONE, Dim::fixed(units)]))?;
                    let change = self.b.binary(BinaryKind::Subtract, *part, old)?;
                    let change = self.b.binary(BinaryKind::Multiply, change, count)?;
                    *part = self.b.binary(BinaryKind::Add, old, change)?;
                }
                if width > states * units {
                    record = slice(&mut self.b, record, 2, 0, width - states * units)?;
                    for &part in parts.iter().rev() {
                        record = self.b.apply(Concat { axis: -1 }.into(), &[record, part])?;
                    }
                } else {
                    record = parts[0];
                }
            }
        }
        let next = match parts[..] {
            [h, c] => self.b.apply(Concat { axis: -1 }.into(), &[h, c])?,
            _ => parts[0],
        };
        self.outputs.push((state.output, next));
        Ok((record, Time::Steps))
    }

    /// A new input that becomes the next state; what it becomes is still to be said.
    fn state(&mut self, shape: Shape) -> Result<State> {
        let number = self.states.len();
        let state = State {
            input: format!("state:{number}"),
            output: format!("next:{number}"),
        };
        self.b.input(&state.input, shape)?;
        self.states.push(state.clone());
        Ok(state)
    }

    /// A mask [batch, 1] beside values of some rank.
    fn beside(&mut self, mask: Id, rank: usize) -> Result<Id> {
        let mut shape = vec![ONE; rank];
        shape[0] = self.b.shape(mask).0[0];
        self.b.reshape(mask, Shape(shape))
    }

    /// 0 in place of a step that does not count.
    fn counted(&mut self, x: Id, mask: Id) -> Result<Id> {
        if self.counts_always(mask) {
            return Ok(x);
        }
        let rank = self.b.shape(x).rank();
        let count = self.beside(mask, rank)?;
        self.b.binary(BinaryKind::Multiply, x, count)
    }

    /// Whether each step that is given counts: the mask of the data, and not one that the model makes of them.
    fn counts_always(&self, mask: Id) -> bool {
        let mut node = &self.b.graph.nodes[mask];
        while let Operator::Broadcast(_) | Operator::Reshape(_) = &node.op {
            node = &self.b.graph.nodes[node.inputs[0]];
        }
        matches!(&node.op, Operator::Constant(c) if c.values.iter().all(|&v| v == 1.0))
    }

    /// Over the steps before and this one, where none after it is looked at: they are kept as a state.
    fn convolution(&mut self, node: &Node, conv: &Conv, inputs: &[Id], kinds: &[Time]) -> Result<(Id, Time)> {
        let one_of = |list: &[usize]| list.first().copied().unwrap_or(1);
        let taps = self.graph.nodes[node.inputs[1]].shape.0[0].size;
        let before = one_of(&conv.dilation) * (taps - 1);
        let pads = |at: usize| conv.padding.get(at).copied().unwrap_or(0);
        if kinds[1] != Time::None || one_of(&conv.stride) != 1 || pads(0) != before || pads(1) != 0 {
            return Err(refused(node, "its value at a step depends on later steps")
                .hint("conv1d with padding: 'causal' and a stride of 1 looks back only; predict takes the whole sequence at once."));
        }
        let bare = Conv {
            padding: Vec::new(),
            ..conv.clone()
        };
        if before == 0 {
            return Ok((self.b.apply(bare.into(), inputs)?, Time::Steps));
        }
        let shape = self.b.shape(inputs[0]).clone();
        let state = self.state(Shape(vec![shape.0[0], Dim::fixed(before), shape.0[2]]))?;
        let old = self.b.graph.inputs[&state.input];
        let window = self.b.apply(Concat { axis: 1 }.into(), &[old, inputs[0]])?;
        let next = slice(&mut self.b, window, 1, 1, before + 1)?;
        self.outputs.push((state.output, next));
        Ok((self.b.apply(bare.into(), &[window, inputs[1]])?, Time::Steps))
    }

    /// Whether a value is 0 everywhere.
    fn is_zero(&self, id: Id) -> bool {
        let node = &self.graph.nodes[id];
        match &node.op {
            Operator::Constant(c) => c.values.iter().all(|&v| v == 0.0),
            Operator::Broadcast(_) | Operator::Reshape(_) => self.is_zero(node.inputs[0]),
            Operator::Binary(Binary(BinaryKind::Multiply)) => node.inputs.iter().any(|&i| self.is_zero(i)),
            _ => false,
        }
    }

    fn attention(&mut self, node: &Node, qkv: Id, mask: Option<Id>, heads: usize) -> Result<(Id, Time)> {
        let channels = node.shape.0[2].size;
        let batch = node.shape.0[0];
        let counts = match mask {
            Some(mask) => mask,
            None => {
                let one = self.b.scalar(1.0);
                self.b.broadcast_to(one, Shape(vec![batch, ONE]))?
            }
        };
        let kept = slice(&mut self.b, qkv, 2, channels, 3 * channels)?;
        let time = Dim::fixed(self.time);
        let before = self.cache(Shape(vec![batch, time, Dim::fixed(2 * channels)]), 2 * channels, kept)?;
        let seen = self.cache(Shape(vec![batch, time]), 1, counts)?;
        let y = self.b.apply(AttentionStep { heads }.into(), &[qkv, before, seen, counts])?;
        Ok((y, Time::Steps))
    }

    /// What was kept of the steps before, and what is kept of this one.
    fn cache(&mut self, shape: Shape, width: usize, kept: Id) -> Result<Id> {
        let number = self.caches.len();
        let cache = Cache {
            input: format!("cache:{number}"),
            output: format!("kept:{number}"),
            width,
        };
        let before = self.b.input(&cache.input, shape)?;
        self.outputs.push((cache.output.clone(), kept));
        self.caches.push(cache);
        Ok(before)
    }
}
