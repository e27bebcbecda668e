"""The runtime hook, as the ordinary module that it is."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

HOOK = Path(__file__).parents[2] / "python" / "wheelprint" / "_runtime.py"


def run(folder: Path, code: str) -> str:
    """Run code in a bare interpreter that finds nothing but the hook (and what is built in)."""
    # os is loaded by the site module in every interpreter that reads .pth files.
    code = f"import os, sys; sys.path[:] = [{str(folder)!r}]\n{code}"
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(name: str) -> ModuleType:
    """A file beside the hook, as a module."""
    spec = importlib.util.spec_from_file_location(name[:-3], HOOK.with_name(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    """A folder with the hook in it, mapping one module."""
    text = HOOK.read_text(encoding="utf-8")
    config = 'MODULES: "dict[str, str]" = {}\n'
    assert text.count(config) == 1
    text = text.replace(config, 'MODULES = {"pkg.inner": "store/pkg"}\n')
    (tmp_path / "hook.py").write_text(text, encoding="utf-8")
    shutil.copy(HOOK.with_name("_runtime_finder.py"), tmp_path / "hook_finder.py")
    inner = tmp_path / "store" / "pkg" / "inner.py"
    inner.parent.mkdir(parents=True)
    inner.write_text("where = __file__")
    return tmp_path


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the lock file can't be parsed")
def test_a_member_of_a_uv_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project below the workspace has a configuration of its own."""
    monkeypatch.setitem(sys.modules, "_runtime_finder", loaded("_runtime_finder.py"))
    monkeypatch.setitem(sys.modules, "_runtime_check", loaded("_runtime_check.py"))
    frontend = loaded("_runtime_frontend.py")

    def workspace(name: str) -> str:
        project = str(tmp_path / "packages" / name)
        return str(frontend._workspace(SimpleNamespace(name=name, project=project)))

    assert workspace("one") == ""
    lock = tmp_path / "uv.lock"
    lock.write_text('version = 1\n\n[manifest]\nmembers = ["one", "two-three"]\n')
    assert workspace("one") == workspace("Two_Three") == str(tmp_path)
    assert workspace("another") == ""
    for text in ("version = 1\n", "not TOML", "manifest = 1\n"):
        lock.write_text(text)
        assert workspace("one") == ""


def test_it_is_imported_with_nothing_else_on_the_path(hook: Path) -> None:
    """pip's isolation runs .pth files so."""
    assert run(hook, "import hook; hook.install(); print('done')") == "done\n"


def test_it_loads_nothing_at_start(hook: Path) -> None:
    code = "before = set(sys.modules); import hook; hook.install()\n"
    code += "print(sorted(set(sys.modules) - before))"
    assert run(hook, code) == "['hook']\n"


def test_installing_twice_is_installing_once(hook: Path) -> None:
    code = "import os, hook; before = len(sys.meta_path)\n"
    code += "hook.install(); hook.install(); print(len(sys.meta_path) - before)"
    assert run(hook, code) == "1\n"


