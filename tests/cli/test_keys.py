"""`wheelprint keys`: what uv is told to watch."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import installed
from support.commands import wheelprint
from support.keys import without_keys

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

MARK = "`wheelprint keys --write` replaces the lines below"
#: What the mark of the short list says after that.
REST = "; the import check sees what no key names"
OURS = """[project]
name = "x"
[build-system]
requires = ["wheelprint"]
build-backend = "wheelprint"
"""
BUILD_SCRIPT = """fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    std::fs::write("src/made.rs", "pub const MADE: u32 = 1;\\n").unwrap();
}
"""


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """A project with a path dependency, and no keys."""
    return without_keys(check_out("mixed-path-dep"))


def keys(text: str) -> list[str]:
    """The keys in a text, as they are written."""
    return re.findall(r"(?m)^ +(\{ .* \}|\".*\"),", text)


def files(text: str) -> list[str]:
    return re.findall(r'\{ file = "(.*)" \}', text)


@pytest.mark.first_build
def test_before_a_build_they_are_what_cargo_tells(project: Project) -> None:
    said = wheelprint(project, "keys").ok()
    assert "nothing was built yet" in said.stderr
    assert files(said.stdout)[0] == "pyproject.toml"
    assert {"src/**/*.rs", "../shared-core/src/**/*.rs"} <= set(files(said.stdout))
    # What only the compiler can know.
    assert "../shared-core/data/stop-words.txt" not in files(said.stdout)


def test_after_a_build_they_are_few(project: Project) -> None:
    project.uv("sync").ok()
    said = wheelprint(project, "keys").ok()
    assert said.stderr == ""
    assert keys(said.stdout) == [
        f'{{ file = "{file}" }}'
        for file in (
            "pyproject.toml",
            "Cargo.lock",
            "Cargo.toml",
            "README.md",
            "src/**/*.rs",
            "../shared-core/Cargo.toml",
            "../shared-core/data/stop-words.txt",
            "../shared-core/src/**/*.rs",
        )
    ]
    # Sources in the covered folders change nothing, whether a module names them or not.
    project.write("src/more/deep.rs", "")
    project.write("../shared-core/src/new.rs", "")
    assert wheelprint(project, "keys").ok().stdout == said.stdout


def test_the_exhaustive_list(project: Project) -> None:
    project.uv("sync").ok()
    said = wheelprint(project, "keys", "--exhaustive").ok()
    assert said.stderr == ""
    assert {
        "pyproject.toml",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "src/**/*.rs",
        "../shared-core/Cargo.toml",
        "../shared-core/src/**/*.rs",
        "../shared-core/data/stop-words.txt",
        # By absence.
        ".cargo/config.toml",
        "build.rs",
        "rust-toolchain.toml",
    } <= set(files(said.stdout))
    assert '{ env = "RUSTFLAGS" }' in keys(said.stdout)
    assert '{ env = "PYO3_PYTHON" }' not in keys(said.stdout)
    # Nothing that is printed is written.
    assert "cache-keys" not in project.read("pyproject.toml")

    wheelprint(project, "keys", "--write").ok()
    text = project.read("pyproject.toml")
    assert f"    # {MARK}{REST}\n" in text
    assert wheelprint(project, "keys", "--check").code == 0
    checked = wheelprint(project, "keys", "--check", "--exhaustive")
    assert checked.code == 1
    assert "RUSTFLAGS: no cache key covers it" in checked.stdout
    # The setting is the same choice for every command.
    project.append("pyproject.toml", '\n[tool.wheelprint]\ncache-keys = "exhaustive"\n')
    assert wheelprint(project, "keys", "--check").stdout == checked.stdout
    wheelprint(project, "keys", "--write").ok()
    assert f"    # {MARK}\n" in project.read("pyproject.toml")
    checked = wheelprint(project, "keys", "--check").ok()
    assert checked.stdout.endswith("inputs: the cache keys cover all that uv can see\n")
    assert wheelprint(project, "keys", "--check", WHEELPRINT_CACHE_KEYS="short").code == 0
    # Nothing is built for the setting.
    assert project.uv("sync", "-v").ok().verdict.startswith("fresh: ")
    # Where no import checks, nothing sees a variable.
    project.replace("pyproject.toml", "cache-keys", 'on-stale = "ignore"\ncache-keys')
    assert wheelprint(project, "keys").ok().stderr == ""
    short = wheelprint(project, "keys", WHEELPRINT_CACHE_KEYS="short").ok()
    assert "note: no import compares anything" in short.stderr
    project.replace("pyproject.toml", '"exhaustive"', '"long"')
    failed = wheelprint(project, "keys")
    assert failed.code == 2
    assert "tool.wheelprint.cache-keys: unknown value `long`" in failed.stderr


@pytest.mark.first_build
@pytest.mark.parametrize("made_by", ["uv init", "wheelprint new"])
def test_a_usual_project_is_right_before_its_first_build(made_by: str, project: Project) -> None:
    """Few keys, the same before and after the build; no variable of pyo3 fails the check."""
    folder = project.output_folder()
    root = folder / "usual"
    if made_by == "uv init":
        options = ("--build-backend", "maturin", "--lib", "--no-workspace", "--vcs", "none")
        project.uv("init", *options, "usual", cwd=folder).ok()
        path = root / "pyproject.toml"
        text = re.sub(r"(?s)\[tool\.uv\]\ncache-keys = .*?\n\n", "", path.read_text())
        path.write_text(text)
        wheelprint(project, "init", "--yes", cwd=root).ok()
    else:
        wheelprint(project, "new", "usual", cwd=folder).ok()
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert set(keys(text)) == {
        f'{{ file = "{file}" }}'
        for file in ("pyproject.toml", "Cargo.lock", "Cargo.toml", "README.md", "src/**/*.rs")
    }
    assert wheelprint(project, "keys", "--check", cwd=root).code == 0
    project.uv("sync", cwd=root).ok()
    checked = wheelprint(project, "keys", "--check", cwd=root).ok()
    assert checked.stdout.endswith("and the import check covers the rest\n")
    assert "uv will not notice" not in project.uv("sync", "-v", "--reinstall", cwd=root).ok().output
    assert "nothing to change" in wheelprint(project, "keys", "--write", cwd=root).ok().stdout
    assert (root / "pyproject.toml").read_text(encoding="utf-8") == text


def test_what_uv_init_wrote_is_enough_but_for_the_readme(project: Project) -> None:
    folder = project.output_folder()
    options = ("--build-backend", "maturin", "--lib", "--no-workspace", "--vcs", "none")
    project.uv("init", *options, "usual", cwd=folder).ok()
    root = folder / "usual"
    wheelprint(project, "init", "--yes", cwd=root).ok()
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert files(text.partition(MARK)[2]) == ["README.md"]


CRATES = {
    "Cargo.toml": "[workspace]\nmembers = ['binding', 'crates/*']\nresolver = '3'\n",
    "crates/shared/Cargo.toml": (
        "[package]\nname = 'shared'\nversion = '1.0.0'\nedition = '2024'\n"
        "[dependencies]\nword = { path = '../word' }\n"
    ),
    "crates/shared/src/lib.rs": "pub const WORD: u32 = word::word!();\n",
    "crates/word/Cargo.toml": (
        "[package]\nname = 'word'\nversion = '1.0.0'\nedition = '2024'\n[lib]\nproc-macro = true\n"
    ),
    "crates/word/src/lib.rs": (
        "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
        '    "1".parse().unwrap()\n}\n'
    ),
    "binding/c/one.c": "int one(void) { return 1; }\n",
    "binding/c/two.c": "int two(void) { return 2; }\n",
    "binding/data/a.txt": "a",
    "binding/data/b.txt": "b",
    "binding/build.rs": (
        "fn main() {\n"
        '    println!("cargo:rerun-if-changed=c/one.c");\n'
        '    println!("cargo:rerun-if-changed=c/two.c");\n}\n'
    ),
}


def test_a_workspace_has_few_keys(check_out: CheckOut) -> None:
    """A shared crate, a macro, C sources and data."""
    project = without_keys(check_out("pure"))
    root = project.root / "binding"
    root.mkdir()
    for name in ("Cargo.toml", "README.md", "pyproject.toml", "src"):
        project.path(name).rename(root / name)
    for name, text in CRATES.items():
        project.write(name, text)
    project.append("binding/Cargo.toml", "\n[dependencies.shared]\npath = '../crates/shared'\n")
    included = [f'const _: &str = include_str!("../data/{name}.txt");\n' for name in "ab"]
    project.append("binding/src/lib.rs", "".join(included) + "const _: u32 = shared::WORD;\n")
    project.uv("sync", cwd=root).ok()
    wheelprint(project, "keys", "--write", cwd=root).ok()
    assert keys(project.read("binding/pyproject.toml")) == [
        f'{{ file = "{file}" }}'
        for file in (
            "pyproject.toml",
            "Cargo.toml",
            "README.md",
            "build.rs",
            "c/**/*.c",
            "data/**/*.txt",
            "src/**/*.rs",
            "../Cargo.lock",
            "../Cargo.toml",
            "../crates/*/Cargo.toml",
            "../crates/*/src/**/*.rs",
        )
    ]

    def verdict() -> str:
        return project.uv("sync", "-v", cwd=root).ok().verdict

    # uv sees each of them.
    project.uv("sync", cwd=root).ok()
    for name, said in [
        ("binding/c/two.c", "c/two.c"),
        ("binding/data/b.txt", "data/b.txt"),
        ("crates/word/src/lib.rs", "../crates/word/src/lib.rs"),
    ]:
        project.append(name, "\n")
        assert verdict() == f"stale: {said} changed"
    project.write("crates/shared/src/unused.rs", "")
    assert verdict().startswith("fresh: ")
    # It does not see what nothing is built from.
    project.write("crates/shared/tests/test.rs", "")
    assert "Calling `wheelprint." not in project.uv("sync", "-v", cwd=root).ok().output
    assert "nothing to change" in wheelprint(project, "keys", "--write", cwd=root).ok().stdout


def test_they_are_written_once_and_nothing_is_built_for_them(project: Project) -> None:
    before = project.read("pyproject.toml")
    project.uv("sync").ok()
    said = wheelprint(project, "keys", "--write").ok()
    assert '+ { file = "src/**/*.rs" }' in said.stdout
    assert said.stdout.endswith("wrote pyproject.toml\n")
    text = project.read("pyproject.toml")
    assert re.sub(r"(?s)\[tool\.uv\]\n.*?\n\]\n\n", "", text) == before, "nothing else is touched"
    assert wheelprint(project, "keys", "--write").ok().stdout.startswith("nothing to change: ")
    assert project.read("pyproject.toml") == text
    project.spy.clear()
    project.uv("sync").ok()
    project.spy.assert_idle()
    installed.hears_nothing(project)
    checked = wheelprint(project, "keys", "--check").ok()
    assert "the cache keys cover the project's files" in checked.stdout


def test_line_endings_stay(project: Project) -> None:
    path = project.path("pyproject.toml")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write").ok()
    text = path.read_bytes()
    assert b"src/**/*.rs" in text
    assert text.count(b"\n") == text.count(b"\r\n")
    assert "nothing to change" in wheelprint(project, "keys", "--write").ok().stdout


def test_keys_of_people_are_kept(project: Project) -> None:
    theirs = """
