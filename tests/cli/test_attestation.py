"""`wheelprint verify --attestation`: signed statements about wheels, and who vouches for what."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import sys
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import archives, asking
from support.commands import program_with_libraries, wheelprint
from support.schemas import check

# Not all Pythons can have these.
pytest.importorskip("pypi_attestations")
authority = pytest.importorskip("support.authority")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.authority import Authority, Identity, Signed
    from support.project import Project, Run
    from support.workbench import Workbench

Statement = dict[str, Any]

WORKFLOW = "https://github.com/someone/hello/.github/workflows/release.yml@refs/tags/v1"
PUBLISH = "https://docs.pypi.org/attestations/publish/v1"
GOOGLE = "https://accounts.google.com"
SCRIPT = Path(__file__).parents[2] / "python" / "wheelprint" / "_attestation.py"


@dataclass(frozen=True)
class Built:
    """A project, its wheel and sdist, their provenance, and an authority that is trusted."""

    project: Project
    wheel: Path
    sdist: Path
    commit: str
    statement: Statement
    program: Path
    authority: Authority
    root: Path
    folder: Path

    def write(self, content: Any, name: str = "it.json") -> Path:
        """A file with this content, or with its JSON."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def run(self, *arguments: str | Path, root: Path | None = None, **changes: Any) -> Run:
        """Runs `verify` on the wheel and with the trust root."""
        trusted = ("--trust-root", root or self.root)
        return self.project.run(self.program, "verify", *arguments, *trusted, **changes)

    def verify(
        self, content: Any, *arguments: str | Path, root: Path | None = None
    ) -> dict[str, Any]:
        """What `verify --json` says of the wheel with an attestation."""
        path = content if isinstance(content, os.PathLike) else self.write(content)
        given = ("--json", self.wheel, "--attestation", path)
        return said(self.run(*given, *arguments, root=root))

    def sign(self, change: Callable[[Statement], object] | None = None, **rest: Any) -> Signed:
        """The statement, changed and signed."""
        statement = deepcopy(self.statement)
        if change:
            change(statement)
        return self.authority.sign(statement, **rest)


def said(run: Run) -> dict[str, Any]:
    """The JSON of a run, which agrees with its exit code."""
    assert run.code in (0, 1), run.output
    found: dict[str, Any] = json.loads(run.stdout)
    check("verify", found)
    assert found["verified"] is (run.code == 0)
    return found


