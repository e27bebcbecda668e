"""A small crate in every layout that maturin supports."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import asking, environment, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .project import Project
    from .workbench import Workbench

#: uv resolves dependencies for all allowed Python versions, but only this one's are available.
THIS_PYTHON = f">={sys.version_info.major}.{sys.version_info.minor}"
PYO3, CFFI = "pure", "cffi-bindings"

_RUST = """use pyo3::prelude::*;

#[pymodule]
mod NAME {
    use pyo3::prelude::*;

    #[pyfunction]
    fn answer() -> u32 {
        42
    }
}
"""
#: Files and folders that may appear next to the sources.
_BESIDES = frozenset({"target", ".venv", "uv.lock", ".git"})


@dataclass(frozen=True)
class Layout:
    """The files of a project. Each of its modules has a function that returns 42."""

    #: The compiled module.
    module: str
    #: More files, in addition to the crate's own.
    files: Mapping[str, str] = field(default_factory=dict)
    #: The folder with the Python packages.
    source: str = ""
    #: More lines of `[tool.maturin]`.
    settings: str = ""
    #: The sample that has the crate.
    sample: str = PYO3
    #: The text of `src/lib.rs`, with NAME in place of the module's name.
    rust: str = _RUST
    #: The value of `module-name`, if it differs from `module`.
    name: str = ""
    #: Makes further changes.
    more: Callable[[Project], None] | None = None

    @property
    def probe(self) -> str:
        """Code that prints 42."""
        if self.sample == PYO3:
            return f"import {self.module} as module; print(module.answer())"
        return f"from {self.module} import lib; print(lib.add(40, 2))"

    @property
    def leftover(self) -> str:
        """A file that `maturin develop` may have left in the tree. Python prefers its suffix."""
        folder = "/".join([self.source, *self.module.split(".")]).strip("/")
        return folder + str(sysconfig.get_config_var("EXT_SUFFIX"))

    @property
    def in_place(self) -> bool:
        """Whether maturin puts the module into the source tree."""
        top = "/".join([self.source, self.module.split(".")[0], ""]).lstrip("/")
        return any(name.startswith(top) for name in self.files)

    def check_out(self, bench: Workbench) -> Project:
        """Checks out the sample in this layout."""
        project = bench.check_out(self.sample)
        self.apply(project)
        return project

    def apply(self, project: Project) -> None:
        """Changes a checked-out sample to this layout."""
        settings = f'module-name = "{self.name or self.module}"\n'
        if self.source:
            settings += f'python-source = "{self.source}"\n'
        project.replace("pyproject.toml", ">=3.9", THIS_PYTHON)
        if self.sample == PYO3:
            project.write("src/lib.rs", self.rust.replace("NAME", self.module.split(".")[-1]))
            project.path("src/answer.rs").unlink()
            table = f"\n[tool.maturin]\n{settings}{self.settings}"
        else:
            for name in ("python/cffi_sample/__init__.py", "python/cffi_sample", "python"):
                path = project.path(name)
                path.rmdir() if path.is_dir() else path.unlink()
            text = project.read("pyproject.toml")
            old = text[text.index("[tool.maturin]") : text.index("[build-system]")]
            project.write("pyproject.toml", text.replace(old, ""))
            bindings = "" if "bindings" in self.settings else 'bindings = "cffi"\n'
            table = f"\n[tool.maturin]\n{bindings}{settings}{self.settings}"
        project.append("pyproject.toml", table)
        for name, text in self.files.items():
            project.write(name, text)
        if self.more is not None:
            self.more(project)


def commit(project: Project) -> None:
    """Makes the checkout a git repository and commits all files."""
    project.write("../../.gitignore", "target/\n.venv/\nuv.lock\n")
    asking.git(project, "init")
    asking.git(project, "add", "-A")
    asking.git(project, "commit", "-m", "first")
    # Python's own caches must not appear as new files.
    project.env["PYTHONDONTWRITEBYTECODE"] = "1"


def news(project: Project) -> list[str]:
    """The files that git reports as new or changed, including ignored files."""
    said = asking.git(project, "status", "--ignored", "--porcelain").splitlines()
    return [line for line in said if not _BESIDES.intersection(line[3:].split("/"))]


def folders(project: Project) -> list[str]:
    """All folders of the checkout, because git does not report empty folders."""
    top = project.bench.checkout_folder
    names = (path.relative_to(top) for path in top.rglob("*") if path.is_dir())
    return sorted(name.as_posix() for name in names if not _BESIDES.intersection(name.parts))


def imported(project: Project, code: str, venv: Path | None = None, **changes: str) -> str:
    """The output of that code in a new process outside of the project. stderr must be empty."""
    venv = venv or project.path(".venv")
    run = project.run(environment.python_in(venv), "-c", code, cwd=venv, **changes).ok()
    assert run.stderr == "", run.stderr
    return run.stdout.strip()


def site_packages(project: Project) -> Path:
    """The site-packages of the project's own environment."""
    code = "import sysconfig; print(sysconfig.get_path('platlib'))"
    return project.path(imported(project, code, WHEELPRINT_ON_STALE="ignore"))


def beside(project: Project, layout: Layout, name: str) -> Project:
    """Creates one more project with that layout and its own name, without other crates."""
    other = dataclasses.replace(project, root=project.path(f"../{name}"))
    shutil.copytree(samples.SAMPLES / CFFI, other.root, copy_function=shutil.copyfile)
    for file in ("Cargo.toml", "Cargo.lock", "pyproject.toml"):
        other.replace(file, f'"{CFFI}"', f'"{name}"')
    other.replace("Cargo.toml", '"cffi_sample"', f'"{name}_sample"')
    layout.apply(other)
    return other
