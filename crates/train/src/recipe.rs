//! A recipe made ready: its graph read and checked once, its programs compiled once for each structure and batch capacity.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nabla_error::{Code, Error, Result};
use nabla_graph::ir::Node;
use nabla_graph::ops::concat::Concat;
use nabla_graph::ops::elementwise::{Unary, UnaryKind};
use nabla_graph::ops::softmax::Softmax;
use nabla_graph::passes::mode::mode;
use nabla_graph::program::arena;
use nabla_graph::{Builder, Dim, Graph, Mode, Operator, Program, Purpose, Shape};
use nabla_params::Arena;
use serde_json::Value;

use crate::pattern::matches;
use crate::spec::{FitSpec, NamedOutput, Output};

/// A recipe made ready.
#[derive(Debug)]
pub struct Recipe {
    /// What it was made from.
    pub spec: FitSpec,
    /// The model, its loss and its output.
    pub graph: Graph,
    /// Where weights lie.
    pub arena: Arc<Arena>,
    /// The dropout rates.
    pub rates: Vec<f64>,
    /// The untrained weights that a step replaces (running statistics): the output that is the new value, and the arena's row.
    pub updates: Vec<(String, usize)>,
    /// What lies where in a row of predictions.
    pub parts: Vec<OutputPart>,
    key: String,
    /// The graph whose loss is that of mixed samples, where there are any.
    mixed: Option<Graph>,
}

/// Part of a row of predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPart {
    /// None for the only output.
    pub name: Option<String>,
    /// Its first value.
    pub from: usize,
    /// Values a row.
    pub width: usize,
}

/// How many compiled programs are kept, over all recipes.
const KEPT: usize = 64;

type Cached = (String, Purpose, Arc<Program>);
static PROGRAMS: Mutex<VecDeque<Cached>> = Mutex::new(VecDeque::new());
static COMPILED: AtomicU64 = AtomicU64::new(0);

/// How many programs this process has compiled; a test of searches counts them.
pub fn compilations() -> u64 {
    COMPILED.load(Ordering::Relaxed)
}

/// What a program depends on: the graph without what is a run-time input (initial values, dropout rates).
fn structure(graph: &Graph) -> String {
    let mut json = graph.to_json();
    let blank = |json: &mut Value, list: &str, path: &[&str]| {
        for item in json[list].as_array_mut().into_iter().flatten() {
            if let Some(value) = item.pointer_mut(&format!("/{}", path.join("/"))) {
                *value = Value::Null;
            }
        }
    };
    blank(&mut json, "parameters", &["initializer"]);
    blank(&mut json, "nodes", &["attributes", "rate"]);
    json.to_string()
}

/// The output that is the loss of samples mixed with others: of both targets, by their shares.
pub const MIXED_LOSS: &str = "mixedLoss";

/// The prefix of the outputs that are new values of untrained weights: `update:batchNorm/mean`.
pub const UPDATE: &str = "update:";

/// What a step replaces, checked: each is an untrained weight of the same shape.
fn updates(graph: &Graph, arena: &Arena) -> Result<Vec<(String, usize)>> {
    let mut found = Vec::new();
    for (output, &node) in graph.outputs.iter().filter(|(name, _)| name.starts_with(UPDATE)) {
        let name = &output[UPDATE.len()..];
        let row = arena.rows.iter().position(|r| r.spec.name == name);
        let row = row.filter(|&r| !arena.rows[r].spec.trainable).ok_or_else(|| {
            Error::option("update", "an untrained weight of the model", format!("\"{name}\"")).hint("Make it with { trainable: false }.")
        })?;
        let (value, weight) = (&graph.nodes[node].shape, Shape::fixed(&arena.rows[row].spec.shape));
        if *value != weight {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("the new value of a weight of shape {weight} has shape {value}"),
            )
            .at(name)
            .expected(weight.to_string())
            .received(value.to_string()));
        }
        found.push((output.clone(), row));
    }
    Ok(found)
}

