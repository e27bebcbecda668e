"""`wheelprint provenance`: how a file was built, in the field's own format."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, asking, environment
from support.commands import wheelprint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

tomllib = pytest.importorskip("tomllib")
# The field's own validators. They cannot be installed on every Python.
statements = pytest.importorskip("in_toto_attestation.v1.statement")
descriptors = pytest.importorskip("in_toto_attestation.v1.resource_descriptor")
predicates = pytest.importorskip("in_toto_attestation.predicates.provenance.v1.provenance_pb2")
json_format = pytest.importorskip("google.protobuf.json_format")
packageurl = pytest.importorskip("packageurl")


def committed(project: Project) -> str:
    """Commits all sources, and returns the commit."""
    # What an earlier test compiled stays in the checkout.
    (project.bench.checkout_folder / ".gitignore").write_text("target/\n")
    asking.git(project, "init", "--quiet")
    asking.git(project, "add", "--all")
    asking.git(project, "commit", "--quiet", "--message", "start")
    return asking.git(project, "rev-parse", "HEAD").strip()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def validated(statement: dict[str, Any]) -> dict[str, Any]:
    """Checks a statement with in-toto's library: each field must be known, and have its type.

    Returns the predicate."""
    message = statements.Statement.copy_from_pb(
        json_format.ParseDict(statement, statements.spb.Statement())
    )
    message.validate()
    predicate = statement["predicate"]
    provenance = json_format.ParseDict(predicate, predicates.Provenance())
    definition, details = provenance.build_definition, provenance.run_details
    assert definition.build_type.startswith("https://")
    assert details.builder.id.startswith("https://")
    assert len(definition.external_parameters)
    for descriptor in [*definition.resolved_dependencies, *details.byproducts]:
        descriptors.ResourceDescriptor.copy_from_pb(descriptor).validate()
        # in-toto, "ResourceDescriptor": at least one of these.
        assert descriptor.uri or descriptor.digest or descriptor.content
        if descriptor.uri.startswith("pkg:"):
            purl = packageurl.PackageURL.from_string(descriptor.uri)
            assert purl.to_string() == descriptor.uri
            assert purl.version
    return predicate


def dependencies(predicate: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = predicate["buildDefinition"]["resolvedDependencies"]
    return found


def test_wheel_and_sdist_of_a_commit(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    commit = committed(project)
    asking.git(project, "remote", "add", "origin", "https://me:secret@example.org/me/it.git")
    _, files = archives.uv_build(project)
    run = wheelprint(project, "provenance", *files).ok()
    assert "secret" not in run.output
    folder = project.root.relative_to(project.bench.checkout_folder)
    made = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(made) == 2
    for file, statement in zip(files, made):
        predicate = validated(statement)
        (subject,) = statement["subject"]
        assert subject == {"name": file.name, "digest": {"sha256": sha256(file)}}
        source, *rest = dependencies(predicate)
        assert source["digest"] == {"gitCommit": commit}
        assert source["uri"] == f"git+https://example.org/me/it.git@{commit}"
        parameters = predicate["buildDefinition"]["externalParameters"]
        assert parameters["artifact"] == ("wheel" if file.suffix == ".whl" else "sdist")
        assert parameters["folder"] == folder.as_posix()
        named = {it["name"]: it["digest"]["sha256"] for it in rest if "uri" not in it}
        assert named["src/lib.rs"] == sha256(project.root / "src/lib.rs")
        assert "../shared-core/src/lib.rs" in named
        for name, digest in named.items():
            assert sha256(project.root / name) == digest, name
        locked = tomllib.loads((project.root / "Cargo.lock").read_text())["package"]
        expected = {
            f"pkg:cargo/{it['name']}@{it['version']}": it["checksum"]
            for it in locked
            if "source" in it
        }
        crates = [it for it in rest if it.get("uri", "").startswith("pkg:cargo/")]
        assert {it["uri"]: it["digest"]["sha256"] for it in crates} == expected
        tools = {it["name"]: it["uri"] for it in rest if "uri" in it and "name" in it}
        assert tools["wheelprint"].startswith("pkg:pypi/wheelprint@")
    wheel = next(file for file in files if file.suffix == ".whl")
    (byproduct,) = made[files.index(wheel)]["predicate"]["runDetails"]["byproducts"]
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read(byproduct["name"])
    assert byproduct["digest"] == {"sha256": hashlib.sha256(record).hexdigest()}
    tools = {it.get("name"): it for it in dependencies(made[files.index(wheel)]["predicate"])}
    assert {"rustc", "maturin", "python"} <= tools.keys()
    cargo = project.run("cargo", "-V").ok().stdout.strip()
    assert tools["cargo"]["annotations"] == {"version": cargo}
    assert tools["cargo"]["uri"] == f"pkg:generic/cargo@{cargo.split()[1]}"


def test_settings_and_variables_are_named_by_digest(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    settings = ("-C", "build-args=--profile testing", "-C", "wheelprint.remap-paths=true")
    flags = {"CFLAGS": "-O1 -DSECRET=hidden"}
    profile = '\n[profile.testing]\ninherits = "dev"\n'
    project.append("Cargo.toml", profile)
    _, (wheel,) = archives.uv_build(project, "--wheel", *settings, **flags)
    run = wheelprint(project, "provenance", wheel).ok()
    assert "hidden" not in run.output
    predicate = validated(json.loads(run.stdout))
    parameters = predicate["buildDefinition"]["externalParameters"]
    assert parameters["settings"] == {"remap-paths": "true"}
    assert list(parameters["configSettings"]) == ["build-args"]
    digest = hashlib.sha256(flags["CFLAGS"].encode()).hexdigest()
    assert parameters["variables"]["CFLAGS"] == f"sha256:{digest}"
    # No repository, so no commit, and no word about it.
    assert "source" not in parameters
    assert not any("gitCommit" in it.get("digest", {}) for it in dependencies(predicate))
    assert run.stderr == ""


def test_nothing_is_stated_of_other_sources(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    committed(project)
    _, (wheel,) = archives.uv_build(project, "--wheel")
    first = project.root / project.sample.source
    before = first.read_text()
    first.write_text(before + "// more\n")
    out = tmp_path / "out"
    refused = wheelprint(project, "provenance", wheel, "--out", out)
    assert refused.code == 1
    assert f"not built from these sources: {project.sample.source} changed" in refused.stderr
    assert list(out.iterdir()) == []
    # What was built before the commit is that commit's.
    of_commit = wheelprint(project, "provenance", wheel, "--source", f"{project.root}@HEAD").ok()
    assert any(
        "gitCommit" in it.get("digest", {})
        for it in dependencies(json.loads(of_commit.stdout)["predicate"])
    )
    # A wheel of the tree as it is now is no commit's.
    _, (wheel,) = archives.uv_build(project, "--wheel")
    uncommitted = wheelprint(project, "provenance", wheel).ok()
    assert "no commit is named" in uncommitted.stderr
    predicate = validated(json.loads(uncommitted.stdout))
    assert not any("gitCommit" in it.get("digest", {}) for it in dependencies(predicate))


def test_files_for_an_action(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    commit = committed(project)
    _, files = archives.uv_build(project)
    workflow = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "me/it",
        "GITHUB_RUN_ID": "7",
        "GITHUB_SHA": commit,
        "GITHUB_REF": "refs/tags/v1",
    }
    out = tmp_path / "out"
    said = wheelprint(project, "provenance", "--predicate", "--out", out, *files, **workflow).ok()
    assert "2 files" in said.stdout
    names = {f"{file.name}.predicate.json" for file in files}
    assert {path.name for path in out.iterdir()} == names
    for path in out.iterdir():
        predicate = json.loads(path.read_text())
        json_format.ParseDict(predicate, predicates.Provenance())
        run = "https://github.com/me/it/actions/runs/7/attempts/1"
        assert predicate["runDetails"]["metadata"]["invocationId"] == run
        source = dependencies(predicate)[0]
        assert source["uri"] == "git+https://github.com/me/it@refs/tags/v1"
    whole = wheelprint(
        project,
        *("provenance", "--out", out, "--builder-id", "https://example.org/builder"),
        *("--repository", "git+https://example.org/me/other", files[0]),
    ).ok()
    assert "1 file" in whole.stdout
    statement = json.loads((out / f"{files[0].name}.intoto.json").read_text())
    predicate = validated(statement)
    assert predicate["runDetails"]["builder"]["id"] == "https://example.org/builder"
    assert dependencies(predicate)[0]["uri"] == f"git+https://example.org/me/other@{commit}"


def test_what_can_not_be_stated(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    _, editable = project.build("editable")
    refused = wheelprint(project, "provenance", editable)
    assert refused.code == 2
    assert "its record names no sources" in refused.stderr
    _, (wheel,) = archives.uv_build(project, "--wheel")
    for arguments, cause in [
        (("--builder-id", "me"), "--builder-id: `me` is not a URI"),
        (("--source", wheel), "a wheel as --source has no Cargo.lock"),
        (("--source", tmp_path / "nowhere"), "no such file or folder"),
    ]:
        refused = wheelprint(project, "provenance", wheel, *arguments)
        assert refused.code == 2
        assert cause in refused.stderr, refused.output
        assert "Traceback" not in refused.stderr
    shutil.copy(wheel, tmp_path / "a.whl")
    (tmp_path / "out").write_text("a file\n")
    refused = wheelprint(project, "provenance", wheel, "--out", tmp_path / "out")
    assert refused.code == 2
    assert (tmp_path / "out").read_text() == "a file\n"


def test_git_that_can_not_be_asked(check_out: CheckOut) -> None:
    """The statement names no commit, and somebody hears why."""
    project = check_out("bin-bindings")
    committed(project)
    _, (wheel,) = archives.uv_build(project, "--wheel")
    path = environment.path_without("git", project.env["PATH"])
    run = wheelprint(project, "provenance", wheel, PATH=path).ok()
    assert "no commit is named" in run.stderr
    assert "git: not found on PATH" in run.stderr
    predicate = validated(json.loads(run.stdout))
    assert not any("gitCommit" in it.get("digest", {}) for it in dependencies(predicate))


def test_two_files_of_one_name(check_out: CheckOut, tmp_path: Path) -> None:
    """Their statements would have one name, too. A statement of an earlier file does not stay."""
    project = check_out("bin-bindings")
    _, (wheel,) = archives.uv_build(project, "--wheel")
    other = tmp_path / "other" / wheel.name
    other.parent.mkdir()
    other.write_bytes(wheel.read_bytes())
    out = tmp_path / "out"
    run = wheelprint(project, "provenance", wheel, other, "--out", out)
    assert run.code == 2
    assert "another file of this name is given too" in run.stderr
    assert not out.exists()
    wheelprint(project, "provenance", wheel, "--out", out).ok()
    assert [path.name for path in out.iterdir()] == [f"{wheel.name}.intoto.json"]
    project.edit()
    assert wheelprint(project, "provenance", other, "--out", out).code == 1
    assert list(out.iterdir()) == []


def test_the_folder_of_a_package_of_a_workspace(check_out: CheckOut) -> None:
    """It is that of the package, also if the root of the workspace is given."""
    project = check_out("bin-bindings")
    inner = project.root / "packages" / "one"
    inner.mkdir(parents=True)
    for entry in list(project.root.iterdir()):
        if entry.name not in ("packages", "target"):
            entry.rename(inner / entry.name)
    project.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    project.write(".gitignore", "target/\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "one"]):
        asking.git(project, *command, cwd=project.root)
    _, (wheel,) = archives.uv_build(project, "--wheel", "packages/one")
    for source in (".", "packages/one", ".@HEAD", "packages/one@HEAD"):
        run = wheelprint(project, "provenance", wheel, "--source", source).ok()
        definition = json.loads(run.stdout)["predicate"]["buildDefinition"]
        assert definition["externalParameters"]["folder"] == "packages/one", source