def problems(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The kind and the text of each problem with an attestation."""
    return [
        (problem["kind"], problem["text"])
        for attestation in found["attestations"]
        for problem in attestation["problems"]
    ]


def refused(found: dict[str, Any], kind: str) -> str:
    """The text of the only problem. The sources and the wheel have none."""
    assert not found["verified"]
    assert found["differences"] == found["damaged"] == []
    ((found_kind, text),) = problems(found)
    assert found_kind == kind, text
    return text


def claims(found: dict[str, Any]) -> dict[str, str]:
    """Who says what."""
    return {claim["claim"]: claim["by"] for claim in found["claims"]}


@pytest.fixture(scope="module")
def built(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    project = bench.check_out("hello-pure")
    # What an earlier test compiled stays in the checkout.
    (bench.checkout_folder / ".gitignore").write_text("target/\n")
    asking.git(project, "init", "--quiet")
    asking.git(project, "add", "--all")
    asking.git(project, "commit", "--quiet", "--message", "start")
    commit = asking.git(project, "rev-parse", "HEAD").strip()
    # In the tree, where earlier tests have compiled pyo3.
    _, (wheel,) = archives.uv_build(project, "--wheel")
    _, (sdist,) = archives.uv_build(project, "--sdist")
    run = wheelprint(project, "provenance", wheel).ok()
    folder = tmp_path_factory.mktemp("attestations")
    program = program_with_libraries(project, folder)
    trusted = authority.Authority()
    yield Built(
        *(project, wheel, sdist, commit, json.loads(run.stdout), program),
        *(trusted, trusted.trust_root(folder / "root"), folder),
    )
    bench.put_away()


def lines(signed: Signed) -> str:
    other = json.dumps(signed.bundle())
    return f"{other}\n{other}\n"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda signed: signed.bundle(), id="bundle"),
        pytest.param(lambda signed: signed.attestation(), id="attestation"),
        pytest.param(lambda signed: signed.provenance(), id="provenance"),
        pytest.param(lines, id="lines"),
    ],
)
def test_each_format_holds(built: Built, form: Callable[[Signed], Any]) -> None:
    found = built.verify(form(built.sign()), "--signer", "github:someone/hello")
    assert found["verified"], found
    for attestation in found["attestations"]:
        assert attestation["verified"]
        assert attestation["problems"] == []
        assert attestation["signer-demanded"] is True
        assert attestation["signer"]["identities"] == [WORKFLOW]
        assert attestation["signer"]["issuer"] == authority.GITHUB
        assert attestation["signer"]["commit"] == "a" * 40
        assert attestation["time"] == "2026-01-01T00:01:00Z"
        assert attestation["predicate-type"] == "https://slsa.dev/provenance/v1"
    assert claims(found) == {
        "sources": "computed",
        "files": "computed",
        "subject": "signer",
        "record": "signer",
        "dependencies": "signer",
        "commit": "signer",
        "build": "signer",
    }


def test_who_vouches_in_words(built: Built) -> None:
    unsigned = wheelprint(built.project, "verify", built.wheel).ok().stdout
    assert "computed here: " in unsigned
    assert (
        "only the builder says, unsigned: it was built from the sources in its record, with rustc"
        in unsigned
    )
    assert "signed by" not in unsigned
    path = built.write(built.sign().bundle())
    given = (built.wheel, "--attestation", path)
    anybody = built.run(*given).ok().stdout
    assert f"signed by {WORKFLOW} (issuer {authority.GITHUB}) at 2026-01-01" in anybody
    assert "this file, its record, " in anybody
    assert f"commit {built.commit}" in anybody
    assert (
        "only the signer says: it was built from the sources in its record, with rustc" in anybody
    )
    assert "no signer was demanded (--signer): anybody can sign" in anybody
    demanded = built.run(*given, "--signer", WORKFLOW).ok().stdout
    assert "no signer was demanded" not in demanded


def test_without_an_attestation_the_builder_is_alone(built: Built) -> None:
    found = said(wheelprint(built.project, "verify", "--json", built.wheel))
    assert found["attestations"] == []
    assert claims(found) == {"sources": "computed", "files": "computed", "build": "builder"}
    found = said(wheelprint(built.project, "verify", "--json", built.sdist))
    assert claims(found) == {"sources": "computed", "files": "computed"}


def test_a_publisher_vouches_for_the_file_only(built: Built) -> None:
    """PyPI's own kind of attestation says nothing of the build."""

    def publish(statement: Statement) -> None:
        statement.update(predicateType=PUBLISH, predicate=None)

    found = built.verify(built.sign(publish).attestation())
    assert found["verified"], found
    by = {"sources": "computed", "files": "computed", "subject": "signer", "build": "builder"}
    assert claims(found) == by


def test_the_statement_about_an_sdist_holds(built: Built) -> None:
    run = wheelprint(built.project, "provenance", built.sdist).ok()
    path = built.write(built.authority.sign(json.loads(run.stdout)).bundle())
    found = said(built.run("--json", built.sdist, "--attestation", path))
    assert found["verified"], found
    assert claims(found)["dependencies"] == "signer"


def answer(
    built: Built, content: Any, signer: str | None = None, _: str = "", issuer: str | None = None
) -> dict[str, Any]:
    """What the script that asks the libraries answers, without a process of its own."""
    request = {
        "files": [str(built.write(content))],
        "trust-root": str(built.root),
        "signer": signer,
        "issuer": issuer,
        "paths": [],
    }
    script = runpy.run_path(str(SCRIPT))
    found: dict[str, Any] = script["answer"](request)
    return found


MAIL = ("me@example.org", "--issuer", GOOGLE)


def by_mail() -> Identity:
    return authority.Identity("me@example.org", GOOGLE)


@pytest.mark.parametrize(
    ("signer", "is_by_mail"),
    [
        (("github:someone/hello",), False),
        (("github:someone/hello@refs/tags/v1",), False),
        (("github:someone/hello/release.yml",), False),
        (("github:someone/hello/.github/workflows/release.yml@refs/tags/v1",), False),
        ((WORKFLOW,), False),
        ((WORKFLOW, "--issuer", "https://token.actions.githubusercontent.com"), False),
        (MAIL, True),
    ],
)
def test_the_demanded_signer(built: Built, signer: tuple[str, ...], is_by_mail: bool) -> None:
    signed = built.sign(identity=by_mail() if is_by_mail else None)
    (found,) = answer(built, signed.bundle(), *signer)["attestations"]
    assert found["refused"] is None


@pytest.mark.parametrize(
    "signer",
    [
        ("github:someone/hell",),
        ("github:someone/hello2",),
        ("github:someone/hello@refs/tags/v",),
        ("github:someone/hello@refs/heads/v1",),
        ("github:someone/hello/release",),
        ("github:someone/hello/publish.yml",),
        ("github:someone/hello", "--issuer", GOOGLE),
        ("gitlab:someone/hello",),
        (WORKFLOW.replace("v1", "v2"),),
        (WORKFLOW[:-1],),
        MAIL,
    ],
)
def test_another_signer(built: Built, signer: tuple[str, ...]) -> None:
    (found,) = answer(built, built.sign().bundle(), *signer)["attestations"]
    assert found["refused"]["kind"] == "signer"
    start = f"not signed by the demanded signer {signer[0]}"
    cause = found["refused"]["cause"]
    assert cause.startswith(start)
    demanded, _, true = cause[len(start) :].partition(", but by ")
    assert true == (
        f"{WORKFLOW} for https://github.com/someone/hello at refs/tags/v1"
        f" (issuer {authority.GITHUB})"
    )
    is_other_issuer = GOOGLE in signer or signer[0].startswith("gitlab:")
    assert demanded.startswith(" (issuer ") is is_other_issuer


def test_a_signer_without_identity(built: Built) -> None:
    """The certificate has a name, which is of a kind that no authority of Sigstore confirms."""
    signed = built.sign(identity=authority.Identity("example.org", GOOGLE))
    (found,) = answer(built, signed.bundle(), *MAIL)["attestations"]
    assert found["refused"]["cause"] == (
        f"not signed by the demanded signer {MAIL[0]}, but by a signer without identity"
        f" (issuer {GOOGLE})"
    )
    run = built.run(built.wheel, "--attestation", built.write(signed.bundle())).ok()
    assert f"signed by a signer without identity (issuer {GOOGLE})" in run.stdout


def test_the_demanded_one_of_two_identities_is_shown(built: Built) -> None:
    identity = authority.Identity("other@example.org", GOOGLE, others=(MAIL[0],))
    path = built.write(built.sign(identity=identity).bundle())
    run = built.run(built.wheel, "--attestation", path, "--signer", *MAIL).ok()
    assert f"signed by {MAIL[0]} (issuer {GOOGLE})" in run.stdout


def test_the_signer_is_compared_by_the_command(built: Built) -> None:
    bundle = built.sign().bundle()
    assert built.verify(bundle, "--signer", "github:someone/hello")["verified"]
    text = refused(built.verify(bundle, "--signer", "github:someone/hell"), "signer")
    assert WORKFLOW in text


def test_a_workflow_that_another_repository_calls(built: Built) -> None:
    """The certificate names the called workflow; the build is the caller's."""
    caller = authority.Identity.github()
    called = "https://github.com/them/tools/.github/workflows/wheels.yml@refs/tags/v9"
    signed = built.sign(identity=authority.Identity(called, authority.GITHUB, caller.claims))
    given = (built.wheel, "--attestation", built.write(signed.bundle()))
    run = built.run(*given, "--signer", "github:someone/hello/release.yml").ok()
    assert f"signed by {called} for https://github.com/someone/hello (issuer " in run.stdout
    assert built.run(*given, "--signer", called).code == 0
    assert built.run(*given, "--signer", "github:them/tools").code == 1


def test_an_address_is_nothing_without_its_issuer(built: Built) -> None:
    other = authority.Identity("me@example.org", "https://github.com/login/oauth")
    text = refused(built.verify(built.sign(identity=other).bundle(), "--signer", *MAIL), "signer")
    assert "https://github.com/login/oauth" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--signer", "me@example.org"), "an identity needs its --issuer"),
        (("--signer", "github:hello"), "a repository is missing"),
        (("--signer", "github:a/b@v1"), "a ref begins with refs/"),
        (("--signer", "github:a/b/c/d.yml"), "workflows are in .github/workflows"),
    ],
)
def test_a_signer_that_is_none(built: Built, options: tuple[str, ...], words: str) -> None:
    path = built.write(built.sign().bundle())
    run = built.run(built.wheel, "--attestation", path, *options)
    assert run.code == 2
    assert words in run.stderr
    assert "hint: a signer is github:OWNER/REPO" in run.stderr