/// Freezes what the groups freeze. A pattern or a name that stands for nothing is an error.
fn group_parameters(spec: &FitSpec, graph: &mut Graph) -> Result<()> {
    let names: Vec<String> = graph.parameters.iter().map(|p| p.name.clone()).collect();
    let missing = |option: &str, name: &str| {
        let error = Error::option(option, "to name a parameter or a layer of the model", format!("{name:?}"));
        error.hint(format!(
            "Its parameters are {}.",
            names.iter().take(20).cloned().collect::<Vec<_>>().join(", ")
        ))
    };
    for group in &spec.groups {
        if !names.iter().any(|name| matches(&group.pattern, name)) {
            return Err(missing("groups.match", &group.pattern));
        }
    }
    for (i, group) in spec.groups.iter().enumerate() {
        let earlier = |name: &&String| spec.groups[..i].iter().any(|g| matches(&g.pattern, name));
        if names.iter().filter(|name| matches(&group.pattern, name)).all(|name| earlier(&name)) {
            return Err(Error::option(
                "groups.match",
                "to name a parameter that no group before it names",
                format!("{:?}", group.pattern),
            )
            .hint("The first group that names a parameter decides: put the narrower pattern first."));
        }
    }
    for name in spec.regularizers.iter().flat_map(|r| r.parameters.iter().flatten()) {
        if !names.contains(name) {
            return Err(missing("regularizers.parameters", name));
        }
    }
    for parameter in &mut graph.parameters {
        if spec
            .groups
            .iter()
            .find(|g| matches(&g.pattern, &parameter.name))
            .is_some_and(|g| g.freeze)
        {
            parameter.trainable = false;
        }
    }
    if !names.is_empty() && !spec.groups.is_empty() && graph.parameters.iter().all(|p| !p.trainable) {
        return Err(Error::option(
            "groups.freeze",
            "to leave something to train",
            "a group for every parameter",
        ));
    }
    Ok(())
}

/// Adds what a row of predictions is, `output`: of several outputs one after the other, `[batch, sum of their widths]`.
fn predictions(builder: &mut Builder, spec: &FitSpec) -> Result<Vec<OutputPart>> {
    let activated = |builder: &mut Builder, name: &str, output: Output| {
        let prediction = builder.graph.output(name)?;
        match output {
            Output::Identity => Ok(prediction),
            Output::Softmax => builder.apply(Softmax.into(), &[prediction]).map_err(|e| e.at("output")),
            Output::Sigmoid => builder.apply(Unary(UnaryKind::Sigmoid).into(), &[prediction]),
        }
    };
    let width = |builder: &Builder, id: usize| builder.shape(id).0[1..].iter().map(|d| d.size).product::<usize>();
    let (mut parts, mut row) = (Vec::new(), None);
    for NamedOutput { name, output, .. } in &spec.outputs {
        let own = activated(builder, &format!("prediction:{name}"), *output)?;
        if builder.shape(own).0.first() != Some(&Dim::BATCH) {
            return Err(Error::new(Code::ShapeMismatch, "an output has one prediction a row").at(name.clone()));
        }
        let own_width = width(builder, own);
        let flat = builder.reshape(own, Shape::batched(&[own_width]))?;
        parts.push(OutputPart {
            name: Some(name.clone()),
            from: row.map_or(0, |row| width(builder, row)),
            width: own_width,
        });
        row = Some(match row {
            Some(row) => builder.apply(Concat::default().into(), &[row, flat])?,
            None => flat,
        });
    }
    let output = match row {
        Some(row) => row,
        None => {
            let only = activated(builder, "prediction", spec.output)?;
            parts.push(OutputPart {
                name: None,
                from: 0,
                width: width(builder, only),
            });
            only
        }
    };
    builder.graph.outputs.insert("output".to_owned(), output);
    Ok(parts)
}

impl Recipe {
    /// Reads and checks the graph.
    pub fn new(spec: FitSpec) -> Result<Recipe> {
        let mut graph = Graph::from_json(&spec.graph)?;
        if let Some(&loss) = graph.outputs.get("loss") {
            let shape = &graph.nodes[loss].shape;
            if *shape != Shape(vec![Dim::BATCH]) {
                return Err(Error::new(Code::ShapeMismatch, format!("the loss has shape {shape}"))
                    .at("loss")
                    .expected("one value a row, [batch]")
                    .received(shape.to_string())
                    .hint("Reduce the other axes, such as by `.mean(-1)`."));
            }
        }
        group_parameters(&spec, &mut graph)?;
        let mut builder = Builder::from_graph(std::mem::take(&mut graph));
        let parts = predictions(&mut builder, &spec)?;
        let graph = builder.graph;
        let (_, rates) = mode(&graph, Mode::Train)?;
        let arena = Arc::new(arena(&graph)?);
        let updates = updates(&graph, &arena)?;
        let key = structure(&graph);
        let mixed = graph.outputs.get(MIXED_LOSS).map(|&loss| {
            let mut mixed = graph.clone();
            mixed.outputs.insert("loss".to_owned(), loss);
            mixed
        });
        Ok(Recipe {
            mixed,
            spec,
            graph,
            arena,
            rates,
            updates,
            parts,
            key,
        })
    }

    /// The axes of one prediction: `[10]`.
    pub fn output_shape(&self) -> Vec<usize> {
        self.graph
            .outputs
            .get("output")
            .map(|&id| self.graph.nodes[id].shape.0[1..].iter().map(|d| d.size).collect())
            .unwrap_or_default()
    }

    /// The axes of one row as the model reads it: `[64]`.
    pub fn input_shape(&self) -> Vec<usize> {
        self.graph
            .inputs
            .get("features")
            .map(|&id| self.graph.nodes[id].shape.0[1..].iter().map(|d| d.size).collect())
            .unwrap_or_default()
    }

