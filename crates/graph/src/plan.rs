//! Where every value lies: one workspace for a batch capacity, offsets by liveness (first fit; an element-wise result
//! takes the place of an input that nobody reads again), parameters and gradients in their
//! arenas, and which instructions threads share and where they must meet.

use std::collections::HashMap;
use std::ops::Range;

use nabla_kernels::matmul::panels_len;
use nabla_params::{Arena, Layout};

use crate::ir::{Graph, Id};
use crate::ops::Operator;
use crate::ops::matmul::Matmul;
use crate::passes::differentiate::GRADIENT;
use crate::passes::readers;
use crate::shape::{Dim, Shape};

/// A memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Values of one step.
    Workspace,
    /// The weights.
    Parameters,
    /// Their gradients.
    Gradients,
    /// Fixed numbers.
    Constants,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which memory.
    pub space: Space,
    /// From which element.
    pub offset: usize,
    /// Over how many.
    pub len: Dim,
}

impl Place {
    fn range(&self, capacity: usize) -> Range<usize> {
        self.offset..self.offset + self.len.at(capacity)
    }
}

/// One operator to run.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// What.
    pub op: Operator,
    /// On what, at most four.
    pub inputs: Vec<Place>,
    /// Into what.
    pub output: Place,
    /// Scratch memory.
    pub scratch: Place,
    /// Memory for what is made of weights alone, which no other instruction touches.
    pub kept: Place,
    /// The inputs' shapes.
    pub shapes: Vec<Shape>,
    /// The output's shape.
    pub out_shape: Shape,
    /// Which inputs lie in panels, bit by bit.
    pub panels: u8,
    /// Whether the output does.
    pub out_panels: bool,
    /// Whether all members of a team share it (else the first runs it alone).
    pub parallel: bool,
    /// Whether members meet before it.
    pub barrier: bool,
    /// The layer, for errors.
    pub path: String,
}

/// Below this cost (in operations at full speed, about 0.6 µs) an instruction is run by one member: meeting costs more.
const SHARED_WORK: usize = 40_000;

/// A program of at most so many rows keeps what operators make of weights alone: with more rows it is little beside their own work.
pub const KEPT_ROWS: usize = 16;
/// Elements that a program keeps at most (2 MB in f32): what leaves the second-level cache is made anew as quickly as it is read.
const KEPT: usize = 1 << 19;

const NOWHERE: Place = Place {
    space: Space::Workspace,
    offset: 0,
    len: Dim { size: 0, batch: false },
};

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// Elements of workspace.
    pub workspace: usize,
    /// The fixed numbers.
    pub constants: Vec<f64>,
    /// The run-time inputs and the outputs that are values (not gradients), by name.
    pub places: HashMap<String, Place>,
    /// The cost of one step in operations at full speed.
    pub work: usize,
}

/// Whether an operator reads its second input as the right operand of a product, in either layout.
fn multiplies(op: &Operator) -> bool {
    match op {
        Operator::Matmul(product) => *product == Matmul::default(),
        Operator::Lstm(_) | Operator::Gru(_) | Operator::SimpleRnn(_) => true,
        _ => false,
    }
}

/// The layout each parameter wants: panels if it is only ever the right operand of a product.
pub fn layouts(graph: &Graph) -> Vec<Layout> {
    let count = readers(graph);
    let wants = |node: Id| {
        let products = graph
            .nodes
            .iter()
            .filter(|n| n.inputs.get(1) == Some(&node) && n.inputs[0] != node && multiplies(&n.op))
            .count();
        graph.nodes[node].shape.rank() == 2 && products > 0 && products == count[node] && graph.nodes[node].shape.elements(1) > 0
    };
    graph
        .parameters
        .iter()
        .map(|p| if wants(p.node) { Layout::Panels } else { Layout::RowMajor })
        .collect()
}

fn stored_len(shape: &Shape, panels: bool) -> Dim {
    if panels {
        return Dim::fixed(panels_len(shape.0[0].size, shape.0[1].size));
    }
    Shape::product(&shape.0).unwrap_or_default()
}

struct Free {
    taken: Vec<Range<usize>>,
    end: usize,
}

impl Free {
    /// The lowest offset with room, on a 64-byte line for either precision.
    fn take(&mut self, len: usize) -> usize {
        let len = len.next_multiple_of(16);
        let mut offset = 0;
        for range in &self.taken {
            if range.start >= offset + len {
                break;
            }
            offset = offset.max(range.end);
        }
        if len > 0 {
            let at = self.taken.partition_point(|r| r.start < offset);
            self.taken.insert(at, offset..offset + len);
        }
        self.end = self.end.max(offset + len);
        offset
    }