def test_a_mapped_module_comes_from_its_folder_and_others_do_not_concern_it(hook: Path) -> None:
    package = hook / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    # Left behind by an earlier build: it must not shadow the mapped one.
    (package / "inner.py").write_text("where = 'shadow'")
    (package / "other.py").write_text("where = __file__")
    code = "import os, hook; hook.install()\n"
    code += f"sys.path.extend({sys.path!r})\n"
    code += "import pkg.inner, pkg.other\n"
    code += "print(os.path.relpath(pkg.inner.where, sys.path[0]).replace(os.sep, '/'))\n"
    code += "print(os.path.relpath(pkg.other.where, sys.path[0]).replace(os.sep, '/'))\n"
    code += "print(pkg.inner.__spec__.name, hook.Finder.find_spec('pkg.none'))"
    assert run(hook, code).split() == ["store/pkg/inner.py", "pkg/other.py", "pkg.inner", "None"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("held", "times", "found"),
    [
        ({}, 9, ""),
        ({"pkg.editable/pkg/_core.pyd"}, 9, "pkg.editable/pkg/_core.pyd"),
        ({"a, b.DLL"}, 9, "a, b.DLL"),
        # For a moment only.
        ({"pkg.editable/pkg/_core.pyd"}, 2, ""),
        # Windows can replace what is read and not loaded.
        ({"pkg/__init__.py"}, 9, ""),
        ({"../Scripts/pkg.exe"}, 9, "../Scripts/pkg.exe"),
    ],
)
def test_a_module_that_is_in_use_is_named(
    tmp_path: Path,
    held: set[str],
    times: int,
    found: str,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What Windows refuses is refused by a function that stands for it."""
    monkeypatch.setitem(sys.modules, "_runtime_finder", loaded("_runtime_finder.py"))
    check = loaded("_runtime_check.py")
    monkeypatch.setitem(sys.modules, "_runtime_check", check)
    frontend = loaded("_runtime_frontend.py")
    scripts, tmp_path = tmp_path / "Scripts", tmp_path / "site"
    scripts.mkdir()
    tmp_path.mkdir()
    names = ["pkg/__init__.py", "pkg.editable/pkg/_core.pyd", "a, b.DLL", "../Scripts/pkg.exe"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"old")
    lines = [f'"{name}",sha256=x,3' for name in [*names, "gone.pyd"]]
    (tmp_path / "pkg-1.dist-info").mkdir()
    record = tmp_path / "pkg-1.dist-info" / "RECORD"
    record.write_bytes("".join(line + end for line in [*lines, "RECORD,,"]).encode())
    tried = dict.fromkeys(held, 0)

    def opened(path: str, mode: str) -> io.IOBase:
        name = Path(os.path.relpath(path, tmp_path)).as_posix()
        if name in tried:
            tried[name] += 1
            if tried[name] <= times:
                raise PermissionError(13, "Permission denied", path)
        return open(path, mode)

    installed = SimpleNamespace(site=str(tmp_path), facts={"dist-info": "pkg-1.dist-info"})
    installed.recorded = partial(check.Installed.recorded, installed)
    place = frontend.in_use(installed, (".pyd", ".dll", ".exe"), opened, (0, 0))
    assert place == (str(tmp_path / found) if found else "").replace("/", frontend.os.sep)
    # pip replaces a program that runs.
    of_pip = frontend.in_use(installed, frontend.LOADED, opened, (0, 0))
    assert not of_pip.endswith(".exe")
    assert all((tmp_path / name).read_bytes() == b"old" for name in names)


def test_windows_opens_long_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_runtime_finder", loaded("_runtime_finder.py"))
    monkeypatch.setitem(sys.modules, "_runtime_check", loaded("_runtime_check.py"))
    ask = loaded("_runtime_ask.py")
    long = b"/".join([b"folder"] * 40)
    in_windows = long.replace(b"/", b"\\")
    for path, expected in (
        (b"C:/short", b"C:/short"),
        (b"C:/" + long, b"\\\\?\\C:\\" + in_windows),
        (b"\\\\server\\share\\" + in_windows, b"\\\\?\\UNC\\server\\share\\" + in_windows),
        (b"\\\\?\\C:\\" + in_windows, b"\\\\?\\C:\\" + in_windows),
    ):
        assert ask.reachable(path, windows=True) == expected
        assert ask.reachable(path, windows=False) == path


def test_a_change_while_the_backend_looks_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a path may have a state that cannot be compared: only its stat values can tell."""
    monkeypatch.setitem(sys.modules, "_runtime_finder", loaded("_runtime_finder.py"))
    check = loaded("_runtime_check.py")
    monkeypatch.setitem(sys.modules, "_runtime_check", check)
    ask = loaded("_runtime_ask.py")
    path = tmp_path / "input"
    path.write_text("one")
    facts = {"raced": [], "fingerprint": "", "environment": "", "rustc": ""}
    memory = SimpleNamespace(
        installed=SimpleNamespace(facts=facts, project=str(tmp_path)),
        paths=[str(path).encode()],
        states=["unknown"],
        stats=[],
        environment="",
        rustc="",
        knows_environment=True,
    )
    memory.take = lambda paths, states: None

    def slowly(installed: object) -> list[bytes]:
        path.write_text("two")
        time.sleep(2.2)
        return [b"fresh", str(path).encode(), b"unknown"]

    monkeypatch.setattr(ask, "ask", slowly)
    assert ask.compare(memory) == []
    assert memory.stats == list(check.UNSURE)


def test_a_part_of_the_tables_head_is_never_taken_for_all_of_it(tmp_path: Path) -> None:
    """The fast check reads only the beginning of the file."""
    finder = loaded("_runtime_finder.py")
    fields = [finder.FORMAT, b"", b"CC=CXX", b"CARGO_=PYO3_", b"CARGO_HOME=CARGO_PKG_", b"{}"]
    path = tmp_path / "inputs"
    path.write_bytes(b"\0".join([*fields, b"/src/lib.rs"]))
    enough = len(b"\0".join(fields[:5])) + 1
    for size in range(enough):
        with pytest.raises((IndexError, ValueError)):
            finder.Head(str(path), size)
    for size in (enough, enough + 1, 1000, -1):
        head = finder.Head(str(path), size)
        assert (head.names, head.prefixes) == ({"CC", "CXX"}, ("CARGO_", "PYO3_"))
        assert head.exceptions == ("CARGO_HOME", "CARGO_PKG_")
