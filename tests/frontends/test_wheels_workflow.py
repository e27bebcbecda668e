"""The scripts in `.github/workflows/wheels.yml`, as GitHub would run them.

GitHub's own part has no script: it starts the machines, moves the files between them, and signs. An
authority of the tests signs here."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import asking
from support.commands import program_with_libraries

pytest.importorskip("pypi_attestations")
authority = pytest.importorskip("support.authority")

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Run

pytestmark = [
    pytest.mark.frontends,
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for uvx is a shell script"),
]

WORKFLOW = Path(__file__).parents[2] / ".github" / "workflows" / "wheels.yml"

#: pypi-attestations of the tests, and wheelprint with the trust root of the tests.
UVX = """#!/bin/sh
case "$1" in
pypi-attestations) shift; exec "{python}" -m pypi_attestations "$@" ;;
--from) shift 3; exec "{program}" "$@" --trust-root "{root}" ;;
*) exit 9 ;;
esac
"""


def script(step: str) -> str:
    """The script of a step, by its name or id."""
    lines = iter(WORKFLOW.read_text().splitlines())
    assert any(line.strip() in (f"- name: {step}", f"- id: {step}") for line in lines), step
    start = next(line for line in lines if line.endswith("run: |"))
    depth = start.index("run:")
    # The script is indented more than its key.
    own = itertools.takewhile(lambda line: not line or line.startswith(" " * (depth + 1)), lines)
    return textwrap.dedent("\n".join(own))


def statement(work: Path, name: str) -> dict[str, Any]:
    """What GitHub's action signs: its own subject, and the predicate of the build job."""
    digest = hashlib.sha256((work / "dist" / name).read_bytes()).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": json.loads((work / "predicates" / f"{name}.predicate.json").read_text()),
    }


def test_scripts_of_the_workflow(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    work = tmp_path / "work"
    source = work / "source"
    shutil.copytree(project.root, source, ignore=shutil.ignore_patterns("target"))
    (source / ".gitignore").write_text("target/\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "one"]):
        asking.git(project, *command, cwd=source)
    commit = asking.git(project, "rev-parse", "HEAD", cwd=source).strip()
    output = tmp_path / "output"
    project.env.update(
        PATH=f"{project.bench.uv.parent}:{project.env['PATH']}",
        PROJECT="source/.",
        SOURCE=f"source/.@{commit}",
        PYTHONS=sys.executable,
        MAKES_SDIST="true",
        WHEELPRINT="wheelprint",
        MATURIN_PEP517_ARGS="--compatibility pypi",
        GITHUB_OUTPUT=str(output),
        GITHUB_REPOSITORY="someone/hello",
    )
    assert f"MATURIN_PEP517_ARGS: {project.env['MATURIN_PEP517_ARGS']}\n" in WORKFLOW.read_text()

    def run(step: str, **changes: str) -> Run:
        # GitHub's `shell: bash`.
        command = ("bash", "-eo", "pipefail", "-c", script(step))
        return project.run(*command, cwd=work, output=work / "dist", **changes)

    run("Build").ok()
    run("Compare with the sources, and state how they were built").ok()
    names = sorted(path.name for path in work.glob("dist/*.whl"))
    names += [path.name for path in work.glob("dist/*.tar.gz")]
    assert len(names) == 2
    if shutil.which("jq"):
        run("list").ok()
        listed = json.loads(output.read_text().strip().removeprefix("files="))
        assert sorted(listed) == sorted(names)

    trusted = authority.Authority()
    program = program_with_libraries(project, tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    stand_in = tools / "uvx"
    root = trusted.trust_root(tmp_path / "root")
    stand_in.write_text(UVX.format(python=sys.executable, program=program, root=root))
    stand_in.chmod(0o755)
    for repository, is_good in (("someone/hello", True), ("someone/other", False)):
        for name in names:
            stated = statement(work, name)
            source_of = stated["predicate"]["buildDefinition"]["resolvedDependencies"][0]
            assert source_of["digest"] == {"gitCommit": commit}
            signed = trusted.sign(stated, authority.Identity.github(repository, commit=commit))
            bundle = tmp_path / "bundle.json"
            bundle.write_text(json.dumps(signed.bundle()))
            path = f"{tools}:{project.env['PATH']}"
            run("Convert it for PyPI", PATH=path, FILE=name, BUNDLE=str(bundle)).ok()
            # Each file has a job of its own.
            (work / "attestations").rename(tmp_path / f"attestation-{name}")
        (work / "attestations").mkdir()
        for folder in tmp_path.glob("attestation-*"):
            for file in folder.iterdir():
                file.rename(work / "attestations" / file.name)
            folder.rmdir()
        said = run("Compare files, sources and attestations", PATH=path)
        assert (said.code == 0) is is_good, said.output
        shutil.rmtree(work / "attestations")

    # A file that the commit does not have reaches the wheel.
    (source / "src" / "main.rs").write_text("fn main() {}\n")
    shutil.rmtree(work / "dist")
    run("Build").ok()
    said = run("Compare with the sources, and state how they were built")
    assert said.code == 1, said.output
    asking.git(project, "checkout", "--", ".", cwd=source)
    shutil.rmtree(work / "dist")
    run("Build").ok()

    # Another machine has no compiled packages.
    shutil.rmtree(source / "target", ignore_errors=True)
    assert "identical" in run("Build it again, and compare").ok().stdout
