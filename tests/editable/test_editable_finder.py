"""What an installed editable package looks like to Python and its tools."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import environment, layouts
from support.layouts import Layout
from support.workbench import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.project import Project, Run
    from support.workbench import Workbench

HOOK = "_wheelprint_pure"
RUST = """use pyo3::prelude::*;

#[pymodule]
mod NAME {
    use pyo3::prelude::*;

    #[pyfunction]
    fn answer() -> u32 {
        42
    }

    #[pyfunction]
    fn double(number: u32) -> u32 {
        2 * number
    }

    #[pyclass(module = "pkg.sub._core", get_all, frozen)]
    struct Thing {
        number: u32,
    }

    #[pymethods]
    impl Thing {
        #[new]
        fn new(number: u32) -> Self {
            Self { number }
        }

        fn __getnewargs__(&self) -> (u32,) {
            (self.number,)
        }
    }
}
"""
BUILD_SCRIPT = """fn main() {
    let folder = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::write(folder.join("made.txt"), "made").unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
"""
LAYOUT = Layout(
    "pkg.sub._core",
    {
        "build.rs": BUILD_SCRIPT,
        "python/pkg/__init__.py": "from .sub import answer\n",
        "python/pkg/sub/__init__.py": "from ._core import Thing, answer, double\n",
        "python/pkg/sub/__main__.py": "from pkg.sub import answer\n\nprint(answer())\n",
        "python/pkg/plain.py": "def add(left: int, right: int) -> int:\n    return left + right\n",
        "python/pkg/data.txt": "data",
        "python/pkg/sub/data.txt": "inner data",
        "python/pkg/tests/__init__.py": "",
        "python/pkg/tests/test_inside.py": "from ..sub._core import answer\n\n\n"
        "def test_inside() -> None:\n    assert answer() == 42\n",
    },
    "python",
    'include = [{ path = "made.txt", from = "out-dir", to = "pkg/" }]\n',
    rust=RUST,
)


@pytest.fixture(scope="module")
def project(bench: Workbench) -> Iterator[Project]:
    """The package, installed by uv, with tools beside it."""
    project = LAYOUT.check_out(bench)
    project.uv("sync").ok()
    project.uv("pip", "install", "--python", venv_python(project), *TOOLS).ok()
    yield project
    bench.put_away()


def venv_python(project: Project) -> Path:
    return environment.python_in(project.path(".venv"))


def python(project: Project, *args: str | Path, cwd: Path, **changes: str) -> Run:
    """Runs the environment's Python."""
    return project.run(venv_python(project), *args, cwd=cwd, **changes).ok()


# What the modules say of themselves


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pkg.__file__", "TREE/pkg/__init__.py"),
        ("pkg.__spec__.origin", "TREE/pkg/__init__.py"),
        ("pkg.__path__[0]", "TREE/pkg"),
        ("pkg.sub.__path__[0]", "TREE/pkg/sub"),
        ("pkg.sub.__spec__.parent", "pkg.sub"),
        ("os.path.dirname(core.__file__)", "SITE/pure.editable/pkg/sub"),
        ("core.__name__", "pkg.sub._core"),
        ("core.__package__", "pkg.sub"),
        ("core.__spec__.name", "pkg.sub._core"),
        ("core.__spec__.origin == core.__file__", "True"),
        ("type(core.__spec__.loader).__name__", "ExtensionFileLoader"),
        ("core.__spec__.has_location", "True"),
        ("sys.modules['pkg.sub._core'] is core", "True"),
        ("importlib.util.find_spec('pkg.sub._core') is core.__spec__", "True"),
        ("importlib.util.find_spec('pkg.sub.none')", "None"),
        ("importlib.util.find_spec('none')", "None"),
        ("inspect.getsourcefile(pkg)", "TREE/pkg/__init__.py"),
        ("inspect.getmodule(core.Thing) is core", "True"),
        ("sum(getattr(one, 'owner', '') == '_wheelprint_pure' for one in sys.meta_path)", "1"),
        ("sys.path.count(os.path.dirname(os.path.dirname(pkg.__file__)))", "1"),
    ],
)
def test_attributes(code: str, expected: str, project: Project) -> None:
    code = f"import importlib.util, inspect, os, sys, pkg.sub._core as core, pkg; print({code})"
    said = layouts.imported(project, code)
    site = str(layouts.site_packages(project))
    expected = expected.replace("TREE", str(project.path("python"))).replace("SITE", site)
    assert said == expected


