use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    /// What the build script read from the folder it watches.
    #[pyfunction]
    fn words() -> &'static str {
        env!("WORDS")
    }

    /// The variable that the build script watches.
    #[pyfunction]
    fn build_script_variable() -> &'static str {
        env!("SEEN_BY_BUILD_SCRIPT")
    }

    /// A variable that the crate itself reads while it is compiled.
    #[pyfunction]
    fn crate_variable() -> Option<&'static str> {
        option_env!("READ_BY_CRATE")
    }

    /// A file that is compiled in.
    #[pyfunction]
    fn banner() -> &'static str {
        include_str!("../assets/banner.txt").trim_ascii_end()
    }
}
