//! Linker settings of a Node addon; and compiled again when the folder for type definitions changes (scripts/addon.mjs reads them).
fn main() {
    println!("cargo:rerun-if-env-changed=NAPI_TYPE_DEF_TMP_FOLDER");
    napi_build::setup();
}