def test_options_that_need_another(built: Built) -> None:
    for options in (("--signer", "github:a/b"), ("--trust-root", built.root)):
        run = wheelprint(built.project, "verify", built.wheel, *options)
        assert run.code == 2
        assert "--attestation" in run.stderr


def changed(bundle: Any, *path: str | int, to: Any) -> Any:
    """A bundle with one other value."""
    *parents, last = path
    place = bundle
    for name in parents:
        place = place[name]
    place[last] = to
    return bundle


def twice(statement: Statement, name: str) -> bytes:
    """The JSON of a statement with one name twice in an object: first with an empty list."""
    text = json.dumps(statement)
    assert text.count(f'"{name}": [') == 1
    return text.replace(f'"{name}": [', f'"{name}": [], "{name}": [').encode()


ENVELOPE = "dsseEnvelope"
ENTRY = ("verificationMaterial", "tlogEntries", 0)

#: Ways to make an attestation that does not hold, the kind of the problem, and words of its reason.
BAD: dict[str, tuple[Callable[[Built], Any], str, str]] = {
    "another authority": (
        lambda built: authority.Authority().sign(built.statement).bundle(),
        *("certificate", "of no authority that the trust root names"),
    ),
    "another key": (
        lambda built: built.sign(key=authority.Key()).bundle(),
        *("signature", "the signature is not of this statement"),
    ),
    "expired": (
        lambda built: built.sign(later=timedelta(minutes=11)).bundle(),
        *("expired", "signed at 2026-01-01 00:11:00 with a certificate that was valid from"),
    ),
    "too early": (
        lambda built: built.sign(later=timedelta(minutes=-1)).bundle(),
        *("expired", "signed at 2025-12-31 23:59:00 with a certificate that was valid from"),
    ),
    "unknown log": (
        lambda built: (
            authority.Authority(built.authority.root, built.authority.certificate_log)
            .sign(built.statement)
            .bundle()
        ),
        *("log", "in no log that the trust root names"),
    ),
    "unknown certificate log": (
        lambda built: (
            authority.Authority(built.authority.root, log=built.authority.log)
            .sign(built.statement)
            .bundle()
        ),
        *("certificate", "in no certificate log that the trust root names"),
    ),
    "tampered statement": (
        lambda built: changed(
            built.sign().bundle(),
            *(ENVELOPE, "payload"),
            to=authority.text(json.dumps(built.statement).encode() + b" "),
        ),
        *("signature", "the signature is not of this statement"),
    ),
    "tampered signature": (
        lambda built: changed(
            built.sign().bundle(),
            *(ENVELOPE, "signatures", 0, "sig"),
            to=authority.text(authority.Key().sign(b"")),
        ),
        *("signature", "the signature is not of this statement"),
    ),
    "another time": (
        lambda built: changed(built.sign().bundle(), *ENTRY, "integratedTime", to="1767225700"),
        *("log", "its log entry was changed"),
    ),
    "the log entry of another statement": (
        lambda built: changed(
            built.sign().bundle(),
            *ENTRY[:2],
            to=[built.authority.sign({"other": "statement"}).entry],
        ),
        *("log", "its log entry is of another statement"),
    ),
    "another content": (
        lambda built: changed(built.sign().bundle(), ENVELOPE, "payloadType", to="text/plain"),
        *("signature", "the signature is not of this statement"),
    ),
    "not a statement": (
        lambda built: built.authority.sign({"_type": "other"}).bundle(),
        *("statement", "not an in-toto statement"),
    ),
    "a repeated name": (
        lambda built: built.authority.sign(twice(built.statement, "resolvedDependencies")).bundle(),
        *("statement", '"resolvedDependencies" is there twice in one object'),
    ),
    "a broken predicate": (
        lambda built: built.sign(lambda it: it["predicate"].pop("runDetails")).bundle(),
        *("statement", "its predicate: missing field"),
    ),
}


