"""What bad input gets: one test for each row of the table, and what must not happen besides."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import wheels
from support.privileges import mode, obeying_modes

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project, Run

HOOKS = pytest.mark.parametrize(
    "hook",
    [
        "get_requires_for_build_wheel",
        "get_requires_for_build_editable",
        "get_requires_for_build_sdist",
        "prepare_metadata_for_build_wheel",
        "prepare_metadata_for_build_editable",
        "build_wheel",
        "build_editable",
        "build_sdist",
    ],
)
NO_SYMLINKS = pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
WRITE = 0o222
READ = 0o444


def call(project: Project, hook: str, **rest: Any) -> Run:
    args = (None,) if hook.startswith("get") else (project.output_folder(), None)
    return project.hook(hook, *args, **rest)


def assert_says(run: Run, *texts: str) -> None:
    """The run failed, with these texts in a message and not in a traceback."""
    run.failed()
    assert "Traceback" not in run.stderr, run.stderr
    for text in texts:
        assert text in run.stderr, run.stderr


def assert_nothing_delivered(folder: Path) -> None:
    left = [path.name for path in folder.iterdir()]
    assert left == []


class TestPyproject:
    """Missing, no TOML, wrong types."""

    @HOOKS
    def test_missing(self, hook: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.path("pyproject.toml").unlink()
        assert_says(call(project, hook), "pyproject.toml")

    @HOOKS
    def test_no_toml(self, hook: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        before = project.read("pyproject.toml")
        project.append("pyproject.toml", "\n[tool.broken\nkey = 1\n")
        line = before.count("\n") + 2
        assert_says(call(project, hook), "pyproject.toml", str(line))

    @pytest.mark.parametrize(
        ("old", "new", "field"),
        [
            ('requires = ["wheelprint"]', 'requires = "wheelprint"', "build-system.requires"),
            ('requires = ["wheelprint"]', "requires = [1]", "build-system.requires"),
            ("[tool.uv]", "[tool]\nwheelprint = 3\n[tool.uv]", "tool.wheelprint"),
            ("[tool.uv]", "[tool]\nmaturin = 3\n[tool.uv]", "tool.maturin"),
            ("[tool.uv]", "[tool.maturin]\nbindings = 3\n[tool.uv]", "bindings"),
            ("[tool.uv]", "[tool.maturin]\nmanifest-path = 3\n[tool.uv]", "manifest-path"),
        ],
    )
    @pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "build_editable"])
    def test_wrong_types(
        self, hook: str, old: str, new: str, field: str, check_out: CheckOut
    ) -> None:
        project = check_out("pure")
        project.replace("pyproject.toml", old, new)
        run = call(project, hook)
        assert_says(run, "pyproject.toml", field)
        # The field first, the cause after it.
        assert re.search(r"(expected|invalid|must be)", run.stderr.split(field, 1)[1])

    def test_not_utf_8(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.path("pyproject.toml").write_bytes(b'[project]\nname = "\xff"\n')
        assert_says(call(project, "build_editable"), "pyproject.toml", "UTF-8")

    def test_a_folder(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.path("pyproject.toml").unlink()
        project.path("pyproject.toml").mkdir()
        assert_says(call(project, "build_editable"), "pyproject.toml")

    def test_a_byte_order_mark_does_not_stop_what_maturin_can_build(
        self, check_out: CheckOut
    ) -> None:
        project = check_out("bin-bindings", built_by="maturin")
        text = project.read("pyproject.toml")
        project.path("pyproject.toml").write_text(text, encoding="utf-8-sig")
        theirs = call(project, "build_wheel", backend="maturin")
        ours = call(project, "build_wheel")
        assert (ours.code == 0) is (theirs.code == 0), ours.output + theirs.output

    @pytest.mark.parametrize("text", ["", "[package", "[package]\nname = 3\n"])
    def test_cargo_manifest(self, text: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("Cargo.toml", text)
        folder = project.output_folder()
        run = project.hook("build_editable", folder, None)
        assert_says(run, "Cargo.toml")
        assert_nothing_delivered(folder)


@pytest.mark.skipif(os.name == "nt", reason="programs are linked into a folder by symlink")
class TestMissingTools:
    """What is missing, and the line that installs it."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        for program in ("sh", "uname", "cc", "ld", "env"):
            found = shutil.which(program, path=os.defpath)
            if found is not None:
                (tmp_path / program).symlink_to(found)
        return str(tmp_path)

    @pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
    def test_no_cargo(self, hook: str, path: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        folder = project.output_folder()
        run = project.hook(hook, folder, None, PATH=path, MATURIN_NO_INSTALL_RUST="1")
        assert_says(run, "cargo", "rustup.rs")
        assert_nothing_delivered(folder)

    def test_a_download_of_rust_is_announced(
        self, path: str, tmp_path: Path, check_out: CheckOut
    ) -> None:
        """Rust itself can't be downloaded in a test, so maturin's package for it fails at once."""
        package = tmp_path / "site" / "puccinialin"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("def setup_rust(): raise SystemExit('no download')\n")
        info = tmp_path / "site" / "puccinialin-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: puccinialin\nVersion: 1\n")
        project = check_out("pure")
        folder = project.output_folder()
        run = project.hook("build_wheel", folder, None, PATH=path, PYTHONPATH=str(info.parent))
        said = run.failed().stderr
        assert "no download" in said
        assert said.index("maturin downloads Rust now") < said.index("no download")

    @pytest.mark.parametrize("hook", ["build_wheel", "build_editable", "build_sdist"])
    def test_no_maturin(self, hook: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        folder = project.output_folder()
        run = project.hook(hook, folder, None, venv=None)
        assert_says(run, "maturin", "pip install")
        assert_nothing_delivered(folder)

    @pytest.mark.spy
    def test_no_maturin_without_isolation(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        venv = project.bench.venv(None)
        run = project.pip(venv, "wheel", "--no-build-isolation", "--no-deps", ".").failed()
        assert "maturin" in run.output
        assert "pip install" in run.output
        assert project.spy.calls("maturin") == []

    def test_a_maturin_that_is_too_old(self, check_out: CheckOut) -> None:
        """Said so, or built right; not a traceback from somewhere inside."""
        project = check_out("pure")
        project.requires("wheelprint", "maturin<1.2")
        run = project.uv("build", "--wheel", "-o", project.output_folder())
        # The wheelhouse has none: uv itself says that. What must not be is ours overruling it.
        run.failed()
        assert "maturin" in run.output


class TestCompilerErrors:
    """The compiler's output whole and last; nothing stored, nothing stamped."""

    BROKEN = 'pub const ANSWER: u32 = "forty-two";\n'

    @pytest.mark.parametrize("kind", ["wheel", "editable"])
    def test_the_message_is_last(self, kind: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        folder = project.output_folder()
        run = project.hook(f"build_{kind}", folder, None)
        assert_says(run, "error[E0308]: mismatched types", "src/answer.rs:1:25", "forty-two")
        assert run.code == 1
        assert run.result is None
        assert re.match(r"(error: could not compile `pure`|For more information)", run.last_line)
        assert_nothing_delivered(folder)

    @pytest.mark.skipif(os.name == "nt", reason="the wrapper is a shell script")
    def test_no_cargo_runs_on(self, check_out: CheckOut, tmp_path: Path) -> None:
        """Cargo that runs on may find its folder gone, and keeps what rustc said to that."""
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        log, cargo = tmp_path / "log", tmp_path / "cargo"
        real = shutil.which("cargo", path=project.env["PATH"])
        cargo.write_text(
            f"#!/bin/sh\necho begun $1 >> {log}\n[ $1 = package ] && sleep 3\n"
            f'{real} "$@"\ncode=$?\necho ended >> {log}\nexit $code\n'
        )
        cargo.chmod(0o755)
        path = os.pathsep.join([str(tmp_path), project.env["PATH"]])
        project.hook("build_wheel", project.output_folder(), None, PATH=path).failed()
        said = log.read_text().split()
        assert "package" in said
        assert said.count("begun") == said.count("ended")

    def test_nothing_is_stored(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.editable()
        _, good = project.build("editable")
        project.write("src/answer.rs", self.BROKEN)
        for _ in range(2):
            call(project, "build_editable").failed()
        # Not even asked for less: a build is still coming.
        run = project.hook("get_requires_for_build_editable", None, venv=None).ok()
        assert run.result

        project.write("src/answer.rs", "pub const ANSWER: u32 = 42;\n")
        _, again = project.build("editable", venv=None)
        assert again.read_bytes() == good.read_bytes()

    def test_the_next_good_build_is_right(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        call(project, "build_editable").failed()
        project.write("src/answer.rs", "pub const ANSWER: u32 = 7;\n")
        _, wheel = project.build("editable")
        assert project.python(project.installed(wheel), project.sample.probe) == "7"

    @pytest.mark.parametrize("command", ["sync", "run", "build", "pip"])
    def test_through_uv(self, command: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        args = {
            "sync": ["sync"],
            "run": ["run", "python", "-c", "print('must not run')"],
            "build": ["build", "--wheel"],
            "pip": ["pip", "install", "--target", str(project.output_folder()), "."],
        }[command]
        run = project.uv(*args).failed()
        assert "must not run" not in run.stdout
        assert "error[E0308]: mismatched types" in run.output
        assert "Traceback" not in run.output

    def test_through_pip(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        run = project.pip(project.new_venv(), "install", ".").failed()
        assert "error[E0308]: mismatched types" in run.output
        assert "Traceback" not in run.output

    def test_through_build(self, check_out: CheckOut) -> None:
        project = check_out("pure")
        project.write("src/answer.rs", self.BROKEN)
        run = project.pyproject_build("--wheel", "-o", project.output_folder()).failed()
        assert "error[E0308]: mismatched types" in run.output
        assert not re.search(r"Traceback[\s\S]*wheelprint", run.output)

    def test_a_failing_build_script(self, check_out: CheckOut) -> None:
        project = check_out("watched-inputs")
        project.replace("build.rs", "fn main() {", 'fn main() {\n    panic!("no header found");')
        assert_says(call(project, "build_editable"), "no header found")


class TestBrokenWheels:
    """maturin returns no wheel, a broken zip, a wheel without RECORD or with a wrong one.

    The part of maturin is played by a package of that name, first on the import path.
    """

    FAKE = """
import base64, hashlib, pathlib, zipfile
NAME = "pure-0.1.0-py3-none-any.whl"
INFO = "pure-0.1.0.dist-info/"
FILES = {
    "pure.py": "",
    INFO + "METADATA": "Metadata-Version: 2.1\\nName: pure\\nVersion: 0.1.0\\n"
    "Description-Content-Type: text/markdown\\n\\nA wheel for tests.\\n",
    INFO + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
def line(name):
    digest = hashlib.sha256(FILES[name].encode()).digest()
    digest = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{name},sha256={digest},{len(FILES[name])}\\n"
RECORD = "".join(map(line, FILES)) + INFO + "RECORD,,\\n"
def make(directory, record, cut=None):
    path = pathlib.Path(directory) / NAME
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**FILES, INFO + "RECORD": record}.items():
            if text is not None:
                archive.writestr(name, text)
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    return NAME
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return WHAT
build_editable = build_wheel
"""

    def test_a_good_one_is(self, check_out: CheckOut, tmp_path: Path) -> None:
        """Otherwise the test below would show nothing."""
        project = check_out("pure")
        package = tmp_path / "maturin"
        package.mkdir()
        (package / "__init__.py").write_text(self.FAKE.replace("WHAT", "make(directory, RECORD)"))
        _, wheel = project.build("wheel", PYTHONPATH=str(tmp_path))
        wheels.check(wheel)

    @pytest.mark.parametrize(
        ("what", "named"),
        [
            ("None", "wheel"),
            ("'nowhere-1.0-py3-none-any.whl'", "nowhere-1.0-py3-none-any.whl"),
            ("make(directory, RECORD, cut=30)", "pure-0.1.0"),
            ("make(directory, None)", "RECORD"),
            ("make(directory, RECORD.replace('pure.py,sha256=', 'pure.py,sha256=A'))", "pure.py"),
            ("make(directory, RECORD.replace(line('pure.py'), ''))", "pure.py"),
            ("make(directory, RECORD + line('pure.py').replace('pure', 'gone'))", "gone.py"),
            ("make(directory, RECORD.replace('pure.py,sha256=', 'pure.py,md5='))", "pure.py"),
        ],
        ids=["none", "no file", "cut", "no RECORD", "digest", "unlisted", "listed", "weak digest"],
    )
    @pytest.mark.parametrize("kind", ["wheel", "editable"])
    def test_nothing_is_delivered(
        self, kind: str, what: str, named: str, check_out: CheckOut, tmp_path: Path
    ) -> None:
        project = check_out("pure")
        package = tmp_path / "maturin"
        package.mkdir()
        (package / "__init__.py").write_text(self.FAKE.replace("WHAT", what))
        folder = project.output_folder()
        run = project.hook(f"build_{kind}", folder, None, PYTHONPATH=str(tmp_path))
        assert_says(run, named)
        assert_nothing_delivered(folder)


class TestUnusableCache:
    """Treated as empty, one warning; the build goes on."""

    def assert_builds(self, project: Project, **rest: Any) -> None:
        run, wheel = project.build("editable", **rest)
        wheels.check(wheel)
        assert len(run.warnings) == 1, run.stderr
        assert str(project.cache_folder) in run.warnings[0]
        assert project.python(project.installed(wheel), project.sample.probe) == "quiet"

    def test_below_a_file(self, check_out: CheckOut, tmp_path: Path) -> None:
        project = check_out("bin-bindings")
        (tmp_path / "file").write_text("")
        project.env["WHEELPRINT_CACHE_DIR"] = str(tmp_path / "file" / "cache")
        self.assert_builds(project)

    def test_unwritable(self, check_out: CheckOut, tmp_path: Path) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        cache = tmp_path / "cache"
        cache.mkdir()
        project.env["WHEELPRINT_CACHE_DIR"] = str(cache)
        with mode(cache, remove=WRITE):
            self.assert_builds(project, prefix=prefix)

    def test_unwritable_once_filled(self, check_out: CheckOut) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        project.editable()
        project.edit()
        with mode(project.cache, remove=WRITE):
            _, wheel = project.build("editable", prefix=prefix)
        assert project.python(project.installed(wheel), project.sample.probe) == "hushed"

    def test_unreadable(self, check_out: CheckOut) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        project.editable()
        for folder in (project.cache, project.cache_folder):
            with mode(folder, remove=READ | WRITE | 0o111):
                self.assert_builds(project, prefix=prefix)

    @pytest.mark.skipif(os.name == "nt", reason="the cache folder is found in another way")
    def test_no_home_at_all(self, check_out: CheckOut) -> None:
        project = check_out("bin-bindings")
        project.env.pop("WHEELPRINT_CACHE_DIR")
        _, wheel = project.build(
            "editable", HOME="/nonexistent", XDG_CACHE_HOME=None, **_toolchain_homes()
        )
        wheels.check(wheel)


def _toolchain_homes() -> dict[str, Any]:
    home = Path.home()
    return {
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
    }


class TestSourceTree:
    """Read-only, unreadable, looping, not UTF-8."""

    def test_read_only(self, check_out: CheckOut, tmp_path: Path) -> None:
        """PEP 517 allows that; the target folder lies elsewhere then, as it must for maturin."""
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        target = str(tmp_path / "target")
        with mode(project.root, remove=WRITE):
            for kind in ("wheel", "editable", "editable"):
                _, wheel = project.build(kind, prefix=prefix, CARGO_TARGET_DIR=target)
                wheels.check(wheel)
            project.hook("build_sdist", project.output_folder(), None, prefix=prefix).ok()
        assert project.python(project.installed(wheel), project.sample.probe) == "quiet"

    def test_read_only_and_fresh(self, check_out: CheckOut) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        project.editable()
        with mode(project.root, remove=WRITE):
            assert project.is_fresh(prefix=prefix)

    def test_read_only_target(self, check_out: CheckOut) -> None:
        """Cargo's own message is what there is to say."""
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        with mode(project.root, remove=WRITE):
            assert_says(call(project, "build_wheel", prefix=prefix), "target")

    def test_unwritable_wheel_folder(self, check_out: CheckOut) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        folder = project.output_folder()
        with mode(folder, remove=WRITE):
            run = project.hook("build_editable", folder, None, prefix=prefix)
        assert_says(run, str(folder), "ermission denied")
        assert_nothing_delivered(folder)

    def test_a_wheel_folder_that_is_not_there(self, check_out: CheckOut) -> None:
        project = check_out("bin-bindings")
        folder = project.output_folder() / "not" / "there"
        assert_says(project.hook("build_editable", folder, None), str(folder))

    @pytest.mark.spy
    def test_an_unreadable_input(self, check_out: CheckOut) -> None:
        prefix = obeying_modes()
        project = check_out("bin-bindings")
        project.settings('extra-inputs = ["schema/*"]')
        secret = project.write("schema/secret.json", "{}")
        with mode(secret, remove=READ):
            for _ in range(2):
                project.spy.clear()
                run, wheel = project.build("editable", prefix=prefix)
                wheels.check(wheel)
                assert project.spy.calls("cargo"), "matched although an input can't be read"
                assert "schema/secret.json" in run.stderr

    @NO_SYMLINKS
    @pytest.mark.spy
    def test_a_symlink_loop(self, check_out: CheckOut) -> None:
        project = check_out("bin-bindings")
        project.settings('extra-inputs = ["schema/**"]')
        project.write("schema/one.json", "{}")
        project.path("schema/loop").symlink_to("loop")
        project.path("schema/round").symlink_to(".", target_is_directory=True)
        run, wheel = project.build("editable")
        wheels.check(wheel)
        assert "schema/loop" in run.stderr
        project.spy.clear()
        project.editable()
        assert project.spy.calls("cargo")

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs names that are bytes")
    @pytest.mark.spy
    def test_a_name_that_is_not_utf_8(self, check_out: CheckOut) -> None:
        project = check_out("bin-bindings")
        project.settings('extra-inputs = ["schema/*"]')
        project.write("schema/one.json", "{}")
        odd = os.fsencode(project.path("schema")) + b"/caf\xe9.json"
        with open(odd, "w") as file:
            file.write("{}")
        run, wheel = project.build("editable")
        wheels.check(wheel)
        assert "caf" in run.stderr
        project.spy.clear()
        project.editable()
        assert project.spy.calls("cargo")

    @NO_SYMLINKS
    def test_a_tree_reached_through_a_symlink(self, check_out: CheckOut, tmp_path: Path) -> None:
        project = check_out("bin-bindings")
        link = tmp_path / "link"
        link.symlink_to(project.root, target_is_directory=True)
        project.root = link
        _, wheel = project.build("editable")
        wheels.check(wheel)
        assert project.is_fresh()

    def test_a_path_with_spaces_and_accents(self, check_out: CheckOut, tmp_path: Path) -> None:
        project = check_out("bin-bindings", tmp_path / "with space" / "naïve ✓")
        for _ in range(2):
            _, wheel = project.build("editable")
            wheels.check(wheel)
        assert project.python(project.installed(wheel), project.sample.probe) == "quiet"
