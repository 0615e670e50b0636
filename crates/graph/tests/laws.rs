//! The laws of an operator, run over the whole registry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use nabla_error::Code;
use nabla_graph::ops::{Operator, Sample};
use nabla_graph::passes::differentiate::gradients;
use nabla_graph::plan::Instruction;
use nabla_graph::program::{arena, evaluate};
use nabla_graph::{Bases, Builder, Graph, Id, Memory, Mode, Moment, Program, Purpose, Shape};
use nabla_kernels::level::{self, Level};
use nabla_kernels::philox::Stream;
use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Aligned, Real};
use serde_json::json;

const BATCH: usize = 3;

/// The forced SIMD level is one for the process.
static LEVEL: Mutex<()> = Mutex::new(());

fn values(sample: &Sample, index: usize) -> Vec<f64> {
    let input = &sample.inputs[index];
    let count = Shape::from(input.shape.clone()).elements(BATCH);
    let stream = Stream::new(11, index as u64, 0);
    let (low, high) = input.range;
    let real = |i: usize| low + (high - low) * stream.uniform(i as u64);
    (0..count).map(|i| if input.integers { real(i).floor() } else { real(i) }).collect()
}

fn sources(b: &mut Builder, sample: &Sample) -> Vec<Id> {
    sample
        .inputs
        .iter()
        .enumerate()
        .map(|(i, x)| b.input(&format!("x{i}"), x.shape.clone().into()).unwrap())
        .collect()
}

fn all_values<T: Real>(sample: &Sample) -> HashMap<String, Vec<T>> {
    (0..sample.inputs.len())
        .map(|i| (format!("x{i}"), values(sample, i).into_iter().map(T::from_f64).collect()))
        .collect()
}

fn run<T: Real>(graph: &Graph, outputs: &[&str], inputs: &HashMap<String, Vec<T>>) -> HashMap<String, Vec<T>> {
    let outputs = outputs.iter().map(|&o| o.to_owned()).collect();
    let purpose = Purpose {
        mode: Mode::Infer,
        gradients: false,
        outputs,
        capacity: BATCH,
    };
    evaluate(graph, &purpose, &HashMap::new(), inputs, 0).unwrap()
}

/// A graph compiled once, to be run on many inputs.
struct Compiled {
    program: Program,
    memory: Memory<f64>,
    theta: Aligned<f64>,
    gradient: Aligned<f64>,
}

impl Compiled {
    fn new(graph: &Graph, output: &str) -> Compiled {
        let arena = Arc::new(arena(graph).unwrap());
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: vec![output.to_owned()],
            capacity: BATCH,
        };
        let program = Program::compile(graph, &arena, &purpose).unwrap();
        Compiled {
            memory: program.memory().unwrap(),
            theta: Aligned::zeroed(arena.len).unwrap(),
            gradient: Aligned::zeroed(arena.len).unwrap(),
            program,
        }
    }

    fn run(&mut self, output: &str, inputs: &HashMap<String, Vec<f64>>) -> Vec<f64> {
        let bases = Bases::new(&mut self.memory, &mut self.theta, &mut self.gradient);
        for (name, values) in inputs {
            if let Some(place) = self.program.place(name) {
                // SAFETY: nothing runs yet.
                unsafe { bases.write(&place, BATCH, 0..values.len()) }.copy_from_slice(values);
            }
        }
        let moment = Moment {
            batch: BATCH,
            seed: 0,
            step: 0,
            rates: &self.program.rates,
        };
        // SAFETY: the memory was made for this program, which this call alone runs; then the run is over.
        unsafe {
            self.program.run(&bases, &moment, &Member::alone());
            bases.read(&self.program.place(output).unwrap(), BATCH).to_vec()
        }
    }
}

fn applied(sample: &Sample) -> Graph {
    let mut b = Builder::default();
    let x = sources(&mut b, sample);
    let y = b.apply(sample.op.clone(), &x).unwrap();
    b.finish(&[("y", y)])
}