def test_one_of_several_trust_roots(built: Built) -> None:
    """`gh attestation trusted-root` writes a line for each, and GitHub's own one has no log."""
    other = authority.Authority().trust_root(built.folder / "other").read_text()
    no_log = json.dumps({**json.loads(other), "tlogs": []})
    own = built.root.read_text()
    root = built.write(f"{no_log}\n{other}\n{own}\n", "roots.jsonl")
    assert built.verify(built.sign().bundle(), root=root)["verified"]
    bad = built.sign(key=authority.Key()).bundle()
    assert "not of this statement" in refused(built.verify(bad, root=root), "signature")
    root = built.write(f"{no_log}\n{other}\n", "roots.jsonl")
    assert "of no authority" in refused(
        built.verify(built.sign().bundle(), root=root), "certificate"
    )


@dataclass(frozen=True)
class Several:
    """What `verify` says of several attestations of the wheel, in one call."""

    run: Run
    found: dict[str, Any]

    @classmethod
    def of(cls, built: Built, contents: dict[str, Any]) -> Several:
        given: list[str | Path] = [built.wheel]
        for name, content in contents.items():
            given += ["--attestation", built.write(content, f"{name}.json")]
        run = built.run(*given)
        assert run.code == 1, run.output
        return cls(run, said(built.run("--json", *given)))

    def attestation(self, name: str) -> dict[str, Any]:
        """The entry of one of them."""
        entries = self.found["attestations"]
        (found,) = (it for it in entries if os.path.basename(it["file"]) == f"{name}.json")
        assert found["verified"] is False
        return dict(found)

    def refused(self, name: str, kind: str) -> str:
        """The text of the only problem of one of them."""
        (problem,) = self.attestation(name)["problems"]
        assert problem["kind"] == kind, problem
        return str(problem["text"])


