//! Arrays that go to JavaScript: always copies in memory of V8's own. An external buffer would keep native memory alive until a
//! finalizer ran, is forbidden in Electron, and is slower for the small results of a server's predictions.

use napi::bindgen_prelude::{Float64ArraySlice, ToNapiValue, Uint8ArraySlice, Uint32ArraySlice};
use napi::{Env, Result, sys};

macro_rules! copied {
    ($($name:ident of $number:ty as $slice:ident),*) => { $(
        /// Numbers that cross as a copy.
        pub struct $name(Vec<$number>);

        impl $name {
            /// Of numbers.
            pub fn new(values: Vec<$number>) -> Self {
                Self(values)
            }
        }

        impl ToNapiValue for $name {
            unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
                let copy = $slice::copy_from(&Env::from_raw(env), value.0)?;
                // SAFETY: the environment of this very call.
                unsafe { ToNapiValue::to_napi_value(env, copy) }
            }
        }
    )* };
}

copied!(Float64Array of f64 as Float64ArraySlice, Uint32Array of u32 as Uint32ArraySlice, Uint8Array of u8 as Uint8ArraySlice);