#[test]
fn every_operator_is_in_the_registry_with_samples() {
    for (name, inputs, _) in Operator::all() {
        let found: Vec<Sample> = Operator::samples().into_iter().filter(|s| s.op.name() == name).collect();
        assert!(!found.is_empty(), "{name} has no samples");
        assert!(
            found.iter().all(|s| s.inputs.len() == s.op.arity() && s.inputs.len() >= inputs),
            "{name}: a sample has another number of inputs"
        );
        assert!(
            found
                .iter()
                .any(|s| s.inputs.iter().any(|i| i.shape.contains(&0) || i.shape.contains(&1))),
            "{name}: no edge sample"
        );
    }
}

/// A refusal names the layer, what came (every shape) and what to do.
#[test]
fn bad_samples_are_refused_with_layer_shapes_and_a_hint() {
    for sample in Operator::bad_samples() {
        let mut b = Builder::default();
        let x = sources(&mut b, &sample);
        "block/mine".clone_into(&mut b.path);
        let Err(error) = b.apply(sample.op.clone(), &x) else {
            panic!("{sample:?} was accepted");
        };
        assert!(error.place.as_deref().is_some_and(|p| p.starts_with("block/mine")), "{error:?}");
        let said = format!("{} {}", error.message, error.received.clone().unwrap_or_default());
        for id in x {
            assert!(said.contains(&b.shape(id).to_string()), "{}: {error:?}", sample.op.name());
        }
        assert!(error.hint.is_some_and(|h| h.len() > 20), "{} has no hint", sample.op.name());
    }
}

/// Whatever the batch, what does not fit is an error before anything is allocated, and names the layer.
#[test]
fn what_does_not_fit_in_memory_is_refused() {
    let mut refused = 0;
    for sample in Operator::samples() {
        let mut b = Builder::default();
        let x = sources(&mut b, &sample);
        "block/mine".clone_into(&mut b.path);
        let y = b.apply(sample.op.clone(), &x).unwrap();
        let shape = b.shape(y).clone();
        let graph = b.finish(&[("y", y)]);
        let each = shape.elements(1);
        if !shape.has_batch() || each == 0 || sample.inputs.iter().any(|i| i.shape.contains(&0)) {
            continue;
        }
        // From a little more than there can be in memory to more than can be counted.
        for capacity in [(1 << 36) / each, usize::MAX / 4] {
            let purpose = Purpose {
                mode: Mode::Infer,
                gradients: false,
                outputs: vec!["y".into()],
                capacity,
            };
            let arena = Arc::new(arena(&graph).unwrap());
            let error = Program::compile(&graph, &arena, &purpose)
                .and_then(|p| p.memory::<f64>().map(|_| ()))
                .unwrap_err();
            assert_eq!(error.code, Code::OutOfMemory, "{sample:?}: {error:?}");
            assert!(
                error.received.is_some() && error.expected.is_some() && error.hint.is_some(),
                "{error:?}"
            );
            refused += 1;
        }
    }
    assert!(refused > 150, "only {refused}");
}

#[test]
fn survives_json() {
    for sample in Operator::samples() {
        let graph = applied(&sample);
        let text = graph.to_json().to_string();
        assert_eq!(Graph::from_json(&serde_json::from_str(&text).unwrap()).unwrap(), graph, "{text}");
    }
}

#[test]
fn fused_equals_its_decomposition() {
    for sample in Operator::samples() {
        let mut b = Builder::default();
        let x = sources(&mut b, &sample);
        let y = b.apply(sample.op.clone(), &x).unwrap();
        let first = b.graph.nodes.len();
        let Some(z) = sample.op.decompose(&mut b, &x) else { continue };
        let z = z.unwrap();
        assert_eq!(b.shape(y), b.shape(z));
        // Every step is an output, so that no pass fuses the oracle again.
        let names: Vec<(String, Id)> = (first..b.graph.nodes.len()).map(|id| (format!("step {id}"), id)).collect();
        let mut outputs = vec![("y", y), ("z", z)];
        outputs.extend(names.iter().map(|(name, id)| (name.as_str(), *id)));
        let all: Vec<&str> = outputs.iter().map(|(name, _)| *name).collect();
        let found = run::<f64>(&b.finish(&outputs), &all, &all_values(&sample));
        for (y, z) in found["y"].iter().zip(&found["z"]) {
            // Logarithms of sums of exponentials cancel at ±80: an absolute part beside the relative one.
            assert!((y - z).abs() <= 1e-12 * z.abs().max(1.0), "{sample:?}: {y} is not {z}");
        }
    }
}