@pytest.fixture(scope="module")
def bad(built: Built) -> Several:
    return Several.of(built, {name: make(built) for name, (make, *_) in BAD.items()})


@pytest.mark.parametrize("name", list(BAD))
def test_it_does_not_hold(bad: Several, name: str) -> None:
    _, kind, words = BAD[name]
    assert words in bad.refused(name, kind)
    assert words in bad.run.stdout.replace("\n    ", " ")


def test_a_refused_statement_is_nobodys(built: Built) -> None:
    make, kind, words = BAD["another key"]
    found = built.verify(make(built))
    assert words in refused(found, kind)
    assert "signer" not in claims(found).values()
    run = built.run(built.wheel, "--attestation", built.folder / "it.json")
    assert run.code == 1
    assert "not verified" in run.stdout
    assert "its attestation does not hold" in run.stdout


def test_a_good_one_does_not_excuse_a_bad_one(built: Built) -> None:
    good, bad = built.sign(), built.sign(key=authority.Key())
    text = "\n".join(json.dumps(signed.bundle()) for signed in (good, bad))
    assert "not of this statement" in refused(built.verify(text), "signature")


def subject(digest: str | None = None, name: str | None = None) -> Callable[[Statement], None]:
    def change(statement: Statement) -> None:
        (only,) = statement["subject"]
        only["name"] = name or only["name"]
        only["digest"]["sha256"] = digest or only["digest"]["sha256"]

    return change


def test_another_subject(built: Built) -> None:
    text = refused(built.verify(built.sign(subject("0" * 64)).bundle()), "subject")
    assert text == f"it is about another file of this name, with sha256 {'0' * 64}"
    text = refused(
        built.verify(built.sign(subject(name="b-1-py3-none-any.whl")).bundle()), "subject"
    )
    assert text == "it is about this content, under the name b-1-py3-none-any.whl"
    signed = built.sign(subject("0" * 64, "b.whl"))
    found = built.verify(signed.bundle())
    assert refused(found, "subject") == "none is about this file, but about b.whl"
    assert found["attestations"][0]["file"] is None