@pytest.mark.parametrize(
    ("package", "modules"),
    [
        ("pkg", {"pkg.plain", "pkg.sub", "pkg.sub.__main__", "pkg.sub._core", "pkg.tests"}),
        ("pkg.sub", {"pkg.sub.__main__", "pkg.sub._core"}),
    ],
)
def test_walk_packages(package: str, modules: set[str], project: Project) -> None:
    code = f"import pkgutil, {package} as package\n"
    code += f"found = pkgutil.walk_packages(package.__path__, '{package}.')\n"
    code += "print(*[one.name for one in found])"
    found = layouts.imported(project, code).split()
    assert len(found) == len(set(found))
    assert modules <= set(found)


@pytest.mark.parametrize(
    ("package", "name", "content"),
    [
        ("pkg", "data.txt", "data"),
        ("pkg.sub", "data.txt", "inner data"),
        ("pkg", "sub/data.txt", "inner data"),
        pytest.param(
            *("pkg", "made.txt", "made"),
            marks=pytest.mark.skipif(sys.version_info < (3, 10), reason="from one folder only"),
        ),
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        "files(PACKAGE).joinpath(NAME).read_text()",
        "(files(PACKAGE) / NAME).read_text()",
        "files(PACKAGE).joinpath(NAME).open('rb').read().decode()",
        "as_file(files(PACKAGE).joinpath(NAME)).__enter__().read_text()",
    ],
    ids=["joinpath", "/", "open", "as_file"],
)
def test_resources(read: str, package: str, name: str, content: str, project: Project) -> None:
    code = "from importlib.resources import as_file, files\n"
    code += f"PACKAGE, NAME = {package!r}, {name!r}\nprint({read})"
    assert layouts.imported(project, code) == content


def test_names_of_resources(project: Project) -> None:
    code = "from importlib.resources import files\n"
    code += "print(*sorted(one.name for one in files('pkg').iterdir()))"
    names = layouts.imported(project, code).split()
    assert {"__init__.py", "data.txt", "plain.py", "sub"} <= set(names)
    assert sys.version_info < (3, 10) or "made.txt" in names


def test_nothing_is_deprecated(project: Project) -> None:
    """No warning on the way, whatever Python's version."""
    code = "from importlib.resources import files; import pkg; files('pkg').joinpath('made.txt')"
    said = python(project, "-W", "error", "-c", code, cwd=project.path(".venv"))
    assert said.output == ""


# What is done with them


