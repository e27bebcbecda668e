use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    /// The version of cffi that the build script imported.
    #[pyfunction]
    fn cffi_at_build() -> &'static str {
        env!("CFFI_AT_BUILD")
    }
}