#: Changes of the subject, and the only line about it.
UNCLEAR: dict[str, tuple[Callable[[Statement], object], str]] = {
    "no name": (
        lambda it: it["subject"][0].pop("name"),
        "it is about this content, and does not name the file",
    ),
    "no digest": (
        lambda it: it["subject"][0].update(digest={"sha512": "0"}),
        "it is about a file of this name, and names no sha256 of it",
    ),
}


@pytest.fixture(scope="module")
def unclear(built: Built) -> Several:
    signed = {name: built.sign(change).bundle() for name, (change, _) in UNCLEAR.items()}
    return Several.of(built, signed)


@pytest.mark.parametrize("name", list(UNCLEAR))
def test_a_subject_that_is_not_told(unclear: Several, name: str) -> None:
    assert unclear.refused(name, "subject") == UNCLEAR[name][1]


def test_no_attestation_is_none_that_does_not_hold(built: Built) -> None:
    signed = built.sign(lambda it: it.update(subject=[]))
    run = built.run(built.wheel, "--attestation", built.write(signed.bundle()))
    assert run.code == 1
    assert "no attestation is about it" in run.stdout
    assert "in --attestation\n  none is about this file\n" in run.stdout
    assert "does not hold" not in run.stdout


def listed(statement: Statement) -> list[dict[str, Any]]:
    """The dependencies."""
    found: list[dict[str, Any]] = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    return found


def find(statement: Statement, **wanted: str) -> dict[str, Any]:
    """The only dependency with these values."""
    (found,) = (it for it in listed(statement) if wanted.items() <= it.items())
    return found


def without(statement: Statement, **wanted: str) -> None:
    listed(statement).remove(find(statement, **wanted))


def a_crate(statement: Statement) -> dict[str, Any]:
    return next(it for it in listed(statement) if it.get("uri", "").startswith("pkg:cargo/pyo3@"))


def other_repository(statement: Statement, uri: str) -> None:
    find(statement, name="source")["uri"] = uri
    statement["predicate"]["buildDefinition"]["externalParameters"]["source"] = uri


#: Changes of a statement before it is signed, the kind of the problem, and words of it.
LIES: dict[str, tuple[Callable[[Statement], object], str, str]] = {
    "a file": (
        lambda it: find(it, name="src/lib.rs")["digest"].update(sha256="0" * 64),
        *("dependency", f"dependency src/lib.rs: {'0' * 64} by the attestation, "),
    ),
    "a file less": (
        lambda it: without(it, name="src/lib.rs"),
        *("dependency", "dependency src/lib.rs: the attestation does not name it"),
    ),
    "a file more": (
        lambda it: listed(it).append({"name": "src/other.rs", "digest": {"sha256": "0" * 64}}),
        *("dependency", "dependency src/other.rs: only the attestation names it"),
    ),
    "a crate": (
        lambda it: a_crate(it)["digest"].update(sha256="0" * 64),
        *("dependency", "dependency pkg:cargo/pyo3@"),
    ),
    "the compiler": (
        lambda it: find(it, name="rustc").update(uri="pkg:generic/rustc@1.0.0"),
        *("dependency", "dependency rustc: pkg:generic/rustc@1.0.0 by the attestation, "),
    ),
    "the whole version": (
        lambda it: find(it, name="rustc")["annotations"].update(version="rustc 1.0.0 (other)"),
        *("dependency", "dependency rustc (annotations.version): rustc 1.0.0 (other) by the "),
    ),
    "a file twice": (
        lambda it: listed(it).append(deepcopy(find(it, name="src/lib.rs"))),
        *("dependency", "dependency src/lib.rs: the attestation names it more than once"),
    ),
    "another digest of a file": (
        lambda it: find(it, name="src/lib.rs")["digest"].update(sha512="0"),
        *("dependency", "src/lib.rs (digest.sha512): only the attestation names it"),
    ),
    "another commit": (
        lambda it: listed(it).append({"name": "source", "digest": {"gitCommit": "b" * 40}}),
        *("commit", "commit source: the attestation names it more than once"),
    ),
    "a repository of another commit": (
        lambda it: other_repository(it, f"git+https://example.org/a@{'b' * 40}"),
        *("parameter", f"a@{'b' * 40} by the attestation, commit "),
    ),
    "internal parameters": (
        lambda it: it["predicate"]["buildDefinition"].update(internalParameters={"a": 1}),
        *("parameter", "parameter internalParameters: only the attestation names it"),
    ),
    "another byproduct": (
        lambda it: it["predicate"]["runDetails"]["byproducts"].append({"name": "log"}),
        *("byproduct", "byproduct log: only the attestation names it"),
    ),
    "the record": (
        lambda it: it["predicate"]["runDetails"]["byproducts"][0]["digest"].update(sha256="0" * 64),
        *("record", f"/wheelprint.json: {'0' * 64} by the attestation, "),
    ),
    "a variable": (
        lambda it: it["predicate"]["buildDefinition"]["externalParameters"].update(
            variables={"RUSTFLAGS": "-g"}
        ),
        *("parameter", "parameter variables.RUSTFLAGS: only the attestation names it"),
    ),
}


