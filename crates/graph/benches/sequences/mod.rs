//! The sequence works, W4 and W5, as TypeScript's layers trace them, of any size.

use nabla_graph::{Builder, Graph, Id, Shape};
use nabla_params::Initializer;
use serde_json::{Value, json};

/// Characters told apart.
pub const VOCABULARY: usize = 65;

struct Tracer(Builder);

impl Tracer {
    fn apply(&mut self, name: &str, inputs: &[Id], attributes: Value) -> Id {
        self.0.apply_named(name, inputs, attributes).expect("a shape that fits")
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Id {
        let initializer = match shape {
            [_] if name.ends_with("scale") => Initializer::Ones {},
            [_] => Initializer::Zeros {},
            _ => Initializer::XavierUniform { gain: 1.0 },
        };
        self.0.parameter(name, shape, initializer, true, shape.len() > 1).expect("a weight")
    }

    fn dense(&mut self, name: &str, x: Id, units: usize, activation: Option<&str>) -> Id {
        self.0.path = name.to_owned();
        let width = self.0.shape(x).0.last().map_or(0, |d| d.size);
        let kernel = self.weight(&format!("{name}/kernel"), &[width, units]);
        let bias = self.weight(&format!("{name}/bias"), &[units]);
        let y = self.apply("matmul", &[x, kernel], Value::Null);
        let y = self.apply("add", &[y, bias], Value::Null);
        match activation {
            Some(f) => self.apply(f, &[y], Value::Null),
            None => y,
        }
    }

    fn norm(&mut self, name: &str, x: Id) -> Id {
        self.0.path = name.to_owned();
        let width = self.0.shape(x).0.last().map_or(0, |d| d.size);
        let (scale, shift) = (
            self.weight(&format!("{name}/scale"), &[width]),
            self.weight(&format!("{name}/shift"), &[width]),
        );
        let y = self.apply("normalize", &[x], json!({ "from": 2 }));
        let y = self.apply("multiply", &[y, scale], Value::Null);
        self.apply("add", &[y, shift], Value::Null)
    }

    /// Indices of characters and their embedding.
    fn characters(&mut self, time: usize, width: usize) -> Id {
        let x = self.0.input("features", Shape::batched(&[time])).expect("an input");
        self.0.path = "embedding".to_owned();
        let table = self.weight("embedding/table", &[VOCABULARY, width]);
        self.apply("gather", &[table, x], Value::Null)
    }

    /// Cross-entropy, the mean over time.
    fn finish(mut self, prediction: Id, time: usize) -> Graph {
        self.0.path.clear();
        let targets = self.0.input("targets", Shape::batched(&[time])).expect("an input");
        let losses = self.apply("softmaxCrossEntropy", &[prediction, targets], Value::Null);
        let loss = self.apply("mean", &[losses], json!({ "axes": [-1] }));
        self.0.finish(&[("prediction", prediction), ("loss", loss)])
    }
}

/// Embedding of `width`, LSTM, dense 65 a step. W4: 50 steps, 64 → 128 units.
pub fn lstm(time: usize, width: usize, units: usize) -> Graph {
    let mut t = Tracer(Builder::default());
    let x = t.characters(time, width);
    t.0.path = "lstm".to_owned();
    let kernel = t.weight("lstm/kernel", &[width, 4 * units]);
    let recurrent = t.weight("lstm/recurrentKernel", &[units, 4 * units]);
    let bias = t.weight("lstm/bias", &[4 * units]);
    let open = (0..4 * units)
        .map(|i| f64::from(u8::from((units..2 * units).contains(&i))))
        .collect();
    let open = t.0.constant(open, &[4 * units]).expect("a constant");
    let bias = t.apply("add", &[bias, open], Value::Null);
    let z = t.apply("matmul", &[x, kernel], Value::Null);
    let z = t.apply("add", &[z, bias], Value::Null);
    let zero = t.0.scalar(0.0);
    let state = t.apply("broadcast", &[zero], json!({ "shape": [-1, 2 * units] }));
    let record = t.apply("lstm", &[z, recurrent, state], Value::Null);
    let h = t.apply("slice", &[record], json!({ "axis": 2, "from": 5 * units, "to": 6 * units }));
    let logits = t.dense("dense", h, VOCABULARY, None);
    t.finish(logits, time)
}

/// Two pre-norm blocks, MLP ×4 with GELU, causal. W5: 64 characters, width 128, four heads.
pub fn transformer(time: usize, width: usize, heads: usize) -> Graph {
    let mut t = Tracer(Builder::default());
    let x = t.characters(time, width);
    t.0.path = "positionalEmbedding".to_owned();
    let positions = t.weight("positionalEmbedding/table", &[time, width]);
    let mut x = t.apply("add", &[x, positions], Value::Null);
    for block in ["transformerBlock", "transformerBlock2"] {
        let h = t.norm(&format!("{block}/layerNorm"), x);
        let qkv = t.dense(&format!("{block}/attention"), h, 3 * width, None);
        let mixed = t.apply("attention", &[qkv], json!({ "heads": heads, "causal": true }));
        let mixed = t.dense(&format!("{block}/attention/output"), mixed, width, None);
        x = t.apply("add", &[x, mixed], Value::Null);
        let h = t.norm(&format!("{block}/layerNorm2"), x);
        let h = t.dense(&format!("{block}/dense"), h, 4 * width, Some("gelu"));
        let h = t.dense(&format!("{block}/dense2"), h, width, None);
        x = t.apply("add", &[x, h], Value::Null);
    }
    let x = t.norm("layerNorm", x);
    let logits = t.dense("dense", x, VOCABULARY, None);
    t.finish(logits, time)
}
