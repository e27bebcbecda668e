"""The runtime hook, as the ordinary module that it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

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
