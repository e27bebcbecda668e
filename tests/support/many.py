"""A cargo workspace, which is a uv workspace too, of several packages that share a crate."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import background
from .workbench import CFFI

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project
    from .spy import Spy

#: The sample whose compiled packages and lock file the workspace takes over.
SAMPLE = "workspace"
SHARED = "crates/shared/src/lib.rs"
OWN = "src/own.rs"

_STABLE = '"extension-module", "abi3-py39"'
#: Each kind of package, with the features of pyo3 that it uses; `None` if it does not use pyo3.
KINDS: dict[str, str | None] = {
    "plain": '"extension-module"',
    "stable": _STABLE,
    "script": _STABLE,
    "cffi": None,
}

_CARGO = """[package]
name = "{name}"
version = "1.0.0"
edition = "2024"
publish = false

[lib]
name = "{module}"
crate-type = ["cdylib"]

[dependencies]
shared = {{ path = "../../crates/shared" }}
"""
_PYPROJECT = """[project]
name = "{name}"
version = "1.0.0"
readme = "README.md"
requires-python = ">={python}"
dependencies = [{dependencies}]

[tool.maturin]
module-name = "{name}.{module}"
python-source = "python"
{bindings}
[tool.uv]
cache-keys = [
    {{ file = "pyproject.toml" }},
    {{ file = "Cargo.toml" }},
    {{ file = "build.rs" }},
    {{ file = "src/**/*.rs" }},
    {{ file = "../../crates/*/src/**/*.rs" }},
]

[build-system]
requires = ["wheelprint"]
build-backend = "wheelprint"
"""
_PYO3 = """mod own;

use pyo3::prelude::*;

#[pymodule]
mod {module} {{
    use pyo3::prelude::*;

    #[pyfunction]
    fn answer() -> u32 {{
        shared::SHARED * 100 + crate::own::OWN
    }}

    #[pyfunction]
    fn tag() -> Option<&'static str> {{
        option_env!("TAG_AT_BUILD")
    }}
}}
"""
_CFFI = """mod own;

#[unsafe(no_mangle)]
pub extern "C" fn answer() -> u32 {
    shared::SHARED * 100 + own::OWN
}
"""
#: Imports a build requirement with the interpreter that maturin names. With MEET_IN it waits for
#: the other builds in that folder, and imports the requirement once more.
_SCRIPT = """use std::path::PathBuf;
use std::process::Command;
use std::time::{{Duration, Instant}};