    fn give_back(&mut self, offset: usize) {
        self.taken.retain(|r| r.start != offset);
    }
}

/// For each node where what it makes of a weight alone is kept: before all values, for none may ever lie there.
fn kept(graph: &Graph, places: &[Option<Place>], capacity: usize, free: &mut Free) -> Vec<Place> {
    let mut kept = vec![NOWHERE; graph.nodes.len()];
    if capacity > KEPT_ROWS || graph.outputs.keys().any(|name| name.starts_with(GRADIENT)) {
        return kept;
    }
    let mut room = KEPT;
    for (node, place) in graph.nodes.iter().zip(&mut kept) {
        let second = node.inputs.get(1).and_then(|&i| places[i]);
        if second.is_some_and(|p| p.space == Space::Parameters) {
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| &graph.nodes[i].shape).collect();
            let len = node.op.kept(&shapes);
            if (1..=room).contains(&len) {
                room -= len;
                place.offset = free.take(len);
                place.len = Dim::fixed(len);
            }
        }
    }
    kept
}

/// Lays out a graph for batches up to `capacity` rows.
pub fn plan(graph: &Graph, arena: &Arena, capacity: usize) -> Plan {
    let count = graph.nodes.len();
    let mut places: Vec<Option<Place>> = vec![None; count];
    let mut panels = vec![false; count];
    let mut constants = Vec::new();
    for p in &graph.parameters {
        if let Some(row) = arena.find(&p.name) {
            panels[p.node] = row.spec.layout == Layout::Panels;
            let len = stored_len(&graph.nodes[p.node].shape, panels[p.node]);
            places[p.node] = Some(Place {
                space: Space::Parameters,
                offset: row.offset,
                len,
            });
        }
    }
    // A gradient is computed where it belongs, if its node can be; the others are copied at the end.
    let mut copies: Vec<(Id, Place, bool)> = Vec::new();
    for (name, &node) in graph.outputs.iter().filter(|(name, _)| name.starts_with(GRADIENT)) {
        let Some(row) = arena.find(&name[GRADIENT.len()..]) else { continue };
        let in_panels = row.spec.layout == Layout::Panels;
        let place = Place {
            space: Space::Gradients,
            offset: row.offset,
            len: stored_len(&graph.nodes[node].shape, in_panels),
        };
        let op = &graph.nodes[node].op;
        let own = !op.is_source() && !matches!(op, Operator::Reshape(_)) && places[node].is_none();
        let read_again = graph.nodes.iter().any(|n| n.inputs.contains(&node));
        if own && (!in_panels || (matches!(op, Operator::Matmul(_)) && !read_again)) {
            places[node] = Some(place);
            panels[node] = in_panels;
        } else {
            copies.push((node, place, in_panels));
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Operator::Constant(c) = &node.op {
            let len = Dim::fixed(c.values.len());
            places[id] = Some(Place {
                space: Space::Constants,
                offset: constants.len(),
                len,
            });
            constants.extend_from_slice(&c.values);
            constants.resize(constants.len().next_multiple_of(16), 0.0);
        }
    }
    // A reshape is another name for the same memory, unless it is a gradient's own.
    let mut owner: Vec<Id> = (0..count).collect();
    for (id, node) in graph.nodes.iter().enumerate() {
        if matches!(node.op, Operator::Reshape(_)) && places[id].is_none() && !panels[owner[node.inputs[0]]] {
            owner[id] = owner[node.inputs[0]];
        }
    }
    let mut last_use = vec![0; count];
    for (id, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&i| last_use[owner[i]] = id);
    }
    let forever = graph
        .inputs
        .values()
        .chain(graph.outputs.values())
        .chain(copies.iter().map(|(id, ..)| id));
    forever.for_each(|&id| last_use[owner[id]] = usize::MAX);

    let mut free = Free { taken: Vec::new(), end: 0 };
    for &id in graph.inputs.values() {
        let len = stored_len(&graph.nodes[id].shape, false);
        places[id] = Some(Place {
            space: Space::Workspace,
            offset: free.take(len.at(capacity)),
            len,
        });
    }
    let kept = kept(graph, &places, capacity, &mut free);
    let mut instructions = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if node.op.is_source() {
            continue;
        }
        if owner[id] != id {
            places[id] = places[owner[id]].map(|p| Place {
                len: stored_len(&node.shape, false),
                ..p
            });
        } else {
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| &graph.nodes[i].shape).collect();
            let scratch = node.op.scratch(&shapes, capacity);
            let scratch = Place {
                space: Space::Workspace,
                offset: free.take(scratch),
                len: Dim::fixed(scratch),
            };
            let len = stored_len(&node.shape, false);
            // Where an input lies that nobody reads again, if the operator can.
            let reused = (0..node.inputs.len()).map(|i| (i, owner[node.inputs[i]])).find(|&(i, value)| {
                places[id].is_none()
                    && last_use[value] == id
                    && !panels[node.inputs[i]]
                    && places[value].is_some_and(|p| p.space == Space::Workspace && p.len == len)
                    && node.op.in_place(&shapes, &node.shape, i)
            });
            if let Some((_, value)) = reused {
                places[id] = places[value];
                last_use[value] = usize::MAX;
            }
            let output = *places[id].get_or_insert_with(|| {
                let len = stored_len(&node.shape, false);
                Place {
                    space: Space::Workspace,
                    offset: free.take(len.at(capacity)),
                    len,
                }
            });
            let mut bits = 0;
            node.inputs
                .iter()
                .enumerate()
                .for_each(|(i, &input)| bits |= u8::from(panels[input]) << i);
            instructions.push(Instruction {
                inputs: node.inputs.iter().filter_map(|&i| places[i]).collect(),
                output,
                scratch,
                kept: kept[id],
                panels: bits,
                out_panels: panels[id],
                parallel: node.op.work(&shapes, &node.shape, capacity) >= SHARED_WORK,
                barrier: false,
                shapes: shapes.into_iter().cloned().collect(),
                out_shape: node.shape.clone(),
                path: node.path.clone(),
                op: node.op.clone(),
            });
            if scratch.len.size > 0 {
                free.give_back(scratch.offset);
            }
        }
        let done: Vec<Id> = node.inputs.iter().map(|&i| owner[i]).chain([owner[id]]).collect();
        for value in done {
            if last_use[value] <= id
                && let Some(Place {
                    space: Space::Workspace,
                    offset,
                    len,
                }) = places[value]
                && len.at(capacity) > 0
            {
                free.give_back(offset);
            }
        }
    }
    for (node, place, in_panels) in copies {
        let Some(from) = places[node] else { continue };
        let shape = graph.nodes[node].shape.clone();
        instructions.push(Instruction {
            op: Operator::Reshape(crate::ops::reshape::Reshape { shape: shape.clone() }),
            inputs: vec![from],
            output: place,
            scratch: NOWHERE,
            kept: NOWHERE,
            shapes: vec![shape.clone()],
            out_shape: shape,
            panels: 0,
            out_panels: in_panels,
            parallel: false,
            barrier: false,
            path: graph.nodes[node].path.clone(),
        });
    }
    meet(&mut instructions, capacity);
    let work = instructions
        .iter()
        .map(|i| i.op.work(&i.shapes.iter().collect::<Vec<_>>(), &i.out_shape, capacity))
        .sum();
    let named = graph
        .inputs
        .iter()
        .chain(graph.outputs.iter().filter(|(name, _)| !name.starts_with(GRADIENT)));
    let named = named.filter_map(|(name, &id)| places[id].map(|p| (name.clone(), p))).collect();
    Plan {
        instructions,
        workspace: free.end,
        constants,
        places: named,
        work,
    }
}

