//! A training step allocates nothing: an epoch of ten times the batches has the same allocations as a short one.

mod networks;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nabla_data::{Dataset, SourceParts};
use nabla_train::{Control, Event, Job, fit};
use networks::{class_parts, convolutional, network, number_parts, recipe, sequences, windows};
use serde_json::json;

struct Counting;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; only a number is counted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EPOCHS: usize = 6;

/// Allocations of each epoch but the first.
fn per_epoch(recipe: &std::sync::Arc<nabla_train::Recipe>, job: &Job, threads: usize) -> Vec<usize> {
    let seen = Mutex::new(Vec::with_capacity(EPOCHS));
    let listener = |event: Event| {
        if let Event::Epoch(..) = event {
            seen.lock().unwrap().push(ALLOCATIONS.load(Ordering::Relaxed));
        }
    };
    fit::fit(recipe, job, 0, threads, &Control::default(), &listener).unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), EPOCHS);
    seen.windows(2).map(|w| w[1] - w[0]).collect()
}

/// One test, so that nothing else allocates beside it.
#[test]
fn a_step_allocates_nothing() {
    let weighted = |parts: SourceParts| -> Dataset {
        SourceParts {
            weights: Some(vec![0.5; parts.rows]),
            ..parts
        }
        .build()
        .unwrap()
        .into()
    };
    let classes = json!([
        { "kind": "accuracy", "name": "accuracy" }, { "kind": "f1", "name": "f1" },
    ]);
    let numbers = json!([{ "kind": "meanSquaredError", "name": "mse" }, { "kind": "r2", "name": "r2" }]);
    let batch = 16;
    let mut checked = 0;
    for (sizes, dropout, threads) in [([12, 20, 4], 0.2, 1), ([96, 256, 4], 0.1, 2), ([96, 256, 4], 0.0, 1)] {
        for loss in ["crossEntropy", "meanSquaredError"] {
            let graph = network(&sizes, &["relu"], dropout, loss);
            let (output, metrics) = if loss == "crossEntropy" {
                ("softmax", &classes)
            } else {
                ("identity", &numbers)
            };
            let recipe = recipe(
                &graph,
                json!({ "output": output, "metrics": metrics, "epochs": EPOCHS, "batchSize": batch, "prepare": [{ "kind": "standardize" }] }),
            );
            let job = |batches: usize| {
                // A short last batch as well.
                let rows = batches * batch - 3;
                let parts = if loss == "crossEntropy" {
                    class_parts(rows, sizes[0], 4)
                } else {
                    number_parts(rows, sizes[0], 4)
                };
                let validation = weighted(if loss == "crossEntropy" {
                    class_parts(40, sizes[0], 4)
                } else {
                    number_parts(40, sizes[0], 4)
                });
                Job {
                    validation: Some(validation),
                    ..Job::new(weighted(parts))
                }
            };
            let (short, long) = (per_epoch(&recipe, &job(4), threads), per_epoch(&recipe, &job(40), threads));
            assert_eq!(
                short, long,
                "{loss} {sizes:?} on {threads} threads: allocations an epoch of 4 and of 40 batches"
            );
            assert!(long.iter().all(|&n| n <= 24), "{long:?} allocations an epoch");
            checked += 1;
        }
    }
    for threads in [1, 2] {
        let recipe = recipe(
            &convolutional(4),
            json!({ "metrics": classes, "epochs": EPOCHS, "batchSize": batch }),
        );
        let job = |batches: usize| Job::new(weighted(class_parts(batches * batch - 3, 288, 4)));
        let (short, long) = (per_epoch(&recipe, &job(4), threads), per_epoch(&recipe, &job(12), threads));
        assert_eq!(
            short, long,
            "convolution on {threads} threads: allocations an epoch of 4 and of 12 batches"
        );
        checked += 1;
    }
    for (name, graph) in [
        ("LSTM", sequences::lstm(10, 16, 40)),
        ("transformer", sequences::transformer(10, 32, 4)),
    ] {
        for threads in [1, 2] {
            let recipe = recipe(
                &graph,
                json!({ "epochs": EPOCHS, "batchSize": batch, "clip": { "globalNorm": 1 }, "optimizer": { "kind": "adamw" } }),
            );
            let job = |batches: usize| Job::new(windows(batches * batch - 3, 10));
            let (short, long) = (per_epoch(&recipe, &job(4), threads), per_epoch(&recipe, &job(12), threads));
            assert_eq!(
                short, long,
                "{name} on {threads} threads: allocations an epoch of 4 and of 12 batches"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
    let everything = json!({
        "epochs": EPOCHS, "batchSize": batch, "classWeights": "balanced", "clip": { "globalNorm": 0.1 },
        "optimizer": { "kind": "lookahead", "steps": 2, "base": { "kind": "sam", "base": { "kind": "lamb" } } },
        "regularizers": [{ "penalty": { "kind": "elasticNet", "l1": 0.001, "l2": 0.01 } }, { "penalty": { "kind": "maxNorm", "limit": 0.5 } }],
        "groups": [{ "match": "dense2", "learningRate": 0.1 }], "schedule": { "kind": "oneCycle" },
        "averaging": { "kind": "ema", "decay": 0.9 },
    });
    let recipe = recipe(&network(&[96, 256, 4], &["relu"], 0.1, "crossEntropy"), everything);
    let job = |batches: usize| Job::new(class_parts(batches * batch - 3, 96, 4).build().unwrap().into());
    let (short, long) = (per_epoch(&recipe, &job(4), 2), per_epoch(&recipe, &job(40), 2));
    assert_eq!(short, long, "the toolbox: allocations an epoch of 4 and of 40 batches");
    // The steps between those whose gradients are looked at.
    let watched = |batches: usize| Job {
        health: Some(1_000_000),
        ..job(batches)
    };
    let (short, long) = (per_epoch(&recipe, &watched(4), 2), per_epoch(&recipe, &watched(40), 2));
    assert_eq!(short, long, "watched: allocations an epoch of 4 and of 40 batches");
}
