//! The N-API face of nabla: conversion and errors only, no arithmetic.
//!
//! Work that takes longer than a moment runs on threads of nabla's own as a [`task::Task`]; its events reach JavaScript through one
//! thread-safe function an environment ([`hub`]). An error crosses as JSON in the message of a JavaScript error. A panic is a bug
//! and becomes an error (`catch_unwind` on every export), never the end of the process.

// The macros register no export in a test build, so nothing would be used.
#![cfg_attr(test, allow(dead_code))]

mod data;
mod errors;
mod fits;
mod function;
mod graph;
mod health;
mod held;
mod hub;
mod instruments;
mod model;
mod optimizer;
mod output;
mod search;
mod session;
mod task;

use napi_derive::napi;

/// The version of this binary; the TypeScript side is of the same.
#[napi(catch_unwind)]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}

/// The SIMD level in use: `scalar`, `avx2`, `avx512` or `neon`.
#[napi(catch_unwind)]
pub fn simd_level() -> String {
    nabla_kernels::level::level().name().to_string()
}

/// Threads where nobody says how many: `NABLA_THREADS`, else all cores.
#[napi(catch_unwind)]
pub fn default_threads() -> u32 {
    nabla_train::fits::default_threads() as u32
}

/// Every error code, as JSON.
#[napi(catch_unwind)]
pub fn error_codes() -> String {
    let codes: Vec<String> = nabla_error::Code::ALL.iter().map(|c| c.name()).collect();
    serde_json::to_string(&codes).unwrap_or_default()
}