@pytest.fixture(scope="module")
def lies(built: Built) -> Several:
    signed = {name: built.sign(change).bundle() for name, (change, *_) in LIES.items()}
    return Several.of(built, signed)


@pytest.mark.parametrize("name", list(LIES))
def test_a_statement_that_does_not_fit(lies: Several, name: str) -> None:
    _, kind, words = LIES[name]
    assert words in lies.refused(name, kind)
    assert lies.attestation(name)["signer"]["identities"] == [WORKFLOW]


def test_the_commit_is_that_of_the_revision(built: Built) -> None:
    at_head = ("--source", f"{built.project.root}@HEAD")
    assert built.verify(built.sign().bundle(), *at_head)["verified"]

    def lie(statement: Statement) -> None:
        find(statement, name="source")["digest"]["gitCommit"] = "b" * 40

    text = refused(built.verify(built.sign(lie).bundle(), *at_head), "commit")
    assert text == f"commit source: {'b' * 40} by the attestation, {built.commit} in --source"

    # A tree has no commit, so what the attestation says of it can't be compared.
    given = ("--attestation", built.write(built.sign().bundle()))
    of_tree = built.run(built.wheel, *given, "--source", f"{built.project.root}@HEAD^{{tree}}")
    assert of_tree.code == 2
    assert "expected commit type" in of_tree.stderr


def test_other_sources_beside_a_good_attestation(built: Built) -> None:
    built.project.edit()
    found = built.verify(built.sign().bundle())
    built.project.undo_edit()
    assert not found["verified"]
    assert problems(found) == []
    assert [reason["text"] for reason in found["differences"]] == ["src/lib.rs changed"]
    assert claims(found)["subject"] == "signer"
    assert "sources" not in claims(found)