fn tag() -> String {{
    let python = std::env::var_os("PYO3_PYTHON").expect("maturin sets PYO3_PYTHON");
    let found = Command::new(python).args(["-c", "{code}"]).output().unwrap();
    assert!(found.status.success(), "{{}}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}}

fn meet(folder: PathBuf) {{
    std::fs::write(folder.join("{name}"), "").unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while folder.read_dir().unwrap().count() < 2 {{
        assert!(Instant::now() < end, "no other build came");
        std::thread::sleep(Duration::from_millis(5));
    }}
}}

fn main() {{
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PYO3_PYTHON");
    let first = tag();
    if let Some(folder) = std::env::var_os("MEET_IN") {{
        meet(folder.into());
    }}
    println!("cargo:rustc-env=TAG_AT_BUILD={{first}} {{}}", tag());
}}
"""

_RUNS = """use std::process::Command;

fn tag() -> String {{
    let found = Command::new("{program}").output().unwrap();
    assert!(found.status.success(), "{{}}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}}

fn main() {{
    println!("cargo:rerun-if-changed=build.rs");
    let first = tag();
    {hold}
    println!("cargo:rustc-env=TAG_AT_BUILD={{first}} {{}}", tag());
}}
"""


@dataclass(frozen=True)
class Many:
    """The workspace: its root, and each package in it as a project."""

    top: Project
    packages: dict[str, Project]

    @property
    def spy(self) -> Spy:
        return self.top.spy

    def sync(self, **changes: str) -> None:
        """Installs all packages, as uv does: at once."""
        self.top.uv("sync", "--all-packages", **changes).ok()

    def answer(self, name: str) -> int:
        """The number that the installed module of that package returns."""
        return int(self._python(f"import {name}; print({name}.answer())"))

    def tag(self, name: str) -> str:
        """The requirement that the build script of that package imported, twice."""
        return self._python(f"from {name} import {name}_native as m; print(m.tag())")

    def _python(self, code: str) -> str:
        return self.top.python(self.top.root / ".venv", code, WHEELPRINT_ON_STALE="ignore")

    def edit(self, name: str, number: int) -> None:
        """Edits one package, whose answer ends in that number then."""
        self.packages[name].write(OWN, f"pub const OWN: u32 = {number};\n")

    def edit_shared(self, number: int) -> None:
        """Edits the crate that all packages share: the hundreds of each answer."""
        self.top.write(SHARED, f"pub const SHARED: u32 = {number};\n")


def one_of_each() -> dict[str, str]:
    """A package of each kind that this Python can have."""
    kinds = [kind for kind in KINDS if kind not in ("script", "cffi") or CFFI]
    # A package must not have the name of one that it imports.
    return {f"my_{kind}": kind for kind in kinds}


def workspace(project: Project, kinds: dict[str, str], pyo3: str = "0.28.2") -> Many:
    """Replaces a checkout of `SAMPLE` by packages of these kinds. The names are the keys."""
    # A first build compiles pyo3 once for each set of features.
    top = dataclasses.replace(project, root=project.bench.checkout_folder, seconds=600)
    for folder in ("bindings", "crates"):
        shutil.rmtree(top.root / folder)
    if pyo3 != "0.28.2":
        top.path("Cargo.lock").unlink()
    members = '[workspace]\nmembers = ["crates/*", "packages/*"]\nresolver = "3"\n'
    top.write("Cargo.toml", members)
    top.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    shared = '[package]\nname = "shared"\nversion = "1.0.0"\nedition = "2024"\n'
    top.write("crates/shared/Cargo.toml", shared)
    packages = {name: add(top, name, kind, pyo3) for name, kind in kinds.items()}
    many = Many(top, packages)
    many.edit_shared(1)
    return many


def add(top: Project, name: str, kind: str, pyo3: str) -> Project:
    """Writes one package."""
    package = dataclasses.replace(top, root=top.root / "packages" / name)
    module = f"{name}_native"
    uses_cffi = kind == "cffi"
    package.write(
        "pyproject.toml",
        _PYPROJECT.format(
            name=name,
            module=module,
            # uv resolves for all of these, and the wheelhouse has wheels for this Python only.
            python=".".join(map(str, sys.version_info[:2])),
            dependencies='"cffi"' if uses_cffi else "",
            bindings='bindings = "cffi"\n' if uses_cffi else "",
        ),
    )
    package.write("README.md", "A package.\n")
    features = KINDS[kind]
    line = f'pyo3 = {{ version = "{pyo3}", features = [{features}] }}\n' if features else ""
    package.write("Cargo.toml", _CARGO.format(name=name, module=module) + line)
    package.write("src/lib.rs", _CFFI if uses_cffi else _PYO3.format(module=module))
    package.write(OWN, "pub const OWN: u32 = 0;\n")
    imported = f"from .{module} import lib\nanswer = lib.answer\n"
    package.write(
        f"python/{name}/__init__.py", imported if uses_cffi else f"from .{module} import answer\n"
    )
    if kind == "script":
        import_in_script(package, "cffi", "cffi.__version__")
    return package


def import_in_script(package: Project, requirement: str, shown: str) -> None:
    """Makes the build script of a package import a build requirement."""
    name = requirement.partition("=")[0]
    code = f"import {name}; print({shown})"
    package.write("build.rs", _SCRIPT.format(code=code, name=package.root.name))
    package.requires("wheelprint", requirement)


def run_in_script(package: Project, requirement: str, program: str) -> None:
    """Makes the build script of a package run a program of a build requirement, which is on PATH:
    once before the script holds the build (`background.HOLD`), and once after it."""
    package.write("build.rs", _RUNS.format(program=program, hold=background.HOLD))
    package.requires("wheelprint", requirement)


def offer(project: Project, *versions: str) -> None:
    """Puts wheels of a package `tagged` in these versions where uv looks for wheels. Its program
    `show-tagged` prints the version."""
    folder = project.output_folder()
    for version in versions:
        _tagged(folder, version)
    project.env["UV_FIND_LINKS"] += f",{folder.as_uri()}"


def _tagged(folder: Path, version: str) -> None:
    info = f"tagged-{version}.dist-info"
    files = {
        "tagged.py": f'VERSION = "{version}"\n\n\ndef show():\n    print(VERSION)\n',
        f"{info}/entry_points.txt": "[console_scripts]\nshow-tagged = tagged:show\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tagged\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"tagged-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def compiled_twice(spy: Spy) -> set[str]:
    """The crates of which one unit was compiled more than once since the log was cleared."""
    seen: set[tuple[str, str]] = set()
    twice = set()
    for call in spy.calls("rustc"):
        if call.compiles:
            (metadata,) = (text for text in call.arguments if text.startswith("metadata="))
            if (call.package, metadata) in seen:
                twice.add(call.package)
            seen.add((call.package, metadata))
    return twice


def new_environment(project: Project, *requirements: str) -> Path:
    """A new build environment with wheelprint, maturin and these requirements."""
    folder = project.output_folder() / "environment"
    project.uv("venv", folder).ok()
    wanted = ("wheelprint", "maturin", *CFFI, *requirements)
    project.uv("pip", "install", "--python", folder, *wanted).ok()
    return folder


def remove_environment(folder: Path) -> None:
    """Removes a build environment, as frontends do after a build."""
    assert (folder / "pyvenv.cfg").exists()
    shutil.rmtree(os.fspath(folder))
