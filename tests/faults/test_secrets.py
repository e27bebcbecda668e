"""What variables and config settings are set to is told to nobody: not in a wheel or sdist, not in
the store, not in what an import remembers, not in a log, not by a command.

What the compiler itself puts into the module, of `env!` for one, is not ours, and not looked at.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import kept
from support.archives import build_all
from support.commands import wheelprint
from support.installed import install

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project, Run

#: What every secret has in it.
MARK = "s3cr3tmark"
VARIABLES = {
    "CARGO_REGISTRIES_PRIVATE_TOKEN": "{}",
    "CARGO_REGISTRIES_PRIVATE_INDEX": "sparse+https://user:{}@example.com/index/",
    "CARGO_REGISTRY_TOKEN": "{}",
    "CARGO_REGISTRIES_PRIVATE_SECRET_KEY": "{}",
    "CARGO_HTTP_PROXY": "http://user:{}@127.0.0.1:9",
    "CARGO_NET_GIT_FETCH_WITH_CLI": "false",
    "CARGO_ENCODED_RUSTFLAGS": '--cfg\x1fsecret="{}"\x1f-Aunexpected_cfgs',
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "MATURIN_PYPI_TOKEN": "{}",
    "MATURIN_PASSWORD": "{}",
    "MATURIN_REPOSITORY_URL": "https://user:{}@example.com/",
    "PIP_INDEX_URL": "https://user:{}@example.com/simple",
    "PIP_EXTRA_INDEX_URL": "https://user:{}@example.com/simple",
    "UV_INDEX_PRIVATE_PASSWORD": "{}",
    "UV_INDEX_PRIVATE_USERNAME": "{}",
    "UV_PUBLISH_TOKEN": "{}",
    "CFLAGS": "-DSECRET={}",
    "LDFLAGS": "-L/{}",
    "CC_ENABLE_DEBUG_OUTPUT": "{}",
    "PYO3_SECRET": "{}",
    "GREETING": "{}",
    "EVERY_SECRET": "{}",
    "GITHUB_TOKEN": "{}",
    "AWS_SECRET_ACCESS_KEY": "{}",
}
#: A setting that maturin is given, and one that nobody knows.
SETTINGS = {"build-args": "--config 'env.OF_A_SETTING=\"{0}\"'", "unknown-token": "{0}"}


def secret(number: int) -> str:
    return f"{MARK}{number:03}"


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """With a build script that watches one of the variables, and a source that reads another."""
    project = check_out("pure")
    project.write(
        "build.rs",
        "fn main() {\n"
        '    println!("cargo:rerun-if-changed=build.rs");\n'
        '    println!("cargo:rerun-if-env-changed=EVERY_SECRET");\n'
        "}\n",
    )
    project.append("src/answer.rs", 'pub const READ: Option<&str> = option_env!("GREETING");\n')
    project.replace("src/lib.rs", "mod answer;", "#[allow(dead_code)]\nmod answer;")
    for number, (name, text) in enumerate(VARIABLES.items()):
        project.env[name] = text.format(secret(number))
    project.env["WHEELPRINT_LOG"] = "debug"
    project.env["TMPDIR"] = str(project.output_folder())
    return project


def forms() -> list[bytes]:
    """As it is, and as somebody may have written it on the way."""
    plain = MARK.encode()
    encoded = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, plain.hex().encode(), plain[::-1], *encoded]


def assert_silent(what: str, content: bytes) -> None:
    for form in forms():
        at = content.find(form)
        assert at < 0, f"{what}: ...{content[max(0, at - 200) : at + 60]!r}"


def assert_says_nothing(run: Run) -> None:
    """Lines of ours; what maturin and cargo say is theirs."""
    ours = [line for line in run.output.splitlines() if line.startswith("wheelprint: ")]
    assert_silent(" ".join(run.command), "\n".join(ours).encode())


def assert_all_silent(project: Project, wheels: list[Path]) -> None:
    for wheel in wheels:
        for name, content in kept.in_wheel(wheel):
            if not kept.is_library(name):
                assert_silent(f"{wheel.name}: {name}", content)
    for path in project.cache.rglob("*"):
        inside = path.relative_to(project.cache).parts
        if not path.is_file() or "archive-target" in inside:
            continue
        if path.suffix == ".whl":
            assert_all_silent_in(path)
        elif not kept.is_library(path.name):
            assert_silent(str(path), path.read_bytes())


def assert_all_silent_in(wheel: Path) -> None:
    for name, content in kept.in_wheel(wheel):
        if not kept.is_library(name):
            assert_silent(f"{wheel}: {name}", content)


def settings() -> dict[str, str]:
    return {
        name: text.format(secret(900 + number))
        for number, (name, text) in enumerate(SETTINGS.items())
    }


def test_builds(project: Project) -> None:
    """Each kind of build; with the variables and settings, with others, and without."""
    made = []
    for given in (settings(), None):
        for kind in ("editable", "wheel"):
            run, wheel = project.build(kind, given)
            assert_says_nothing(run)
            made.append(wheel)
        run = project.hook("build_sdist", project.output_folder(), given).ok()
        assert_says_nothing(run)
    for number, name in enumerate(VARIABLES):
        if name not in ("CARGO_NET_GIT_FETCH_WITH_CLI", "CARGO_PROFILE_RELEASE_DEBUG"):
            text = VARIABLES[name].format(secret(500 + number))
            project.env[name] = text
    run, wheel = project.build("editable")
    assert run.verdict.startswith("stale: ")
    assert_says_nothing(run)
    assert_all_silent(project, [*made, wheel])
    assert os.listdir(project.env["TMPDIR"]) == []


def test_archives(project: Project) -> None:
    archives = build_all(project)
    for path in Path(archives.sdist).parent.iterdir():
        if path.suffix == ".whl":
            assert_all_silent_in(path)
    import gzip

    assert_silent("the sdist", gzip.decompress(archives.sdist.read_bytes()))
    assert_all_silent(project, [archives.from_sdist])


def test_imports(project: Project) -> None:
    """A variable that is another one is named, and the import remembers that it was accepted."""
    editable = install(project)
    for number, name in enumerate(["GREETING", "EVERY_SECRET", "CARGO_REGISTRIES_PRIVATE_TOKEN"]):
        project.env[name] = secret(700 + number)
        imported = editable.imports()
        imported.run.ok()
        assert_silent(name, imported.run.stderr.encode())
    for policy in ("warn", "error"):
        run = editable.imports(GREETING=secret(800), WHEELPRINT_ON_STALE=policy).run
        assert "GREETING" in run.stderr
        assert_silent(policy, run.stderr.encode())
    assert_all_silent(project, [])
    for path in (*editable.site.glob("*wheelprint*"), *editable.site.glob("*.editable/inputs")):
        assert_silent(str(path), path.read_bytes())


def test_a_build_at_import_that_fails(project: Project) -> None:
    """The compiler's words are kept for those who wait; ours are not among them."""
    editable = install(project)
    project.append("src/answer.rs", "not Rust\n")
    run = editable.imports().run
    assert run.code != 0
    assert_all_silent(project, [])


def test_commands(project: Project) -> None:
    _, wheel = project.build("editable")
    _, other = project.build("wheel")
    project.env["GREETING"] = secret(600)
    commands: list[tuple[str | Path, ...]] = [
        ("status",),
        ("explain",),
        ("keys",),
        ("inspect", wheel),
        ("verify", other),
        ("cache", "info"),
        ("init", "--check"),
    ]
    for command in commands:
        for json in ([], ["--json"]):
            run = wheelprint(project, *command, *json)
            assert_silent(" ".join(map(str, command)), run.output.encode())
