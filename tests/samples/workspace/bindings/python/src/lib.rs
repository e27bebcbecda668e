use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pyfunction]
    fn horsepower() -> u32 {
        engine::horsepower()
    }
}
