"""A checked-out sample: edit it, call hooks, run uv, pip and build on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .samples import Sample
    from .spy import Spy
    from .workbench import Workbench

AnyRun = TypeVar("AnyRun", bound="Run")

CALL_HOOK = Path(__file__).with_name("call_hook.py")


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    command: list[str]
    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """stdout and stderr."""
        return self.stdout + self.stderr

    def ok(self: AnyRun) -> AnyRun:
        """This run, which must have succeeded."""
        assert self.code == 0, f"exit {self.code}: {self.command}\n{self.output}"
        return self

    def failed(self: AnyRun) -> AnyRun:
        """This run, which must have failed without a panic."""
        assert self.code != 0, f"should have failed: {self.command}\n{self.output}"
        assert "PanicException" not in self.output, self.output
        return self

    @property
    def verdict(self) -> str:
        """The line that says whether the build was fresh, and why. It must occur exactly once.

        Frontends put their own text in front of it."""
        said: list[str] = re.findall(r"(?m)wheelprint: ((?:fresh|stale): .*)$", self.output)
        assert len(said) == 1, f"expected one verdict, found {said} in:\n{self.output}"
        return said[0].strip()

    @property
    def warnings(self) -> list[str]:
        """wheelprint's warnings."""
        lines = self.stderr.splitlines()
        return [line for line in lines if line.startswith("wheelprint: warning: ")]

    @property
    def last_line(self) -> str:
        """The last line on stderr that is not empty."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        assert lines, self.output
        return lines[-1]


@dataclass(frozen=True)
class HookRun(Run):
    """A hook call and its result."""

    result: Any = None


@dataclass
class Project:
    """One sample on disk."""

    sample: Sample
    root: Path
    env: dict[str, str]
    bench: Workbench
    #: A timeout for commands.
    seconds: int = 120

    @property
    def spy(self) -> Spy:
        return self.bench.spy

    @property
    def target(self) -> Path:
        """cargo's target folder."""
        return Path(os.path.normpath(self.root / self.sample.target_parent)) / "target"

    def compiled_files(self, *patterns: str) -> list[Path]:
        """cargo's intermediate files, like `*.rlib` or a script's `output`, in any layout."""
        folders = [folder for folder in (self.target, self.bench.build_folders) if folder.is_dir()]
        return [path for folder in folders for each in patterns for path in folder.rglob(each)]

    @property
    def cache(self) -> Path:
        """The folder of wheelprint's store."""
        return self.cache_folder / "wheelprint-v1"

    @property
    def cache_folder(self) -> Path:
        """The folder that the store is in."""
        return Path(self.env["WHEELPRINT_CACHE_DIR"])

    # Files

    def path(self, name: str) -> Path:
        return Path(os.path.normpath(self.root / name))

    def read(self, name: str) -> str:
        return self.path(name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces a text, which must be there."""
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}:\n{text}"
        self.write(name, text.replace(old, new))

    def touch(self, name: str) -> None:
        """Gives a file a new timestamp, with the same content."""
        path = self.path(name)
        before = path.stat().st_mtime_ns
        os.utime(path)
        assert path.stat().st_mtime_ns > before

    def edit(self) -> None:
        """Makes the sample's edit of its Rust source."""
        self.replace(self.sample.source, *self.sample.edit)

    def undo_edit(self) -> None:
        self.replace(self.sample.source, *reversed(self.sample.edit))

    def settings(self, text: str) -> None:
        """Adds `[tool.wheelprint]` to pyproject.toml."""
        self.append("pyproject.toml", f"\n[tool.wheelprint]\n{text}\n")

    def requires(self, *requirements: str) -> None:
        """Replaces `[build-system] requires`."""
        line = f"requires = {json.dumps(requirements)}"
        text = self.read("pyproject.toml")
        text, found = re.subn(r"(?m)^requires = \[.*\]$", lambda _: line, text)
        assert found == 1
        self.write("pyproject.toml", text)

    def switch_to_maturin(self) -> None:
        """Makes maturin the build backend."""
        text = self.read("pyproject.toml")
        text = re.sub(r'"wheelprint[^"]*"(?=[,\]])', '"maturin"', text)
        self.write("pyproject.toml", text.replace('"wheelprint"', '"maturin"'))

    def reproducible(self) -> None:
        """Sets a fixed time. Otherwise maturin's SBOM has a random number and the current time."""
        self.env["SOURCE_DATE_EPOCH"] = "1600000000"

    # Frontends

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        output: str | Path | None = None,
        **changes: Any,
    ) -> Run:
        """Runs any command in the project, with changed variables.

        Wheels and sdists in its argument folders, or in `output`, are checked at the end of the
        tests."""
        args = [str(part) for part in command]
        cwd = cwd or self.root
        env = environment.with_changes(self.env, changes)
        with self.bench.made.by([*args, *([output] if output else [])], cwd, env):
            done = subprocess.run(
                args,
                cwd=cwd,
                env=env,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=self.seconds,
            )
        return Run(args, done.returncode, done.stdout, done.stderr)

    def hook(
        self,
        name: str,
        *args: Any,
        backend: str = "wheelprint",
        venv: str | None = "newest",
        prefix: tuple[str, ...] = (),
        keywords: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> HookRun:
        """Calls a hook like a frontend without isolation.

        The hook runs in its own process, in the project's folder, with the environment's programs
        first on PATH."""
        folder = self.bench.venv(venv)
        answer = self.bench.folder / "hook-answer.json"
        answer.unlink(missing_ok=True)
        path = changes.pop("PATH", self.env["PATH"]) or ""
        run = self.run(
            *prefix,
            environment.python_in(folder),
            CALL_HOOK,
            backend,
            name,
            json.dumps([args, keywords or {}], default=str),
            answer,
            output=next(iter(args), None) if name.startswith("build_") else None,
            PATH=os.pathsep.join([str(environment.scripts_folder(folder)), path]),
            **changes,
        )
        result = json.loads(answer.read_text()) if answer.exists() else None
        return HookRun(run.command, run.code, run.stdout, run.stderr, result)

    def editable(self, **rest: Any) -> HookRun:
        """Calls `build_editable`, which must succeed."""
        return self.build("editable", **rest)[0]

    def is_fresh(self, **rest: Any) -> bool:
        """Calls `build_editable`. Whether it was answered without cargo and maturin."""
        self.spy.clear()
        said = self.editable(**rest).verdict
        if said.startswith("fresh: "):
            assert re.fullmatch(r"fresh: [1-9]\d* inputs unchanged", said), said
            self.spy.assert_idle()
            return True
        assert not self.spy.supported() or self.spy.calls("cargo")
        return False

    def build(
        self,
        kind: str = "editable",
        settings: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        **rest: Any,
    ) -> tuple[HookRun, Path]:
        """Calls `build_KIND`, which must succeed. Returns the run and the wheel or sdist."""
        folder = folder or self.output_folder()
        run = self.hook(f"build_{kind}", folder, settings, **rest)
        run.ok()
        return run, folder / run.result

    def output_folder(self) -> Path:
        """A new folder, outside of the project."""
        parent = self.bench.folder / "state" / "out"
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / str(len(list(parent.iterdir())))
        folder.mkdir()
        return folder

    def uv(self, *args: str | Path, cwd: Path | None = None, **changes: Any) -> Run:
        return self.run(self.bench.uv, *args, cwd=cwd, **changes)

    def uv_run(self, probe: str | None = None, *options: str, **changes: Any) -> str:
        """The output of `uv run python -c PROBE`."""
        code = probe or self.sample.probe
        return self.uv("run", *options, "python", "-c", code, **changes).ok().stdout.strip()

    def new_venv(self) -> Path:
        """A new virtual environment for this test, with only pip in it."""
        folder = self.bench.folder / "state" / "venv"
        self.uv("venv", "--clear", folder).ok()
        self.uv("pip", "install", "--python", environment.python_in(folder), "pip").ok()
        return folder

    def installed(self, wheel: Path) -> Path:
        """A new virtual environment for this test, with the wheel installed."""
        venv = self.new_venv()
        python = environment.python_in(venv)
        self.uv("pip", "install", "--python", python, wheel, cwd=venv).ok()
        return venv

    def pip(self, venv: Path, *args: str | Path, **changes: Any) -> Run:
        """Runs an environment's own pip as if the environment were activated."""
        scripts = str(environment.scripts_folder(venv))
        changes.setdefault("PATH", os.pathsep.join([scripts, self.env["PATH"]]))
        # pip builds in a temporary folder. It must not remove the wheels before they are kept.
        temporary = self.output_folder()
        changes.setdefault("TMPDIR", str(temporary))
        changes.setdefault("PIP_NO_CLEAN", "1")
        run = self.run(environment.python_in(venv), "-m", "pip", *args, **changes)
        for wheel in temporary.glob("pip-ephem-wheel-cache-*/**/*.whl"):
            self.bench.made.keep(wheel)
        shutil.rmtree(temporary)
        return run

    def python(self, venv: Path, code: str, **changes: Any) -> str:
        """The output of that code in an environment's Python, outside of the project."""
        python = environment.python_in(venv)
        return self.run(python, "-c", code, cwd=venv, **changes).ok().stdout.strip()

    def pyproject_build(self, *args: str | Path, **changes: Any) -> Run:
        """`python -m build`."""
        return self.run(sys.executable, "-m", "build", *args, **changes)