[tool.uv]
cache-keys = [
    "pyproject.toml", # ours
    { file = "src/**/*.rs" },
    { env = "MINE" },
    { file = "schema/*.json" },
]
"""
    project.append("pyproject.toml", theirs)
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write").ok()
    text = project.read("pyproject.toml")
    assert theirs.rstrip().removesuffix("]").rstrip() in text
    mine, ours = text.split(f"    # {MARK}{REST}\n")
    assert keys(mine)[-1] == '{ file = "schema/*.json" }'
    assert not {"pyproject.toml", "src/**/*.rs"} & set(files(ours))
    assert "../shared-core/src/**/*.rs" in files(ours)

    # Ours go when they are no longer needed, theirs stay.
    project.write("more/x.json", "1")
    project.append("pyproject.toml", '\n[tool.wheelprint]\nextra-inputs = ["more/**/*.json"]\n')
    project.uv("sync").ok()
    assert '+ { file = "more/**/*.json" }' in wheelprint(project, "keys", "--write").ok().stdout
    project.replace("pyproject.toml", 'extra-inputs = ["more/**/*.json"]', "")
    project.uv("sync").ok()
    assert '- { file = "more/**/*.json" }' in wheelprint(project, "keys", "--write").ok().stdout
    assert mine in project.read("pyproject.toml")


def test_check_names_what_no_key_covers(project: Project) -> None:
    project.append(
        "pyproject.toml", '\n[tool.uv]\ncache-keys = ["pyproject.toml", "src/**/*.rs"]\n'
    )
    project.uv("sync").ok()
    checked = wheelprint(project, "keys", "--check")
    assert checked.code == 1
    lines = checked.stdout.splitlines()
    assert "../shared-core/data/stop-words.txt: no cache key covers it" in lines
    assert "../shared-core/src/lib.rs: no cache key covers it" in lines
    assert "RUSTFLAGS: no cache key covers it" not in lines
    assert not [line for line in lines if line.startswith(("src/lib.rs", "pyproject.toml"))]
    assert lines[-1] == "run `wheelprint keys --write`"
    assert len(lines) == len(set(lines))


def test_what_a_build_writes_is_not_matched(check_out: CheckOut) -> None:
    project = without_keys(check_out("pure"))
    project.write("build.rs", BUILD_SCRIPT)
    project.write("src/lib.rs", project.read("src/lib.rs") + "\nmod made;\n")
    project.write("src/made.rs", "pub const MADE: u32 = 0;\n")
    project.uv("sync").ok()
    # The first build changed a source of its own, and can't say what it was made from.
    project.edit()
    project.uv("sync", "--reinstall").ok()
    wheelprint(project, "keys", "--write").ok()
    written = files(project.read("pyproject.toml"))
    assert "src/lib.rs" in written
    assert not {"src/made.rs", "src/**/*.rs"} & set(written)
    project.replace("build.rs", "= 1", "= 2")
    project.uv("sync").ok()
    project.uv("sync").ok()
    installed.hears_nothing(project)


def test_a_build_script_that_writes_beside_the_sources_hides_none(check_out: CheckOut) -> None:
    project = without_keys(check_out("cffi-bindings"))
    project.write("build.rs", BUILD_SCRIPT.replace("=build.rs", "=src"))
    project.write("src/lib.rs", project.read("src/lib.rs") + "\nmod made;\n")
    project.uv("sync").ok()
    # The folder is as new as the file that the script made there; its other files are not.
    said = wheelprint(project, "keys").ok()
    assert "src/lib.rs" in files(said.stdout)
    assert "src/made.rs" not in files(said.stdout)


def test_line_endings_and_a_byte_order_mark_stay(project: Project) -> None:
    path = project.path("pyproject.toml")
    before = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    wheelprint(project, "keys", "--write").ok()
    written = path.read_bytes()
    assert written.startswith(before[:40])
    assert written.count(b"\n") == written.count(b"\r\n") > before.count(b"\n")
    assert "nothing to change" in wheelprint(project, "keys", "--write").ok().stdout


def test_wide_keys_are_warned_of(project: Project) -> None:
    project.append("pyproject.toml", '\n[tool.uv]\ncache-keys = ["pyproject.toml", "**/*.rs"]\n')
    project.uv("sync").ok()
    project.write("target/made.rs", "")
    said = wheelprint(project, "keys", "--check").stderr
    assert re.search(r'warning: "\*\*/\*\.rs" matches target/\S+\.rs, which a build writes: ', said)


@pytest.mark.skipif(sys.platform == "win32", reason="names")
def test_wildcards_in_names(project: Project) -> None:
    project.append("pyproject.toml", '\n[tool.wheelprint]\nextra-inputs = ["data/*"]\n')
    project.write("data/[a]*.json", "1")
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write").ok()
    project.uv("sync").ok()
    installed.hears_nothing(project)
    project.write("data/[a]*.json", "2")
    said = project.uv("sync", "-v").ok().verdict
    assert said == "stale: data/[a]*.json changed"


def test_a_build_says_once_what_uv_will_not_notice(project: Project) -> None:
    said = "uv will not notice changes of "
    first = project.uv("sync", "-v").ok().output
    assert len(re.findall(said, first)) == 1
    assert "`uvx wheelprint keys --write`" in first
    project.edit()
    again = project.uv("sync", "-v", "--reinstall").ok().output
    assert "wheelprint: stale: " in again
    assert said not in again, "it was said"
    wheelprint(project, "keys", "--write").ok()
    project.write("src/more.txt", "more")
    project.replace("src/lib.rs", "use ", 'const _: &str = include_str!("more.txt");\nuse ')
    more = project.uv("sync", "-v").ok().output
    assert re.search(f"{said}src/more.txt: ", more)


@pytest.mark.parametrize("command", [["keys"], ["keys", "--write"], ["status"], ["explain"]])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "pyproject.toml: no such file"),
        ("[project\n", "pyproject.toml:1:9: "),
        ('[project]\nname = "x"\n', "build-system: no such table"),
        ('[build-system]\nbuild-backend = "hatchling.build"\n', "Hatch builds it"),
        ('[build-system]\nbuild-backend = "maturin"\n', "maturin builds it, not wheelprint"),
        (
            f"{OURS}[tool.uv]\ncache-keys = 3\n",
            "tool.uv.cache-keys: expected a list",
        ),
        (
            f'{OURS}[tool.uv]\ncache-keys = [{{ fil = "x" }}]\n',
            'tool.uv.cache-keys: not a cache key of uv: { fil = "x" }',
        ),
        (f"{OURS}[tool.wheelprint]\nreus = 1\n", "tool.wheelprint.reus: "),
    ],
)
def test_what_is_wrong_is_said(
    command: list[str], text: str | None, said: str, project: Project
) -> None:
    project.path("pyproject.toml").unlink()
    if text is not None:
        project.write("pyproject.toml", text)
    failed = wheelprint(project, *command)
    # No key is asked for where nothing is installed.
    if command == ["status"] and "cache-keys" in said:
        return
    assert failed.code == 2, failed.output
    assert failed.stderr.startswith("error: ")
    assert said in failed.stderr
    assert failed.stdout == ""
    if text is not None:
        assert project.read("pyproject.toml") == text


@pytest.mark.first_build
def test_no_cargo_before_the_first_build(project: Project) -> None:
    failed = wheelprint(project, "keys", "--write", PATH="")
    assert failed.code == 2
    assert "cargo: not found on PATH" in failed.stderr
    assert "hint: install Rust" in failed.stderr


def test_a_program_is_never_imported_so_uv_has_to_see_all(check_out: CheckOut) -> None:
    program = without_keys(check_out("bin-bindings"))
    said = wheelprint(program, "keys").ok().stdout
    assert '{ env = "RUSTFLAGS" }' in said
    assert (
        '{ env = "RUSTFLAGS" }'
        not in wheelprint(program, "keys", WHEELPRINT_CACHE_KEYS="short").stdout
    )


def test_a_wheel_that_is_not_editable_is_replaced(check_out: CheckOut) -> None:
    project = without_keys(check_out("bin-bindings"))
    project.uv("sync").ok()
    project.uv("sync", "--no-editable").ok()
    said = wheelprint(project, "status").stdout
    assert "sees a change: it is not installed as editable" in said
    assert "does nothing" not in said


def test_an_environment_that_prints_is_one(check_out: CheckOut) -> None:
    project = without_keys(check_out("bin-bindings"))
    project.uv("sync").ok()
    place = Path(project.env["UV_PROJECT_ENVIRONMENT"])
    packages = next(place.glob("**/site-packages"))
    (packages / "sitecustomize.py").write_text("print('hello from here')\n", encoding="utf-8")
    assert wheelprint(project, "status").ok().stdout.startswith("fresh")


def test_keys_reach_no_binary(check_out: CheckOut) -> None:
    """A build script that names nothing to watch has every file count, pyproject.toml too."""
    project = without_keys(check_out("bin-bindings"))
    project.write("build.rs", "fn main() {}\n")
    project.uv("sync").ok()
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write").ok()
    project.spy.clear()
    said = project.uv("sync", "-v").ok().verdict
    assert said.startswith("fresh: "), said
    project.spy.assert_idle()
    project.append("pyproject.toml", "\n[tool.other]\nx = 1\n")
    assert "pyproject.toml changed" in project.uv("sync", "-v").ok().verdict


@pytest.mark.skipif(sys.version_info < (3, 11), reason="bytes are compared")
def test_keys_reach_no_import(check_out: CheckOut) -> None:
    """The same, asked by an import before any frontend."""
    project = without_keys(check_out("pure"))
    project.write("build.rs", "fn main() {}\n")
    project.uv("sync").ok()
    project.uv("sync").ok()
    editable = installed.Editable(project, Path(project.env["UV_PROJECT_ENVIRONMENT"]))
    wheelprint(project, "keys", "--write").ok()
    assert editable.imports(WHEELPRINT_ON_STALE="error").shows
    project.append("pyproject.toml", "\n[tool.other]\nx = 1\n")
    refused = editable.imports(WHEELPRINT_ON_STALE="error").run
    assert refused.code == 1
    assert "pyproject.toml changed" in refused.stderr


def test_the_project_is_found_above(project: Project) -> None:
    project.uv("sync").ok()
    here = wheelprint(project, "status").ok().stdout
    assert wheelprint(project, "status", cwd=project.path("src")).ok().stdout.startswith("fresh")
    assert here.startswith("fresh")
    said = wheelprint(project, "keys", "--write", cwd=project.path("src")).ok().stdout
    assert said.endswith("wrote ../pyproject.toml\n")
    assert wheelprint(project, "status", "src").ok().stdout.startswith("fresh")
    # A folder that does not exist stands for no project.
    nowhere = wheelprint(project, "status", "nowhere")
    assert nowhere.code == 2
    assert "nowhere" in nowhere.stderr


def test_undo_after_the_keys_were_written(check_out: CheckOut) -> None:
    project = without_keys(check_out("bin-bindings"))
    project.switch_to_maturin()
    before = project.path("pyproject.toml").read_bytes()
    wheelprint(project, "init", "--yes").ok()
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write").ok()
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert project.path("pyproject.toml").read_bytes() == before


def test_the_environment_that_uv_will_make(project: Project) -> None:
    project.uv("sync").ok()
    said = wheelprint(project, "status", UV_PROJECT_ENVIRONMENT="not-there")
    assert said.code == 1
    assert "it is not installed" in said.stdout
