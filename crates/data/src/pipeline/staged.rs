//! Rows as they are after the stages that were fitted so far, for the next one to be fitted on: read again each time, a few columns at once.

use super::{Stage, run_stages};

/// Where raw rows come from: those from a number on, as many as there is room for.
pub(crate) type RowsTo<'a> = &'a (dyn Fn(usize, &mut [f64]) + Sync);

/// Raw rows, and the stages before.
pub(crate) struct Staged<'a> {
    rows: usize,
    width: usize,
    rows_to: RowsTo<'a>,
    stages: Vec<Stage>,
    prepared: usize,
}

impl<'a> Staged<'a> {
    /// Raw rows of `width` values.
    pub fn new(rows: usize, width: usize, rows_to: RowsTo<'a>) -> Self {
        Self {
            rows,
            width,
            rows_to,
            stages: Vec::new(),
            prepared: width,
        }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The stages so far.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The stages.
    pub fn into_stages(self) -> Vec<Stage> {
        self.stages
    }

    /// One stage more.
    pub fn push(&mut self, stage: Stage) {
        self.prepared = stage.width_out(self.prepared);
        self.stages.push(stage);
    }

    /// The rows from `row` on as the stages leave them, as many as there is room for.
    pub fn rows_to(&self, row: usize, out: &mut [f64]) {
        let (mut now, mut next) = (Vec::with_capacity(self.width), Vec::new());
        for (i, out) in out.chunks_exact_mut(self.prepared.max(1)).enumerate() {
            now.resize(self.width, 0.0);
            (self.rows_to)(row + i, &mut now);
            run_stages(&self.stages, &mut now, &mut next);
            out.copy_from_slice(&now);
        }
    }

    /// Its columns, one after the other.
    pub fn columns(&self) -> Reader<'_, 'a> {
        Reader {
            from: self,
            first: 0,
            values: Vec::new(),
        }
    }
}

/// Neighbouring columns, read in one pass.
pub(crate) struct Reader<'s, 'a> {
    from: &'s Staged<'a>,
    first: usize,
    values: Vec<Vec<f64>>,
}

impl Reader<'_, '_> {
    /// Values of one pass: 16 MiB, or one column.
    const TOGETHER: usize = 1 << 21;

    /// The values of a column; quick where columns are asked for in their order.
    pub fn of(&mut self, column: usize) -> &[f64] {
        if !(self.first..self.first + self.values.len()).contains(&column) {
            let (rows, width) = (self.from.rows, self.from.prepared);
            let together = (Self::TOGETHER / rows.max(1)).clamp(1, width - column);
            self.first = column;
            self.values = (0..together).map(|_| Vec::with_capacity(rows)).collect();
            let block = ((1 << 15) / width.max(1)).clamp(1, rows.max(1));
            let mut staged = vec![0.0; block * width];
            for row in (0..rows).step_by(block) {
                let staged = &mut staged[..block.min(rows - row) * width];
                self.from.rows_to(row, staged);
                for row in staged.chunks_exact(width) {
                    self.values
                        .iter_mut()
                        .zip(&row[column..])
                        .for_each(|(values, &value)| values.push(value));
                }
            }
        }
        &self.values[column - self.first]
    }
}