def test_a_folder_has_the_attestations_of_each_file(built: Built) -> None:
    digest = hashlib.sha256(built.sdist.read_bytes()).hexdigest()
    of_sdist = json.loads(built.sign(subject(digest, built.sdist.name)).statement)
    of_sdist.update(predicateType=PUBLISH, predicate=None)
    folder = built.folder / "dist"
    for name, signed in (
        (f"{built.wheel.name}.slsa.attestation", built.sign()),
        (f"{built.sdist.name}.publish.attestation", built.authority.sign(of_sdist)),
    ):
        built.write(signed.attestation(), f"dist/{name}")
    built.write("garbage", "dist/other.whl.publish.attestation")
    built.write("garbage", f"dist/{built.wheel.name}.intoto.json")
    both = (built.wheel, built.sdist, "--attestation", folder)
    found = said(built.run("--json", *both))
    assert found["verified"], found
    files = [it["attestations"][0]["file"] for it in found["artifacts"]]
    assert [os.path.basename(file) for file in files] == [
        f"{built.wheel.name}.slsa.attestation",
        f"{built.sdist.name}.publish.attestation",
    ]
    (folder / f"{built.sdist.name}.publish.attestation").unlink()
    run = built.run(*both)
    assert run.code == 1
    assert "1 of 2 files verified" in run.stdout
    assert "none is about this file, but about " + built.wheel.name in run.stdout
    shutil.rmtree(folder)
    folder.mkdir()
    found = said(built.run("--json", *both))
    assert [it["attestations"][0]["problems"][0]["text"] for it in found["artifacts"]] == [
        "there is no attestation of this file"
    ] * 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("garbage", "not JSON: "),
        ('{"mediaType"', "not JSON: "),
        ("[" * 200_000, "not JSON: "),
        ("[]", "not a JSON object"),
        ("{}", "neither an attestation (PEP 740) nor a Sigstore bundle"),
        ('{"envelope": 1}', "not a valid attestation: version: Field required"),
        (
            '{"envelope": {}, "version": 2}',
            "an attestation of a version that is not known (2)",
        ),
        (
            '{"version": 1, "attestation_bundles": [1]}',
            "PyPI's provenance without a list of attestations",
        ),
        (
            '{"version": 1, "attestation_bundles": null}',
            "PyPI's provenance without a list of attestations",
        ),
        (
            '{"version": 1, "attestation_bundles": [{"attestations": [1]}]}',
            "not a valid attestation: Input should be ",
        ),
        (
            '{"version": 9, "attestation_bundles": []}',
            "PyPI's provenance of a version that is not known (9)",
        ),
        (
            '{"attestation_bundles": []}',
            "PyPI's provenance of a version that is not known (null)",
        ),
        (
            '{"mediaType": "application/vnd.dev.sigstore.bundle.v9+json"}',
            "a bundle of a version that is not known (application/vnd.dev.sigstore.bundle.v9+json)",
        ),
        ('{"_type": "https://in-toto.io/Statement/v1", "subject": []}', "nobody signed"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "not JSON: "),
    ],
)
def test_what_is_no_attestation(built: Built, content: str, words: str) -> None:
    error = answer(built, content)["error"]
    assert error["about"] == str(built.folder / "it.json")
    assert words in error["cause"]
    assert error["hint"] in (
        "sign it first",
        "an attestation is a file of PEP 740, of PyPI's integrity API, or a Sigstore bundle",
    )


def test_what_is_no_attestation_is_an_error(built: Built) -> None:
    path = built.write('{"envelope": 1}')
    run = built.run(built.wheel, "--attestation", path)
    assert run.code == 2
    assert run.stdout == ""
    assert run.stderr.startswith(f"error: {path}: not a valid attestation: ")
    assert "Traceback" not in run.stderr


def test_files_that_are_not_read(built: Built) -> None:
    huge = built.folder / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 32)
    missing = built.folder / "missing.json"
    good = built.write(built.sign().bundle())
    for path, words in ((huge, "larger than 64 MiB"), (missing, "no such file")):
        run = built.run(built.wheel, "--attestation", path)
        assert run.code == 2
        assert run.stderr.startswith(f"error: {path}: {words}")
        run = built.run(built.wheel, "--attestation", good, root=path)
        assert run.code == 2
        assert run.stderr.startswith(f"error: {path}: {words}")
    huge.unlink()
    run = built.run(built.wheel, "--attestation", good, root=good)
    assert run.code == 2
    assert run.stderr.startswith(f"error: {good}: not a trust root: ")
    if sys.platform != "win32":
        run = built.run(built.wheel, "--attestation", "/dev/zero")
        assert run.code == 2
        assert run.stderr.startswith("error: /dev/zero: not a file")


def test_a_signature_without_a_statement(built: Built) -> None:
    bundle = built.sign().bundle()
    del bundle[ENVELOPE]
    bundle["messageSignature"] = {"signature": authority.text(b"signature")}
    run = built.run(built.wheel, "--attestation", built.write(bundle))
    assert run.code == 2
    assert "a signature without a statement" in run.stderr


def test_without_the_libraries(built: Built) -> None:
    path = built.write(built.sign().bundle())
    run = wheelprint(built.project, "verify", built.wheel, "--attestation", path)
    assert run.code == 2
    assert "error: --attestation: attestations can't be checked: No module named" in run.stderr
    assert 'pip install "wheelprint[attestations]"' in run.stderr


def test_a_name_does_not_steer_the_terminal(built: Built) -> None:
    signed = built.sign(subject("0" * 64, "a\x1b[31m.whl"))
    run = built.run(built.wheel, "--attestation", built.write(signed.bundle()))
    assert run.code == 1
    assert "\x1b" not in run.stdout
    assert r"a\u{1b}[31m.whl" in run.stdout
