//! A program as text, to look at: the graph as traced and after each pass that changes it, then the plan with offsets and the memory it
//! needs. For people and bug reports; nothing reads it back.

use std::fmt::Write;
use std::sync::Arc;

use nabla_error::Result;

use crate::ir::Graph;
use crate::plan::{Place, Space};
use crate::program::{Program, Purpose, arena};

/// The graph after each pass, the instructions, the peak memory in bytes for numbers of `bytes` bytes each.
pub fn listing(graph: &Graph, purpose: &Purpose, bytes: usize) -> Result<String> {
    let arena = Arc::new(arena(graph)?);
    let mut text = String::new();
    section(&mut text, "traced", graph);
    let mut before = lines(graph);
    let program = Program::compile_watched(graph, &arena, purpose, &mut |pass, graph| {
        let after = lines(graph);
        if after == before {
            text += &format!("\nafter {pass}: the same\n");
        } else {
            text.push('\n');
            section(&mut text, &format!("after {pass}"), graph);
        }
        before = after;
    })?;
    text += &format!(
        "\nplan for batches of up to {} rows: offsets in numbers of {bytes} bytes\n",
        purpose.capacity
    );
    let place = |p: &Place| {
        let space = match p.space {
            Space::Workspace => "work",
            Space::Parameters => "weights",
            Space::Gradients => "gradients",
            Space::Constants => "constants",
        };
        format!("{space}[{}..{}]", p.offset, p.offset + p.len.at(purpose.capacity))
    };
    for i in program.instructions() {
        let inputs: Vec<String> = i.inputs.iter().map(&place).collect();
        let mut marks = vec![if i.parallel { "shared" } else { "first member" }];
        if i.barrier {
            marks.push("meet before");
        }
        if i.inputs
            .iter()
            .any(|input| input.space == i.output.space && input.offset == i.output.offset)
        {
            marks.push("in place");
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "  {} = {}({})", place(&i.output), i.op.name(), inputs.join(", "));
        if i.scratch.len.at(purpose.capacity) > 0 {
            let _ = write!(text, ", scratch {}", place(&i.scratch));
        }
        let _ = writeln!(text, "  {}  {}", i.out_shape, marks.join(", "));
    }
    let gradients = if purpose.gradients { arena.trained } else { 0 };
    let megabytes = |numbers: usize| (numbers * bytes) as f64 / 1e6;
    let _ = writeln!(
        text,
        "\n{} instructions; {:.3} million operations a step\nplanned peak: {:.3} MB (workspace {:.3}, weights {:.3}, gradients {:.3}); the optimizer's state is beside it",
        program.instructions().len(),
        program.work() as f64 / 1e6,
        megabytes(program.workspace_len() + arena.len + gradients),
        megabytes(program.workspace_len()),
        megabytes(arena.len),
        megabytes(gradients),
    );
    Ok(text)
}

fn section(text: &mut String, title: &str, graph: &Graph) {
    let operators = graph.nodes.iter().filter(|n| !n.op.is_source()).count();
    *text += &format!("{title}: {operators} operators\n");
    for line in lines(graph) {
        *text += &format!("  {line}\n");
    }
}

/// One line a node that an output needs or that is an input.
fn lines(graph: &Graph) -> Vec<String> {
    let mut names: Vec<Vec<&str>> = vec![Vec::new(); graph.nodes.len()];
    graph.inputs.iter().for_each(|(name, &id)| names[id].push(name));
    graph.parameters.iter().for_each(|p| names[p.node].push(&p.name));
    let line = |(id, node): (usize, &crate::ir::Node)| {
        let inputs: Vec<String> = node.inputs.iter().map(|i| format!("%{i}")).collect();
        let mut line = format!("%{id} = {}({})", node.op.name(), inputs.join(", "));
        match node.op.attributes() {
            serde_json::Value::Null => {}
            attributes => {
                let attributes = attributes.to_string();
                let short: String = attributes.chars().take(80).collect();
                line += &format!(" {short}{}", if short.len() < attributes.len() { "…" } else { "" });
            }
        }
        line += &format!("  {}", node.shape);
        for name in &names[id] {
            line += &format!("  \"{name}\"");
        }
        if !node.path.is_empty() {
            line += &format!("  {}", node.path);
        }
        for (name, _) in graph.outputs.iter().filter(|(_, output)| **output == id) {
            line += &format!("  → {name}");
        }
        line
    };
    graph.nodes.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::passes::mode::Mode;
    use crate::shape::Shape;
    use nabla_params::Initializer;
    use serde_json::{Value, json};

    #[test]
    fn shows_each_pass_and_the_plan() {
        let mut b = Builder::default();
        let x = b.input("features", Shape::batched(&[3])).unwrap();
        let w = b.parameter("dense/kernel", &[3, 2], Initializer::Zeros {}, true, true).unwrap();
        let bias = b.parameter("dense/bias", &[2], Initializer::Zeros {}, true, false).unwrap();
        let y = b.apply_named("matmul", &[x, w], Value::Null).unwrap();
        let y = b.apply_named("add", &[y, bias], Value::Null).unwrap();
        let y = b.apply_named("tanh", &[y], Value::Null).unwrap();
        let loss = b.apply_named("mean", &[y], json!({ "axes": [-1] })).unwrap();
        let graph = b.finish(&[("prediction", y), ("loss", loss)]);
        let purpose = Purpose {
            mode: Mode::Train,
            gradients: true,
            outputs: vec!["loss".into()],
            capacity: 8,
        };
        let text = listing(&graph, &purpose, 4).unwrap();
        for part in [
            "traced: 5 operators",
            "after mode: the same",
            "after differentiate:",
            "%3 = matmul(%0, %1)",
            "→ gradient:dense/kernel",
            "linear",
            "planned peak: ",
            "plan for batches of up to 8 rows",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
