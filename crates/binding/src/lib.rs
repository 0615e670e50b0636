//! The N-API face of nabla: conversion and errors only, no arithmetic.

use napi_derive::napi;

/// The version of this binary; the TypeScript side is of the same.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}