impl Plan {
    /// Shares every instruction that may be shared.
    pub(crate) fn share_everything(&mut self, capacity: usize) {
        self.instructions
            .iter_mut()
            .filter(|i| !matches!(i.op, Operator::Reshape(_)))
            .for_each(|i| i.parallel = true);
        meet(&mut self.instructions, capacity);
    }
}

/// Decides before which instructions the members must meet: where one reads or overwrites what another member may have written, or
/// writes what another may still be reading. What the first member alone does is in order anyway.
fn meet(instructions: &mut [Instruction], capacity: usize) {
    // Touched since the last meeting: memory, range, written?, by all members?
    let mut touched: Vec<(Space, Range<usize>, bool, bool)> = Vec::new();
    for i in instructions {
        let mut own: Vec<(Space, Range<usize>, bool)> = Vec::new();
        own.extend(i.inputs.iter().map(|p| (p.space, p.range(capacity), false)));
        own.extend([&i.output, &i.scratch].map(|p| (p.space, p.range(capacity), true)));
        let conflict = |(space, range, wrote, by_all): &(Space, Range<usize>, bool, bool)| {
            (*by_all || i.parallel)
                && own
                    .iter()
                    .any(|(s, r, writes)| s == space && (*wrote || *writes) && r.start < range.end && range.start < r.end)
        };
        i.barrier = touched.iter().any(conflict);
        if i.barrier {
            touched.clear();
        }
        touched.extend(own.into_iter().map(|(s, r, w)| (s, r, w, i.parallel)));
    }
}

impl Default for Dim {
    fn default() -> Dim {
        Dim::fixed(0)
    }
}
