"""An import just when an installer replaces the package: it waits for what is missing.

uv removes all files of an installed package before it puts down the new ones. What was there when
the interpreter started, the hook, finds the rest missing for a moment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support import layouts
from support.installed import Editable, synced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import CheckOut
    from support.workbench import Workbench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files in use are not removed")

_CODE = "import sys\nprint('started', flush=True)\nsys.stdin.readline()\n"


@pytest.fixture
def editable(check_out: CheckOut) -> Editable:
    return synced(check_out("mixed-path-dep"))


def start(editable: Editable, code: str) -> subprocess.Popen[str]:
    """A process in which the hook is loaded, and nothing else yet."""
    process = subprocess.Popen(
        editable.command(_CODE + code),
        cwd=editable.venv,
        env=editable.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


#: What is gone for a moment.
MISSING = {
    "all of it": ("_wheelprint_*", "*.editable"),
    "the finder": ("_wheelprint_*_finder.py",),
    "the check": ("_wheelprint_*_check.py",),
    "the question": ("_wheelprint_*_ask.py",),
    "the inputs": ("*.editable/inputs",),
    "the module": ("*.editable/*/*/*.so",),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_waited_for(what: str, editable: Editable) -> None:
    project = editable.project
    project.edit()
    process = start(editable, project.sample.probe)
    site = layouts.site_packages(project)
    hidden = site.parent / "hidden"
    hidden.mkdir()
    paths = [path for pattern in MISSING[what] for path in site.glob(pattern)]
    assert paths
    for number, path in enumerate(paths):
        path.rename(hidden / str(number))

    def put_back() -> None:
        time.sleep(0.5)
        for number, path in enumerate(paths):
            (hidden / str(number)).rename(path)

    thread = threading.Thread(target=put_back)
    thread.start()
    stdout, stderr = process.communicate("\n", timeout=120)
    thread.join()
    # What was put back is stale, and was looked at.
    assert stdout.strip() == project.sample.shows[1], stderr
    assert "; rebuilding" in stderr


def test_what_comes_when_a_module_was_found_is_looked_at(editable: Editable) -> None:
    """The file goes between the interpreter's two questions: where it is, and what is in it."""
    project = editable.project
    code = "import importlib.util\n"
    code += "hook = next(f for f in sys.meta_path if hasattr(f, 'owner'))\n"
    code += "name, = sys.modules[hook.owner].MODULES\n"
    code += "spec = hook.find_spec(name, None)\n"
    code += "print('found', flush=True)\nsys.stdin.readline()\n"
    code += "module = sys.modules[name] = importlib.util.module_from_spec(spec)\n"
    code += f"spec.loader.exec_module(module)\n{project.sample.probe}\n"
    process = start(editable, code)
    say(process, "found")
    project.edit()
    (module,) = layouts.site_packages(project).glob(MISSING["the module"][0])
    hidden = module.rename(module.with_suffix(".hidden"))
    thread = threading.Timer(0.5, lambda: hidden.rename(module))
    thread.start()
    stdout, stderr = process.communicate("\n", timeout=120)
    thread.join()
    assert stdout.strip() == project.sample.shows[1], stderr


def test_what_is_uninstalled_after_an_import_is_not_waited_for_for_long(
    editable: Editable,
) -> None:
    """The modules of the check are loaded by then, and wait for what they read."""
    package = editable.project.sample.probe.partition(";")[0]
    code = f"import time\n{package}\nprint('imported', flush=True)\nsys.stdin.readline()\n"
    code += "hook = next(f for f in sys.meta_path if hasattr(f, 'owner'))\n"
    code += "name, = sys.modules[hook.owner].MODULES\n"
    code += "began = time.monotonic()\ntry:\n  hook.find_spec(name, None)\n"
    code += "except ImportError:\n  pass\nprint(time.monotonic() - began < 10)\n"
    process = start(editable, code)
    say(process, "imported")
    project = editable.project
    project.uv("pip", "uninstall", "--python", editable.python, project.sample.name).ok()
    stdout, stderr = process.communicate("\n", timeout=120)
    assert stdout.split() == ["True"], stderr
    assert stderr.count("can't be told") <= 1, stderr


def say(process: subprocess.Popen[str], answer: str) -> None:
    """Let it go on, up to where it says that."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"{answer}\n"


def test_what_is_uninstalled_is_not_waited_for_for_long(editable: Editable) -> None:
    package = editable.project.sample.probe.partition(";")[0]
    code = "import time\nfor _ in range(3):\n  began = time.monotonic()\n  try:\n"
    code += f"    {package}\n  except ImportError as error:\n"
    code += "    print(type(error).__name__)\nprint(time.monotonic() - began < 1)\n"
    process = start(editable, code)
    project = editable.project
    project.uv("pip", "uninstall", "--python", editable.python, project.sample.name).ok()
    stdout, stderr = process.communicate("\n", timeout=120)
    assert stdout.split() == ["ModuleNotFoundError"] * 3 + ["True"], stderr


#: What an installer that was killed left of the one package, and of whatever else it puts down.
LEFT = {
    "nothing in the folder": ("pure/*",),
    "no folder": ("pure",),
    "only the module": ("pure/__init__.py",),
    "the folder and the hook": ("pure/*", "*.editable", "*.dist-info"),
}


@pytest.fixture(scope="module")
def only_rust(bench: Workbench) -> Iterator[Editable]:
    """A project without Python sources: its whole package is in the wheel."""
    yield synced(bench.check_out("pure"))
    bench.put_away()


@pytest.mark.parametrize("what", LEFT)
def test_what_is_half_installed_is_no_namespace(what: str, only_rust: Editable) -> None:
    """An installer was killed between the old files and the new ones. The interpreter would take
    the folder that is left for a namespace, with nothing in it."""
    for path in [path for pattern in LEFT[what] for path in only_rust.site.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # Neither is a folder of that name elsewhere on the path.
    (only_rust.venv / "pure").mkdir(exist_ok=True)
    imported = only_rust.imports()
    assert imported.run.code == 1, imported.run.output
    words = "ImportError: pure: the installation of pure is incomplete, its files are missing from"
    assert words in imported.run.last_line
    assert imported.run.last_line.endswith("uv sync --reinstall-package pure")
    only_rust.project.uv("sync", "--reinstall-package", "pure").ok()
    only_rust.is_quiet("42")


def test_a_module_that_was_never_put_down_is_named(editable: Editable) -> None:
    """The package lies in the source tree, the module in the wheel."""
    for path in editable.site.glob(MISSING["the module"][0]):
        path.unlink()
    imported = editable.imports()
    assert imported.run.code == 1, imported.run.output
    words = "the installation of mixed-path-dep is incomplete"
    assert words in imported.run.last_line.replace("_", "-")
    editable.project.uv("sync", "--reinstall-package", "mixed-path-dep").ok()
    editable.is_quiet(editable.project.sample.shows[0])


def test_a_check_that_was_never_put_down_is_missed(editable: Editable) -> None:
    """What can't be checked is said not to be."""
    for path in editable.site.glob(MISSING["the check"][0]):
        path.unlink()
    imported = editable.imports()
    assert imported.shows == editable.project.sample.shows[0]
    assert len(imported.said) == 1
    assert imported.said[0].startswith("warning: whether text_stats is up to date can't be told: ")


def test_a_package_of_the_tree_may_become_a_namespace(editable: Editable) -> None:
    """Where nobody checks, this is the user's own affair."""
    editable.project.path("python/text_stats/__init__.py").unlink()
    imported = editable.imports("import text_stats; print(text_stats.__path__ is not None)")
    assert imported.shows == "True"