    /// The longest sequence, where rows have different lengths.
    pub fn mask_time(&self) -> Option<usize> {
        self.graph.inputs.get("mask").map(|&id| self.graph.nodes[id].shape.0[1].size)
    }

    /// The axes of the targets as the loss reads them, if it does.
    pub fn target_shape(&self) -> Option<&Shape> {
        self.graph.inputs.get("targets").map(|&id| &self.graph.nodes[id].shape)
    }

    /// How many classes the loss tells apart, if it reads class indices.
    pub fn classes(&self) -> Option<usize> {
        let targets = self.graph.inputs.get("targets")?;
        let reads = |n: &&Node| matches!(n.op, Operator::SoftmaxCrossEntropy(_)) && n.inputs[1] == *targets;
        let loss = self.graph.nodes.iter().find(reads)?;
        self.graph.nodes[loss.inputs[0]].shape.0.last().map(|d| d.size)
    }

    /// The program of a training step; `output` is computed beside the gradients where metrics want it. Of samples that are mixed the loss is
    /// that of both targets.
    pub fn training(&self, capacity: usize) -> Result<Arc<Program>> {
        match &self.mixed {
            Some(graph) => self.program(graph, &format!("mixed {}", self.key), self.to_train(capacity)),
            None => self.training_unmixed(capacity),
        }
    }

    /// The same, where gradient health looks at it.
    pub fn training_tapped(&self, capacity: usize) -> Result<Arc<Program>> {
        let (graph, kind) = match &self.mixed {
            Some(graph) => (graph, "mixed "),
            None => (&self.graph, ""),
        };
        let key = format!("tapped {kind}{}", self.key);
        self.program_by(graph, &key, self.to_train(capacity), Program::compile_tapped)
    }

    /// The same of the samples as they are.
    pub fn training_unmixed(&self, capacity: usize) -> Result<Arc<Program>> {
        self.program(&self.graph, &self.key, self.to_train(capacity))
    }

    fn to_train(&self, capacity: usize) -> Purpose {
        let mut outputs = vec!["loss".to_owned()];
        outputs.extend(self.updates.iter().map(|(name, _)| name.clone()));
        if !self.spec.metrics.is_empty() {
            outputs.push("output".to_owned());
        }
        Purpose {
            mode: Mode::Train,
            gradients: true,
            outputs,
            capacity,
        }
    }

    /// The program of prediction, with the loss where it is asked for.
    pub fn inference(&self, capacity: usize, loss: bool) -> Result<Arc<Program>> {
        self.program(&self.graph, &self.key, Self::to_infer(capacity, loss))
    }

    fn to_infer(capacity: usize, loss: bool) -> Purpose {
        let mut outputs = vec!["output".to_owned()];
        if loss {
            outputs.push("loss".to_owned());
        }
        Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs,
            capacity,
        }
    }

    /// A program as text, with memory for numbers of `bytes` bytes: the graph after each pass, and the plan.
    pub fn listing(&self, capacity: usize, training: bool, bytes: usize) -> Result<String> {
        let purpose = if training {
            self.to_train(capacity)
        } else {
            Self::to_infer(capacity, false)
        };
        nabla_graph::listing::listing(&self.graph, &purpose, bytes)
    }

    /// The program of a prediction with the noise of training, one sample a run.
    pub fn sampling(&self, capacity: usize) -> Result<Arc<Program>> {
        if self.rates.is_empty() {
            return Err(Error::option(
                "samples",
                "with a model that has dropout or other noise",
                "a model without any",
            ));
        }
        self.program(
            &self.graph,
            &self.key,
            Purpose {
                mode: Mode::Sample,
                gradients: false,
                outputs: vec!["output".to_owned()],
                capacity,
            },
        )
    }

    fn program(&self, graph: &Graph, key: &str, purpose: Purpose) -> Result<Arc<Program>> {
        self.program_by(graph, key, purpose, Program::compile)
    }

    fn program_by(
        &self,
        graph: &Graph,
        key: &str,
        purpose: Purpose,
        compile: fn(&Graph, &Arc<Arena>, &Purpose) -> Result<Program>,
    ) -> Result<Arc<Program>> {
        let mut kept = PROGRAMS.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((.., program)) = kept.iter().find(|(of, p, _)| *p == purpose && of == key) {
            return Ok(Arc::clone(program));
        }
        drop(kept);
        COMPILED.fetch_add(1, Ordering::Relaxed);
        let program = Arc::new(compile(graph, &self.arena, &purpose)?);
        kept = PROGRAMS.lock().unwrap_or_else(|e| e.into_inner());
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key.to_owned(), purpose, Arc::clone(&program)));
        Ok(program)
    }
}