@pytest.mark.parametrize(
    ("thing", "shows"),
    [
        ("answer", "thing()"),
        ("Thing", "thing(42).number"),
        ("Thing(42)", "thing.number"),
        ("Thing(42).__getnewargs__", "thing()[0]"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_pickles(thing: str, shows: str, protocol: int, project: Project) -> None:
    """In another process, which has not imported the package."""
    code = f"import pickle, pkg.sub._core as c; print(pickle.dumps(c.{thing}, {protocol}).hex())"
    dumped = layouts.imported(project, code)
    code = f"import pickle; thing = pickle.loads(bytes.fromhex({dumped!r})); print({shows})"
    assert layouts.imported(project, code) == "42"


@pytest.mark.parametrize("module", ["pkg.sub", "pkg.sub.__main__"])
def test_python_m(module: str, project: Project, tmp_path: Path) -> None:
    assert python(project, "-m", module, cwd=tmp_path).stdout.strip() == "42"


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("when", ["before", "in the child"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is only spawn")
def test_multiprocessing(method: str, when: str, project: Project, tmp_path: Path) -> None:
    work = "import pkg.sub._core as core\n    return core.double(number)"
    code = "import multiprocessing\n\n\n"
    code += "import pkg\n\n\n" if when == "before" else ""
    code += f"def work(number):\n    {work}\n\n\n"
    code += f"if __name__ == '__main__':\n    context = multiprocessing.get_context({method!r})\n"
    code += "    with context.Pool(2) as pool:\n        print(pool.map(work, [1, 2, 3]))\n"
    (tmp_path / "program.py").write_text(code)
    run = python(project, "program.py", cwd=tmp_path)
    assert (run.stdout.strip(), run.stderr) == ("[2, 4, 6]", "")


def test_a_compiled_function_is_given_to_a_pool(project: Project, tmp_path: Path) -> None:
    code = "import multiprocessing\nfrom pkg.sub._core import double\n\n"
    code += "if __name__ == '__main__':\n"
    code += "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
    code += "        print(pool.map(double, [1, 2, 3]))\n"
    (tmp_path / "program.py").write_text(code)
    assert python(project, "program.py", cwd=tmp_path).stdout.strip() == "[2, 4, 6]"


def test_threads_import_it_at_once(project: Project) -> None:
    code = "import threading\nfound = []\n"
    code += "def work():\n    import pkg.sub._core as core\n    found.append(core.answer())\n"
    code += "threads = [threading.Thread(target=work) for _ in range(8)]\n"
    code += "[one.start() for one in threads]; [one.join() for one in threads]; print(*found)"
    assert layouts.imported(project, code) == " ".join(["42"] * 8)


@pytest.mark.parametrize("module", ["pkg.plain", "pkg.sub", "pkg"])
def test_reload_shows_an_edit(module: str, project: Project) -> None:
    source = LAYOUT.files
    name = next(
        name
        for name in (f"python/{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
        if name in source
    )
    code = f"import importlib, pkg.sub._core, {module} as module\n"
    code += f"with open({str(project.path(name))!r}, 'a') as file: file.write('EDITED = 1\\n')\n"
    code += "path = list(getattr(module, '__path__', []))\n"
    code += "importlib.reload(module)\n"
    code += "print(module.EDITED, path == list(getattr(module, '__path__', [])))\n"
    code += "import pkg.sub; print(pkg.sub.answer())"
    try:
        assert layouts.imported(project, code, PYTHONDONTWRITEBYTECODE="1") == "1 True\n42"
    finally:
        project.write(name, source[name])


def test_imported_anew(project: Project) -> None:
    """As notebooks and test tools do: everything is thrown out of `sys.modules`."""
    code = "import sys, pkg.sub\n"
    code += (
        "for name in [*sys.modules]:\n    if name.split('.')[0] == 'pkg': del sys.modules[name]\n"
    )
    code += "import importlib; importlib.invalidate_caches()\n"
    code += "from pkg.sub import answer; print(answer())"
    assert layouts.imported(project, code) == "42"


# Import hooks of others

PATH_HOOK = """
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
)

seen = []

class Loader(SourceFileLoader):
    def get_code(self, name):
        seen.append(name)
        return super().get_code(name)

details = (ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, SOURCE_SUFFIXES)
sys.path_hooks.insert(0, FileFinder.path_hook(*details))
sys.path_importer_cache.clear()
"""
META_HOOK = """
import sys
from importlib.machinery import PathFinder

seen = []

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and name.startswith("pkg"):
            seen.append(name)
        return spec

sys.meta_path.insert(0, Finder)
"""
WRAPPERS = """
import sys

seen = []

class Wrapper:
    def __init__(self, inner):
        self.inner = inner

    def find_spec(self, name, path=None, target=None):
        spec = self.inner.find_spec(name, path, target)
        if spec is not None:
            seen.append(name)
        return spec

sys.meta_path[:] = [Wrapper(finder) for finder in sys.meta_path]
"""


@pytest.mark.parametrize(
    "hook", [PATH_HOOK, META_HOOK, WRAPPERS], ids=["path hook", "finder", "wrapped finders"]
)
def test_import_hooks_see_the_python_part(hook: str, project: Project) -> None:
    code = f"{hook}\nfrom pkg.sub._core import answer\nimport pkg.plain\nprint(answer(), *seen)"
    answer, *seen = layouts.imported(project, code).split()
    assert answer == "42"
    assert {"pkg", "pkg.sub", "pkg.plain"} <= set(seen)


def test_beartype_checks_the_python_part(project: Project) -> None:
    code = "from beartype.claw import beartype_package\nbeartype_package('pkg')\n"
    code += "import pkg.plain\nprint(pkg.answer())\n"
    code += "try:\n    pkg.plain.add('1', '2')\nexcept Exception as error:\n"
    code += "    print(type(error).__name__)"
    said = layouts.imported(project, code).split()
    assert said == ["42", "BeartypeCallHintParamViolation"]


# Test tools


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
@pytest.mark.parametrize("place", ["outside", "inside", "installed"])
def test_pytest(place: str, mode: str, workers: str, project: Project, tmp_path: Path) -> None:
    tests = {
        "outside": ["test_outside.py"],
        "inside": [str(project.path("python/pkg/tests"))],
        "installed": ["--pyargs", "pkg"],
    }[place]
    test = "import pkg.sub._core as core\n\n\ndef test_it():\n    assert core.answer() == 42\n"
    (tmp_path / "test_outside.py").write_text(test)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = (f"--import-mode={mode}", "-n", workers, "-p", "no:cacheprovider", "-q")
    run = python(project, "-m", "pytest", "-c", "pytest.ini", *options, *tests, cwd=tmp_path)
    assert "1 passed" in run.stdout


def test_coverage_measures_the_python_part(project: Project, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import pkg.plain\nprint(pkg.plain.add(1, 2))\n")
    python(project, "-m", "coverage", "run", "--source=pkg", "program.py", cwd=tmp_path)
    said = python(project, "-m", "coverage", "report", cwd=tmp_path).stdout
    (line,) = [line for line in said.splitlines() if "plain.py" in line]
    assert line.endswith("100%")
    assert HOOK not in said


# The interpreter's start


def pth(project: Project) -> Path:
    return layouts.site_packages(project) / "pure.pth"


def test_the_plain_path_comes_first(project: Project) -> None:
    first, second = pth(project).read_text().splitlines()
    assert first == str(project.path("python"))
    assert second == f"import {HOOK}; {HOOK}.install()"


def test_the_start_file_names_what_the_pth_calls(project: Project) -> None:
    assert pth(project).with_suffix(".start").read_text() == f"{HOOK}:install\n"


def test_pth_and_start_run_both(project: Project) -> None:
    """As a Python that knows `.start` may do; here it is done by hand."""
    code = "import importlib, sys\nbefore = list(sys.meta_path)\n"
    code += (
        f"module, function = open({str(pth(project).with_suffix('.start'))!r}).read().split(':')\n"
    )
    code += "getattr(importlib.import_module(module), function.strip())()\n"
    code += "print(before == sys.meta_path)"
    assert layouts.imported(project, code) == "True"


@pytest.mark.skipif(sys.version_info < (3, 15), reason="knows no .start files")
def test_the_start_file_is_run_in_place_of_the_pths_import(project: Project) -> None:
    """PEP 829. The plain path of the `.pth` is read as ever."""
    file = pth(project)
    first = file.read_text().splitlines()[0]
    # It is a link to uv's cache.
    off = file.rename(file.with_suffix(".off"))
    try:
        file.write_text(f"{first}\nimport sys; sys.stderr.write('from the .pth')\n")
        code = f"import sys; print({HOOK!r} in sys.modules, {first!r} in sys.path)"
        assert layouts.imported(project, code) == "True True"
        assert layouts.imported(project, "import pkg; print(pkg.answer())") == "42"
    finally:
        off.replace(file)


@pytest.mark.parametrize("options", [(), ("-I",), ("-X", "utf8=0"), ("-O",)], ids=str)
def test_nothing_more_is_loaded_at_start(options: tuple[str, ...], project: Project) -> None:
    def loaded() -> set[str]:
        run = python(
            project, *options, "-c", "import sys; print(*sys.modules)", cwd=project.path(".venv")
        )
        return set(run.stdout.split())

    with_it, file = loaded(), pth(project)
    off = file.rename(file.with_suffix(".off"))
    try:
        assert with_it - loaded() == {HOOK}
    finally:
        off.rename(file)


def test_without_the_site_module_there_is_nothing(project: Project) -> None:
    code = "import sys; print(len(sys.meta_path), 'pkg' in sys.modules)"
    run = python(project, "-S", "-c", code, cwd=project.path(".venv"))
    assert run.stdout.split()[1] == "False"


# What is installed stays as it is


def installed(project: Project) -> dict[str, tuple[int, int, int]]:
    """Inode, time and size of every file in site-packages, but for compiled Python."""
    folder = layouts.site_packages(project)
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    stats = {path.relative_to(folder).as_posix(): path.stat() for path in files}
    return {name: (seen.st_ino, seen.st_mtime_ns, seen.st_size) for name, seen in stats.items()}


def test_an_import_writes_nothing(project: Project) -> None:
    before = installed(project)
    assert layouts.imported(project, "import pkg; print(pkg.answer())") == "42"
    assert installed(project) == before


@pytest.mark.parametrize("policy", ["warn", "error"])
def test_a_stale_import_writes_nothing(policy: str, project: Project) -> None:
    before, source = installed(project), project.read("src/lib.rs")
    project.append("src/lib.rs", "// edited\n")
    try:
        run = project.run(
            venv_python(project),
            *("-c", "import pkg; print(pkg.answer())"),
            cwd=project.path(".venv"),
            WHEELPRINT_ON_STALE=policy,
        )
    finally:
        project.write("src/lib.rs", source)
    assert "src/lib.rs changed" in run.stderr
    assert (run.code == 0) == (policy == "warn")
    assert installed(project) == before


@pytest.mark.skipif(sys.platform == "win32", reason="uv copies there")
def test_files_are_linked_to_the_cache(project: Project) -> None:
    """Or the tests above would show nothing."""
    inputs = layouts.site_packages(project) / "pure.editable" / "inputs"
    assert inputs.stat().st_nlink > 1


def test_a_cache_folder_that_is_none(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    code = "import pkg; print(pkg.answer())"
    assert layouts.imported(project, code, WHEELPRINT_CACHE_DIR=str(file)) == "42"


def test_uninstalling_leaves_nothing(project: Project) -> None:
    """Comes last."""
    project.uv("pip", "uninstall", "--python", venv_python(project), "pure").ok()
    left = [path.name for path in layouts.site_packages(project).iterdir()]
    assert [name for name in left if name.startswith(("pure", HOOK))] == []
