//! The files of a new project.

use super::names::Names;
use crate::switch::REQUIREMENT;

/// The paths of the files, relative to the project's folder, and their contents.
pub(super) fn files(names: &Names, is_own_workspace: bool) -> Vec<(String, String)> {
    let Names { project, package, krate } = names;
    let filled = |template: &str| {
        template
            .replace("@PROJECT@", project)
            .replace("@PACKAGE@", package)
            .replace("@CRATE@", krate)
            .replace("@REQUIREMENT@", REQUIREMENT)
            .replace("@WORKSPACE@", if is_own_workspace { WORKSPACE } else { "" })
    };
    let files = [
        ("pyproject.toml", PYPROJECT),
        ("Cargo.toml", CARGO),
        ("src/lib.rs", LIB),
        ("python/@PACKAGE@/__init__.py", INIT),
        ("python/@PACKAGE@/_core.pyi", STUB),
        ("python/@PACKAGE@/py.typed", ""),
        ("tests/test_@PACKAGE@.py", TEST),
        ("README.md", README),
        (".gitignore", GITIGNORE),
    ];
    files.map(|(name, text)| (filled(name), filled(text))).into()
}

const PYPROJECT: &str = r#"[project]
name = "@PROJECT@"
version = "0.1.0"
description = "A Python package with Rust inside"
readme = "README.md"
requires-python = ">=3.9"
dependencies = []

[build-system]
requires = ["@REQUIREMENT@"]
build-backend = "wheelprint"

[tool.maturin]
module-name = "@PACKAGE@._core"
python-source = "python"
"#;

// The library has the crate's name, because that name is unique in a cargo workspace. If two crates
// had a library named `_core`, cargo would keep only one of the two files, but would call both
// crates fresh.
const CARGO: &str = r#"[package]
name = "@CRATE@"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
# abi3-py39: one wheel for Python 3.9 and all later versions.
pyo3 = { version = "0.30", features = ["abi3-py39"] }
@WORKSPACE@"#;

const WORKSPACE: &str = r"
# Not a member of the workspace in a folder above.
[workspace]
";

const LIB: &str = r#"use pyo3::prelude::*;

/// The compiled part of `@PACKAGE@`.
#[pymodule]
mod _core {
    use pyo3::prelude::*;

    /// How often each of the 26 letters occurs in a text, whatever its case.
    #[pyfunction]
    fn count_letters(text: &str) -> [usize; 26] {
        let mut counts = [0; 26];
        for byte in text.bytes().filter(u8::is_ascii_alphabetic) {
            counts[usize::from(byte.to_ascii_lowercase() - b'a')] += 1;
        }
        counts
    }
}
"#;

const INIT: &str = r#""""A Python package with Rust inside."""

from ._core import count_letters

__all__ = ["count_letters"]
"#;

const STUB: &str = r#"def count_letters(text: str) -> list[int]:
    """How often each of the 26 letters occurs in a text, whatever its case."""
"#;

const TEST: &str = r#"from @PACKAGE@ import count_letters


def test_count_letters() -> None:
    counts = count_letters("Abba!")
    assert counts[:3] == [2, 2, 0]
    assert sum(counts) == 4
"#;

const README: &str = r#"# @PROJECT@

A Python package with Rust inside.

```sh
uv run python -c "import @PACKAGE@; print(@PACKAGE@.count_letters('hello'))"
uv run --with pytest pytest
```

Edit `src/lib.rs` and run it again: what changed is compiled, and nothing else.
"#;

const GITIGNORE: &str = "# Rust
/target/

# Python
.venv/
__pycache__/
*.py[cod]
*.so
dist/
";