#[test]
fn single_precision_follows_double() {
    for sample in Operator::samples() {
        let graph = applied(&sample);
        let single = run::<f32>(&graph, &["y"], &all_values(&sample));
        // The same rounded inputs for both, so that only the arithmetic differs.
        let rounded = all_values::<f32>(&sample)
            .into_iter()
            .map(|(k, v)| (k, v.into_iter().map(f64::from).collect()))
            .collect();
        let double = run::<f64>(&graph, &["y"], &rounded);
        // A sum that cancels keeps the rounding of its parts: they are of the order of the largest value.
        let largest = double["y"].iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for (a, b) in single["y"].iter().zip(&double["y"]) {
            let tolerance = 2e-5 * b.abs().max(1.0).max(largest / 4.0);
            assert!((f64::from(*a) - b).abs() <= tolerance, "{sample:?}: {a} is not {b}");
        }
    }
}

/// A step of a session, and the curvature of a loss over pairs, which is a second derivative itself.
const WITHOUT_DERIVATIVE: [&str; 2] = ["attentionStep", "embeddingLossCurvature"];

/// ∂(Σ q·∂(Σ r·y)/∂x)/∂x and /∂r against central differences of the first derivative, for every input that has a gradient.
#[test]
fn second_derivatives_equal_central_differences() {
    let mut checked = 0;
    let once_only = ["embeddingLossGradient"];
    for sample in Operator::samples() {
        if WITHOUT_DERIVATIVE.contains(&sample.op.name()) || once_only.contains(&sample.op.name()) {
            continue;
        }
        let mut b = Builder::default();
        let mut of = sources(&mut b, &sample);
        let y = b.apply(sample.op.clone(), &of).unwrap();
        let mut inputs = all_values::<f64>(&sample);
        let mut extra = |b: &mut Builder, name: String, shape: Shape| {
            let stream = Stream::new(6, 70 + inputs.len() as u64, 0);
            let values = (0..shape.elements(BATCH)).map(|i| stream.uniform(i as u64) - 0.4).collect();
            inputs.insert(name.clone(), values);
            b.input(&name, shape).unwrap()
        };
        let shape = b.shape(y).clone();
        let r = extra(&mut b, "r".into(), shape);
        let first = gradients(&mut b, y, r, &of).unwrap_or_else(|e| panic!("{sample:?}: {e:?}"));
        // s = Σ q·dx over all inputs, one element for each row of the batch or less.
        let (mut sums, mut names) = (Vec::new(), vec![]);
        for (i, dx) in first.iter().enumerate() {
            let Some(dx) = *dx else { continue };
            let shape = b.shape(dx).clone();
            let q = extra(&mut b, format!("q{i}"), shape.clone());
            let product = b.apply_named("multiply", &[dx, q], json!({})).unwrap();
            let axes: Vec<usize> = (0..shape.rank()).collect();
            sums.push(b.sum(product, &axes, false).unwrap());
            names.push(format!("x{i}"));
        }
        let Some(mut s) = sums.pop() else { continue };
        for other in sums {
            s = b.apply_named("add", &[s, other], json!({})).unwrap();
        }
        let one = b.scalar(1.0);
        of.push(r);
        let second = gradients(&mut b, s, one, &of).unwrap_or_else(|e| panic!("{sample:?}: {e:?}"));
        names.push("r".into());
        let found: Vec<(String, Id)> = names
            .iter()
            .filter_map(|name| {
                let at = name.strip_prefix('x').map_or(of.len() - 1, |i| i.parse().unwrap());
                second[at].map(|id| (name.clone(), id))
            })
            .collect();
        let mut outputs: Vec<(&str, Id)> = found.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        let asked: Vec<&str> = outputs.iter().map(|(n, _)| *n).collect();
        outputs.push(("s", s));
        // Outputs and inputs have names of their own.
        let renamed: Vec<(String, Id)> = outputs.iter().map(|(n, id)| (format!("d{n}"), *id)).collect();
        let graph = b.finish(&renamed.iter().map(|(n, id)| (n.as_str(), *id)).collect::<Vec<_>>());
        let wanted: Vec<String> = asked.iter().map(|n| format!("d{n}")).collect();
        let analytic = run(&graph, &wanted.iter().map(String::as_str).collect::<Vec<_>>(), &inputs);
        let mut compiled = Compiled::new(&graph, "ds");
        for name in asked {
            let count = inputs[name].len();
            for element in (0..count).step_by((count / 2).max(1)) {
                let at = inputs[name][element];
                let h = 1e-5 * at.abs().max(1.0);
                let mut value = |x: f64| {
                    inputs.get_mut(name).unwrap()[element] = x;
                    compiled.run("ds", &inputs)[0]
                };
                let numeric = (value(at + h) - value(at - h)) / (2.0 * h);
                inputs.get_mut(name).unwrap()[element] = at;
                let exact = analytic[&format!("d{name}")][element];
                assert!(
                    (numeric - exact).abs() <= 2e-6 * exact.abs().max(1.0),
                    "{sample:?}, {name}[{element}]: {exact}, numeric {numeric}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 1000, "only {checked} derivatives were checked");
}

/// ∂(Σ r·y)/∂x against central differences, for every input that has a gradient.
#[test]
fn gradients_equal_central_differences() {
    let mut checked = 0;
    for sample in Operator::samples() {
        let mut b = Builder::default();
        let x = sources(&mut b, &sample);
        let y = b.apply(sample.op.clone(), &x).unwrap();
        let shape = b.shape(y).clone();
        let r = b.input("r", shape.clone()).unwrap();
        let found = match gradients(&mut b, y, r, &x) {
            Ok(found) => found,
            Err(_) if WITHOUT_DERIVATIVE.contains(&sample.op.name()) => continue,
            Err(error) => panic!("{sample:?}: {error:?}"),
        };
        let outputs: Vec<(String, Id)> = found
            .iter()
            .enumerate()
            .filter_map(|(i, g)| g.map(|g| (format!("d{i}"), g)))
            .collect();
        let mut named: Vec<(&str, Id)> = outputs.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        named.push(("y", y));
        let graph = b.finish(&named);
        let mut inputs = all_values::<f64>(&sample);
        let stream = Stream::new(5, 77, 0);
        inputs.insert(
            "r".into(),
            (0..shape.elements(BATCH)).map(|i| stream.uniform(i as u64) - 0.3).collect(),
        );
        let names: Vec<&str> = outputs.iter().map(|(n, _)| n.as_str()).collect();
        let analytic = run(&graph, &names, &inputs);
        let mut compiled = Compiled::new(&graph, "y");
        let mut loss =
            |inputs: &HashMap<String, Vec<f64>>| -> f64 { compiled.run("y", inputs).iter().zip(&inputs["r"]).map(|(y, r)| y * r).sum() };
        for (name, _) in &outputs {
            let key = format!("x{}", &name[1..]);
            let count = inputs[&key].len();
            for element in (0..count).step_by((count / 5).max(1)) {
                let at = inputs[&key][element];
                let h = 1e-5 * at.abs().max(1.0);
                inputs.get_mut(&key).unwrap()[element] = at + h;
                let above = loss(&inputs);
                inputs.get_mut(&key).unwrap()[element] = at - h;
                let below = loss(&inputs);
                inputs.get_mut(&key).unwrap()[element] = at;
                let numeric = (above - below) / (2.0 * h);
                let exact = analytic[name][element];
                assert!(
                    (numeric - exact).abs() <= 1e-6 * exact.abs().max(1.0),
                    "{sample:?}, {key}[{element}]: {exact}, numeric {numeric}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "only {checked} derivatives were checked");
}

fn run_shared<T: Real>(graph: &Graph, team: &mut Team, inputs: &HashMap<String, Vec<T>>) -> Vec<u64> {
    let arena = Arc::new(arena(graph).unwrap());
    let purpose = Purpose {
        mode: Mode::Infer,
        gradients: false,
        outputs: vec!["y".into()],
        capacity: BATCH,
    };
    let mut program = Program::compile(graph, &arena, &purpose).unwrap();
    program.share_everything();
    let mut memory = program.memory::<T>().unwrap();
    let (mut theta, mut gradient) = (Aligned::zeroed(arena.len).unwrap(), Aligned::zeroed(arena.len).unwrap());
    let bases = Bases::new(&mut memory, &mut theta, &mut gradient);
    for (name, values) in inputs {
        // SAFETY: nothing runs yet.
        unsafe { bases.write(&program.place(name).unwrap(), BATCH, 0..values.len()) }.copy_from_slice(values);
    }
    let moment = Moment {
        batch: BATCH,
        seed: 3,
        step: 4,
        rates: &[0.5],
    };
    // SAFETY: this test's own memory, used by this team only.
    team.run(&|member| unsafe { program.run(&bases, &moment, member) });
    // SAFETY: the run is over.
    unsafe { bases.read(&program.place("y").unwrap(), BATCH) }
        .iter()
        .map(|v| v.to_f64().to_bits())
        .collect()
}

#[test]
fn the_same_bits_on_any_number_of_threads_and_any_simd_level() {
    let _one = LEVEL.lock().unwrap();
    // As on every thread of a fit.
    let _flush = nabla_kernels::denormals::flush_to_zero();
    let natural = level::level();
    let mut teams = [1, 2, 3, 8].map(|threads| Team::new(threads, || {}));
    for sample in Operator::samples() {
        let graph = applied(&sample);
        let (single, double) = (all_values::<f32>(&sample), all_values::<f64>(&sample));
        level::force(Level::Scalar);
        let [alone, ..] = &mut teams;
        let expected = (run_shared(&graph, alone, &single), run_shared(&graph, alone, &double));
        for level in level::available() {
            level::force(level);
            for team in &mut teams {
                let threads = team.size();
                if level != natural && threads > 1 {
                    continue;
                }
                // Work is shared out alike whatever the numbers are: three members take doubles, two and eight singles, one both.
                let same = (threads == 3 || run_shared(&graph, team, &single) == expected.0)
                    && (threads % 2 == 0 || run_shared(&graph, team, &double) == expected.1);
                assert!(same, "{sample:?} differs on {threads} threads at {level:?}");
            }
        }
        level::force(natural);
    }
}

/// An output that takes the place of an input has the bits that it has beside it.
#[test]
fn in_place_gives_the_same_bits() {
    let mut checked = 0;
    for sample in Operator::samples() {
        for input in 0..sample.inputs.len() {
            let Some(&last) = sample.inputs[input].shape.last().filter(|&&n| n >= 0) else {
                continue;
            };
            // A copy that nobody else reads, or that is shown as well.
            let built = |shown: bool| {
                let mut b = Builder::default();
                let mut x = sources(&mut b, &sample);
                let whole = json!({ "axis": -1, "from": 0, "to": last });
                x[input] = b.apply_named("slice", &[x[input]], whole).unwrap();
                let y = b.apply(sample.op.clone(), &x).unwrap();
                let outputs = [("y", y), ("copy", x[input])];
                b.finish(&outputs[..1 + usize::from(shown)])
            };
            let purpose = Purpose {
                mode: Mode::Infer,
                gradients: false,
                outputs: vec!["y".into()],
                capacity: BATCH,
            };
            let graph = built(false);
            let program = Program::compile(&graph, &Arc::new(arena(&graph).unwrap()), &purpose).unwrap();
            let reuses = |i: &Instruction| i.inputs.iter().any(|x| x.space == i.output.space && x.offset == i.output.offset);
            if !program.instructions().iter().any(reuses) {
                continue;
            }
            let bits = |shown: bool, outputs: &[&str]| -> Vec<u32> {
                let found = run::<f32>(&built(shown), outputs, &all_values(&sample));
                found["y"].iter().map(|v| v.to_bits()).collect()
            };
            assert!(bits(false, &["y"]) == bits(true, &["y", "copy"]), "{sample:?}, input {input}");
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} ran in place");
}
