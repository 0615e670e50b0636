//! Of a scan, which a graph holds step by step, the first step is taken: it lies between marks.

use std::collections::HashMap;

use nabla_error::{Error, Result};

use super::{Stepping, Time, one_step, refused};
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::scan_mark::{Role, ScanMark};

/// What one step needs, from the prediction back: of a scan no step but the first.
pub(super) fn needed(graph: &Graph) -> Result<Vec<bool>> {
    let mut marks: HashMap<(usize, Role), Vec<Id>> = HashMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Operator::ScanMark(mark) = &node.op {
            marks.entry((mark.scan, mark.role)).or_default().push(id);
        }
    }
    let mut needed = vec![false; graph.nodes.len()];
    needed[graph.output("output")?] = true;
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if !needed[id] {
            continue;
        }
        let Operator::ScanMark(mark) = &node.op else {
            node.inputs.iter().for_each(|&i| needed[i] = true);
            continue;
        };
        let mut of = |role: Role| marks.get(&(mark.scan, role)).into_iter().flatten().for_each(|&i| needed[i] = true);
        match mark.role {
            Role::All => {
                of(Role::Output);
                of(Role::Next);
            }
            Role::Final => of(Role::Next),
            Role::Input => needed[node.inputs[1]] = true,
            Role::State => {}
            Role::Next | Role::Output => needed[node.inputs[0]] = true,
        }
    }
    Ok(needed)
}

impl Stepping<'_> {
    /// Where a scan begins and ends: its first step is every step.
    pub(super) fn mark(&mut self, node: &Node, mark: &ScanMark) -> Result<(Id, Time)> {
        let of = (mark.scan, mark.index);
        match mark.role {
            Role::Input => {
                if mark.reverse {
                    return Err(refused(node, "it runs from the last step to the first"));
                }
                let whole = node.inputs[1];
                if self.kind[whole] == Time::None {
                    return Err(refused(node, "what it runs over is no sequence of the model's"));
                }
                Ok((self.b.reshape(self.map[whole], node.shape.clone())?, Time::Now))
            }
            Role::State => {
                if !self.is_zero(node.inputs[0]) {
                    return Err(refused(node, "it starts from a state of its own"));
                }
                let state = self.state(node.shape.clone())?;
                let new = self.b.graph.inputs[&state.input];
                self.scanned.insert(of, state);
                Ok((new, Time::Now))
            }
            Role::Next => {
                let next = self.map[node.inputs[0]];
                if let Some(state) = self.scanned.get(&of) {
                    self.outputs.push((state.output.clone(), next));
                }
                Ok((next, self.kind[node.inputs[0]]))
            }
            Role::Output => Ok((self.map[node.inputs[0]], self.kind[node.inputs[0]])),
            Role::All => {
                let output = self.marked(mark.scan, Role::Output, 0)?;
                Ok((self.b.reshape(output, one_step(&node.shape))?, Time::Steps))
            }
            Role::Final => Ok((self.marked(mark.scan, Role::Next, mark.index)?, Time::Ended)),
        }
    }

    /// What a mark that was met before has become.
    fn marked(&self, scan: usize, role: Role, index: usize) -> Result<Id> {
        let is = |node: &Node| matches!(&node.op, Operator::ScanMark(m) if m.scan == scan && m.role == role && m.index == index);
        let at = self.graph.nodes[..self.map.len()].iter().position(is);
        at.map(|at| self.map[at])
            .ok_or_else(|| Error::internal("a scan without its first step"))
    }
}
