//! Asks the build environment's Python for the version of a build requirement, as bindings made
//! with cffi do: it works only if that interpreter sees the frontend's environment.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PYO3_PYTHON");
    let python = env::var_os("PYO3_PYTHON").expect("maturin sets PYO3_PYTHON");
    let output = Command::new(&python)
        .args(["-c", "import cffi; print(cffi.__version__)"])
        .output()
        .expect("PYO3_PYTHON can be run");
    assert!(
        output.status.success(),
        "{} cannot import cffi: {}",
        python.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let version = String::from_utf8(output.stdout).expect("a version is ASCII");
    println!("cargo:rustc-env=CFFI_AT_BUILD={}", version.trim());
}
