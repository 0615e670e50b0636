//! A fit that was left, as bytes: it goes on in another process or on another machine, to the same bits.
//!
//! Buffers and counters lie in two tensors of a safetensors container with its checksum; what has names is JSON beside them. The layout of
//! the buffers is that of the arena, which depends on shapes alone, so it holds for every processor of the same version of nabla.

use std::any::Any;
use std::collections::BTreeMap;

use nabla_error::{Code, Error, Result};
use nabla_formats::safetensors::{self, Archive, Data, Tensor};
use nabla_kernels::Real;
use nabla_optim::carry::Carry;
use nabla_optim::lbfgs::Curvature;
use serde::{Deserialize, Serialize};

use crate::early_stopping::Watch;
use crate::history::{Epoch, Stopped};
use crate::spec::{EarlyStopping, Precision};
use crate::stage::{Left, Paused, Progress};
use crate::update::Carried;

const KEY: &str = "nabla fit";
/// The arena's layout may change from one version to the next.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    version: String,
    precision: Precision,
    watch: Option<EarlyStopping>,
    history: Vec<Epoch>,
    best_epoch: Option<usize>,
    stopped: Stopped,
}

fn buffers<T: Real>(carry: &Carry<T>) -> Data<'_> {
    let any: &dyn Any = carry;
    match any.downcast_ref::<Carry<f32>>() {
        Some(single) => Data::F32(&single.buffers),
        None => Data::F64(any.downcast_ref::<Carry<f64>>().map_or(&[], |double| double.buffers.as_slice())),
    }
}

fn write<T: Real>(left: &Left<T>, precision: Precision) -> Result<Vec<u8>> {
    let mut carry = Carry::<T>::default();
    carry.buffer(&left.theta)?;
    carry.count(left.state.len() as u64);
    for state in &left.state {
        carry.buffer(state)?;
    }
    left.update.write(&mut carry)?;
    carry.count(u64::from(left.curvature.is_some()));
    if let Some(curvature) = &left.curvature {
        curvature.leave(&mut carry)?;
    }
    carry.count(left.step);
    carry.number(left.rate);
    let progress = &left.progress;
    if let Some(watch) = &progress.watch {
        watch.leave(&mut carry);
    }
    carry.maybe(progress.best.as_ref())?;
    let named = Named {
        version: VERSION.to_owned(),
        precision,
        watch: progress.watch.as_ref().map(|watch| watch.spec().clone()),
        history: progress.history.clone(),
        best_epoch: progress.best_epoch,
        stopped: progress.stopped,
    };
    let text = serde_json::to_string(&named).map_err(|e| Error::internal(format!("a fit cannot be described: {e}")))?;
    let shapes = [[carry.buffers.len()], [carry.counts.len()]];
    let mut tensors = vec![Tensor {
        name: "counts",
        shape: &shapes[1],
        data: Data::U64(&carry.counts),
    }];
    // A model without weights has none to carry.
    if !carry.buffers.is_empty() {
        tensors.push(Tensor {
            name: "buffers",
            shape: &shapes[0],
            data: buffers(&carry),
        });
    }
    safetensors::to_bytes(&tensors, &BTreeMap::from([(KEY.to_owned(), text)]))
}

fn read<T: Real>(archive: &Archive, buffers: Vec<T>, named: Named) -> Result<Left<T>> {
    let carry = Carry {
        buffers,
        counts: archive.u64("counts")?,
    };
    let mut from = carry.reader();
    let theta = from.buffer()?;
    let states = from.place(crate::update::STATES + 1)?;
    let left = Left {
        theta,
        state: (0..states).map(|_| from.buffer()).collect::<Result<_>>()?,
        update: Carried::read(&mut from)?,
        curvature: (from.place(2)? == 1).then(|| Curvature::read(&mut from)).transpose()?,
        step: from.count()?,
        rate: from.number()?,
        progress: Progress {
            watch: named.watch.map(|spec| Watch::read(spec, &mut from)).transpose()?,
            best: from.maybe()?,
            best_epoch: named.best_epoch,
            history: named.history,
            stopped: named.stopped,
        },
    };
    from.end()?;
    Ok(left)
}

impl Paused {
    /// Everything that the next epoch depends on besides recipe and rows.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        match (self.of::<f32>(), self.of::<f64>()) {
            (Some(single), _) => write(single, Precision::F32),
            (None, Some(double)) => write(double, Precision::F64),
            (None, None) => Err(Error::internal("numbers are f32 or f64")),
        }
    }

    /// From what [`Paused::to_bytes`] gave, there or elsewhere.
    ///
    /// # Errors
    /// `DATA_FORMAT` for anything else, or what another version has left.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Paused> {
        let archive = safetensors::parse(bytes)?;
        let broken = |message: String| Error::new(Code::DataFormat, message).at("resume");
        let text = archive.metadata().get(KEY).filter(|_| archive.sealed());
        let text = text.ok_or_else(|| broken("these bytes are no fit that was left".to_owned()))?;
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| broken(format!("what a fit has left is damaged: {e}")))?;
        if value["version"] != VERSION {
            return Err(broken("another version of nabla has left this fit".to_owned())
                .expected(VERSION)
                .received(value["version"].as_str().unwrap_or("none")));
        }
        let named: Named = serde_json::from_value(value).map_err(|e| broken(format!("what a fit has left is damaged: {e}")))?;
        let has = archive.entries().iter().any(|entry| entry.name == "buffers");
        match named.precision {
            Precision::F32 => {
                let buffers = if has { archive.f32("buffers")? } else { Vec::new() };
                read(&archive, buffers, named).map(Paused::new)
            }
            Precision::F64 => {
                let buffers = if has { archive.f64("buffers")? } else { Vec::new() };
                read(&archive, buffers, named).map(Paused::new)
            }
        }
    }
}
