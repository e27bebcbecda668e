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
        """Everything it said."""
        return self.stdout + self.stderr

    def ok(self: AnyRun) -> AnyRun:
        """This run, which must have succeeded."""
        assert self.code == 0, f"exit {self.code}: {self.command}\n{self.output}"
        return self

    def failed(self: AnyRun) -> AnyRun:
        """This run, which must have failed, of its own accord."""
        assert self.code != 0, f"should have failed: {self.command}\n{self.output}"
        assert "PanicException" not in self.output, self.output
        return self

    @property
    def verdict(self) -> str:
        """The one line that says whether it was fresh, and why. Frontends put marks of their own
        in front of it."""
        said: list[str] = re.findall(r"(?m)wheelprint: ((?:fresh|stale): .*)$", self.output)
        assert len(said) == 1, f"expected one verdict, found {said} in:\n{self.output}"
        return said[0].strip()

    @property
    def warnings(self) -> list[str]:
        """What wheelprint warned of."""
        lines = self.stderr.splitlines()
        return [line for line in lines if line.startswith("wheelprint: warning: ")]

    @property
    def last_line(self) -> str:
        """The last thing the user sees."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        assert lines, self.output
        return lines[-1]


@dataclass(frozen=True)
class HookRun(Run):
    """A hook that was called, and what it returned."""

    result: Any = None


@dataclass
class Project:
    """One sample on disk."""

    sample: Sample
    root: Path
    env: dict[str, str]
    bench: Workbench
    #: No command takes so long.
    seconds: int = 120

    @property
    def spy(self) -> Spy:
        return self.bench.spy

    @property
    def target(self) -> Path:
        """cargo's target folder."""
        return Path(os.path.normpath(self.root / self.sample.target_parent)) / "target"

    def compiled_files(self, *patterns: str) -> list[Path]:
        """What cargo made on the way: `*.rlib`, a script's `output`, wherever its layout has it."""
        folders = [folder for folder in (self.target, self.bench.build_folders) if folder.is_dir()]
        return [path for folder in folders for each in patterns for path in folder.rglob(each)]

    @property
    def cache(self) -> Path:
        """wheelprint's own cache."""
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
        """Replace a text which must be there."""
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}:\n{text}"
        self.write(name, text.replace(old, new))

    def touch(self, name: str) -> None:
        """A new timestamp, the same content."""
        path = self.path(name)
        before = path.stat().st_mtime_ns
        os.utime(path)
        assert path.stat().st_mtime_ns > before

    def edit(self) -> None:
        """The sample's own edit of its Rust source."""
        self.replace(self.sample.source, *self.sample.edit)

    def undo_edit(self) -> None:
        self.replace(self.sample.source, *reversed(self.sample.edit))

    def settings(self, text: str) -> None:
        """Add `[tool.wheelprint]` to pyproject.toml."""
        self.append("pyproject.toml", f"\n[tool.wheelprint]\n{text}\n")

    def requires(self, *requirements: str) -> None:
        """Replace `[build-system] requires`."""
        line = f"requires = {json.dumps(requirements)}"
        text = self.read("pyproject.toml")
        text, found = re.subn(r"(?m)^requires = \[.*\]$", lambda _: line, text)
        assert found == 1
        self.write("pyproject.toml", text)

    def switch_to_maturin(self) -> None:
        """What the project was before it knew wheelprint."""
        text = self.read("pyproject.toml")
        text = re.sub(r'"wheelprint[^"]*"(?=[,\]])', '"maturin"', text)
        self.write("pyproject.toml", text.replace('"wheelprint"', '"maturin"'))

    def reproducible(self) -> None:
        """maturin's SBOM has a random number and the time in it unless this is set."""
        self.env["SOURCE_DATE_EPOCH"] = "1600000000"

    # Frontends

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        output: str | Path | None = None,
        **changes: Any,
    ) -> Run:
        """Run any command in the project, with variables changed. What it makes in folders that it
        names, or in `output`, is checked when the tests have ended."""
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
        """Call a hook as a frontend without isolation does: in a process of its own, in the
        project's folder, with the environment's programs first on PATH."""
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
        """Call `build_editable`, which must succeed."""
        return self.build("editable", **rest)[0]

    def is_fresh(self, **rest: Any) -> bool:
        """Call `build_editable`: was it answered without cargo and maturin, and did it say so?"""
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
        """Call `build_KIND`, which must succeed: the run and the wheel or sdist."""
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
        """What `uv run python -c PROBE` prints."""
        code = probe or self.sample.probe
        return self.uv("run", *options, "python", "-c", code, **changes).ok().stdout.strip()

    def new_venv(self) -> Path:
        """An empty virtual environment of this test's own, with pip in it."""
        folder = self.bench.folder / "state" / "venv"
        self.uv("venv", "--clear", folder).ok()
        self.uv("pip", "install", "--python", environment.python_in(folder), "pip").ok()
        return folder

    def installed(self, wheel: Path) -> Path:
        """A virtual environment of this test's own with the wheel in it."""
        venv = self.new_venv()
        python = environment.python_in(venv)
        self.uv("pip", "install", "--python", python, wheel, cwd=venv).ok()
        return venv

    def pip(self, venv: Path, *args: str | Path, **changes: Any) -> Run:
        """Run an environment's own pip, as it would run with that environment activated."""
        scripts = str(environment.scripts_folder(venv))
        changes.setdefault("PATH", os.pathsep.join([scripts, self.env["PATH"]]))
        # What it installs it builds in a temporary folder, and has to leave it for a moment.
        temporary = self.output_folder()
        changes.setdefault("TMPDIR", str(temporary))
        changes.setdefault("PIP_NO_CLEAN", "1")
        run = self.run(environment.python_in(venv), "-m", "pip", *args, **changes)
        for wheel in temporary.glob("pip-ephem-wheel-cache-*/**/*.whl"):
            self.bench.made.keep(wheel)
        shutil.rmtree(temporary)
        return run

    def python(self, venv: Path, code: str, **changes: Any) -> str:
        """What an environment's Python prints for that code, outside of the project."""
        python = environment.python_in(venv)
        return self.run(python, "-c", code, cwd=venv, **changes).ok().stdout.strip()

    def pyproject_build(self, *args: str | Path, **changes: Any) -> Run:
        """`python -m build`."""
        return self.run(sys.executable, "-m", "build", *args, **changes)
