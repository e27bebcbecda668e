"""Checks attestations with sigstore and pypi-attestations: who signed which statement.

``wheelprint verify --attestation`` runs this text in the interpreter that runs the command. stdin
has a JSON object: ``files``; ``trust-root``, ``signer`` and ``issuer``, which may be null; and
``paths``, folders with packages. The last line of stdout is the answer, a JSON object:
``attestations``, with an entry for each attestation in the files, or ``error``. Both libraries come
with the extra ``attestations``, and they do all cryptography. Standard library only until they are
needed.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

#: The largest file that is read. A statement names each source file in about 200 bytes.
LIMIT = 64 << 20
#: The longest text of a library that is passed on.
LONGEST = 200
HINT = "an attestation is a file of PEP 740, of PyPI's integrity API, or a Sigstore bundle"
IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle"
#: Services whose names a signer may begin with: their address, and their issuer of identities.
SERVICES = {
    "github": ("https://github.com", "https://token.actions.githubusercontent.com"),
    "gitlab": ("https://gitlab.com", "https://gitlab.com"),
}
SIGNERS = (
    "github:OWNER/REPO, github:OWNER/REPO/release.yml, gitlab:GROUP/PROJECT, each also with "
    "@refs/tags/v1; or the identity in the certificate with --issuer URL"
)
#: What a text of the libraries begins with, the kind of refusal, and its meaning.
REFUSALS = (
    (
        "failed to verify SCT",
        "certificate",
        "the certificate is in no certificate log that the trust root names",
    ),
    (
        "invalid log entry",
        "log",
        "its log entry was changed, or is in no log that the trust root names",
    ),
    ("DSSE: invalid signature", "signature", "the signature is not of this statement"),
    ("log entry", "log", "its log entry is of another statement"),
    ("transparency log entry", "log", "its log entry is of another statement"),
)


class Failed(Exception):
    """The check could not be made. Nothing is known about the attestations."""

    def __init__(self, about: str, cause: str, hint: str | None = None) -> None:
        super().__init__(cause)
        #: The path or the option that it is about.
        self.answer = {"about": about, "cause": cause, "hint": hint}


@dataclass(frozen=True)
class Signer:
    """The signer that the user demands. Fields that are None are not compared."""

    #: The text of ``--signer``.
    text: str
    issuer: str
    #: The subject alternative name of the certificate.
    identity: str | None = None
    #: The address of the repository that the build ran in.
    repository: str | None = None
    #: The address of the workflow file, without its revision.
    workflow: str | None = None
    ref: str | None = None


def demanded(signer: str | None, issuer: str | None) -> Signer | None:
    """The signer that ``--signer`` and ``--issuer`` describe.

    An identity alone is not enough, because several issuers can vouch for one e-mail address.
    """
    if signer is None:
        return None

    def wrong(cause: str) -> Failed:
        return Failed(f"--signer {signer}", cause, f"a signer is {SIGNERS}")

    for name, (address, own_issuer) in SERVICES.items():
        if signer.startswith(f"{address}/"):
            return Signer(signer, issuer or own_issuer, identity=signer)
        if not signer.startswith(f"{name}:"):
            continue
        project, at, ref = signer[len(name) + 1 :].partition("@")
        parts = project.split("/")
        if len(parts) < 2 or not all(parts):
            raise wrong("a repository is missing")
        if at and not ref.startswith("refs/"):
            raise wrong("a ref begins with refs/, for example refs/tags/v1 or refs/heads/main")
        repository, workflow = "/".join(parts), None
        if name == "github" and len(parts) > 2:
            repository, folder = "/".join(parts[:2]), parts[2:-1]
            if folder not in ([], [".github", "workflows"]):
                raise wrong("workflows are in .github/workflows")
            workflow = f"{address}/{repository}/.github/workflows/{parts[-1]}"
        return Signer(
            signer,
            issuer or own_issuer,
            repository=f"{address}/{repository}",
            workflow=workflow,
            ref=ref or None,
        )
    if issuer is None:
        raise wrong("an identity needs its --issuer")
    return Signer(signer, issuer, identity=signer)


def read(path: str) -> bytes:
    """The content of a file of a sensible size."""
    try:
        if not os.path.isfile(path):
            raise Failed(path, "not a file" if os.path.exists(path) else "no such file")
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise Failed(path, error.strerror or str(error)) from error
    if len(content) > LIMIT:
        raise Failed(path, f"larger than {LIMIT >> 20} MiB")
    return content


def documents(path: str, hint: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a file: one, or one in each line, as ``gh attestation`` writes them."""
    try:
        text = read(path).decode()
        try:
            found = [json.loads(text)]
        except ValueError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise Failed(path, f"not JSON: {short(error)}", hint) from error
    if not found:
        raise Failed(path, "it is empty", hint)
    for document in found:
        if not isinstance(document, dict):
            raise Failed(path, "not a JSON object", hint)
        yield document


def bundles(path: str) -> Iterator[tuple[str, Any]]:
    """The attestations in a file: the name of each format, and the attestation as a bundle."""
    from pypi_attestations import Attestation
    from sigstore.models import Bundle

    for document in documents(path, HINT):
        try:
            if str(document.get("mediaType")).startswith(BUNDLE):
                yield "sigstore-bundle", Bundle.from_json(json.dumps(document))
            elif "attestation_bundles" in document:
                for attestation in in_provenance(path, document):
                    yield "provenance", Attestation.model_validate(attestation).to_bundle()
            elif "envelope" in document:
                yield "attestation", Attestation.model_validate(document).to_bundle()
            elif "_type" in document and "subject" in document:
                raise Failed(path, "a statement that nobody signed", "sign it first")
            else:
                raise Failed(path, "neither an attestation (PEP 740) nor a Sigstore bundle", HINT)
        except Failed:
            raise
        # The libraries read data of others here, and their errors have no common type.
        except Exception as error:
            raise Failed(path, unreadable(error), HINT) from error


def in_provenance(path: str, document: dict[str, Any]) -> list[Any]:
    """The attestations in a provenance object of PyPI's integrity API (PEP 740).

    The library's own reader refuses publishers that it does not know. The publisher is PyPI's word,
    and not signed. The certificate decides.
    """
    version = document.get("version")
    # For Python, `true` equals 1.
    if version != 1 or isinstance(version, bool):
        said = json.dumps(version)
        raise Failed(
            path, f"PyPI's provenance of a version that is not known ({short(said)})", HINT
        )
    groups = document["attestation_bundles"]
    lists: list[Any] = [
        group.get("attestations") if isinstance(group, dict) else None
        for group in (groups if isinstance(groups, list) else [None])
    ]
    if not all(isinstance(attestations, list) for attestations in lists):
        raise Failed(path, "PyPI's provenance without a list of attestations", HINT)
    return [attestation for attestations in lists for attestation in attestations]


def unreadable(error: Exception) -> str:
    """Why a library can't read an attestation: the first wrong field."""
    # The library for bundles only repeats the text of the error that it caught.
    for cause in (error, error.__context__):
        details = getattr(cause, "errors", None)
        if not callable(details):
            continue
        first = details()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] != "missing" and field == "mediaType":
            return f"a bundle of a version that is not known ({short(first['input'])})"
        if first["type"] != "missing" and field == "version":
            return f"an attestation of a version that is not known ({short(first['input'])})"
        words = short(f"{field}: {first['msg']}" if field else first["msg"])
        return f"not a valid attestation: {words}"
    return f"not a valid attestation: {short(error)}"


def verifiers(trust_root: str | None) -> list[Any]:
    """The library's verifiers for the trust roots in a file, or for Sigstore's public one."""
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

    if trust_root is None:
        try:
            return [Verifier.production()]
        except Exception as error:
            cause = f"it can't be fetched: {short(error.__cause__ or error)}"
            hint = "without network, name a copy of trusted_root.json: --trust-root FILE"
            raise Failed("Sigstore's trust root", cause, hint) from error
    hint = "--trust-root takes Sigstore's trusted_root.json"
    found, errors = [], []
    with tempfile.TemporaryDirectory(prefix="wheelprint-") as folder:
        path = os.path.join(folder, "trusted_root.json")
        for document in documents(trust_root, hint):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
            # GitHub's own root, which `gh attestation trusted-root` adds, has no log. Attestations
            # of that kind are refused, so one usable root is enough.
            try:
                found.append(Verifier(trusted_root=TrustedRoot.from_file(path)))
            except Exception as error:
                errors.append(error)
    if not found:
        raise Failed(trust_root, f"not a trust root: {short(errors[0])}", hint) from errors[0]
    return found


class AnySigner:
    """The policy for the library's verifier. ``refusal_of_signer`` compares the signer afterwards,
    so that a refusal names a signer whose signature holds."""

    def verify(self, certificate: Any) -> None:
        """Accepts every certificate."""


def signer_of(bundle: Any, wanted: Signer | None) -> dict[str, Any]:
    """Who the certificate names: identities, issuer, and the build that it was given to.

    A demanded identity is the first, because that one is shown.
    """
    from cryptography import x509
    from pypi_attestations import Attestation
    from sigstore.verify import policy

    extensions = bundle.signing_certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    claims = Attestation.from_bundle(bundle).certificate_claims
    kinds = {
        "issuer": policy.OIDCIssuerV2,
        "repository": policy.OIDCSourceRepositoryURI,
        "ref": policy.OIDCSourceRepositoryRef,
        "commit": policy.OIDCSourceRepositoryDigest,
        "workflow": policy.OIDCBuildConfigURI,
    }
    identities = [
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.RFC822Name),
    ]
    if wanted is not None:
        identities.sort(key=lambda identity: identity != wanted.identity)
    return {
        "identities": identities,
        **{name: claims.get(kind.oid.dotted_string) for name, kind in kinds.items()},
    }


def is_demanded(wanted: Signer, found: dict[str, Any]) -> bool:
    """Whether a signer is the demanded one."""
    is_workflow = wanted.workflow is None or (
        # Behind the @ is the revision of the workflow.
        (found["workflow"] or "").startswith(f"{wanted.workflow}@")
    )
    return (
        found["issuer"] == wanted.issuer
        and wanted.identity in (None, *found["identities"])
        and wanted.repository in (None, found["repository"])
        and wanted.ref in (None, found["ref"])
        and is_workflow
    )


def time_of(bundle: Any, parts: dict[str, Any]) -> Any:
    """The time of the signature: that of the log entry, or of the only timestamp.

    The library verifies it. With several timestamps it verifies at least one, and does not say
    which.
    """
    from datetime import datetime, timezone

    entry = parts["verificationMaterial"]["tlogEntries"][0]
    if entry.get("integratedTime") and entry.get("inclusionPromise"):
        return datetime.fromtimestamp(int(entry["integratedTime"]), tz=timezone.utc)
    data = bundle.verification_material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data else []
    return stamps[0].tst_info.gen_time if len(stamps) == 1 else None


def verified(bundle: Any, trusted: list[Any]) -> tuple[str, bytes]:
    """The type and the content of what was signed, if one of the trust roots confirms it."""
    from sigstore.errors import CertValidationError

    errors = []
    for verifier in trusted:
        try:
            return verifier.verify_dsse(bundle, AnySigner())
        # Whatever the library raises, the attestation does not hold.
        except Exception as error:
            errors.append(error)
    # The root of another authority says nothing else than that the certificate is not its own.
    raise next((it for it in errors if not isinstance(it, CertValidationError)), errors[0])


def check(
    file: str, kind: str, bundle: Any, trusted: list[Any], wanted: Signer | None
) -> dict[str, Any]:
    """Checks one attestation. ``refused`` is null if the demanded signer signed the statement."""
    parts = json.loads(bundle.to_json())
    if "dsseEnvelope" not in parts:
        raise Failed(file, "a signature without a statement", "an attestation has a statement")
    payload = base64.b64decode(parts["dsseEnvelope"]["payload"])
    found: dict[str, Any] = {"file": file, "format": kind, "signer": None, "time": None}
    try:
        content, payload = verified(bundle, trusted)
        found["signer"] = signer_of(bundle, wanted)
        time = time_of(bundle, parts)
        found["time"] = time and f"{time:%Y-%m-%dT%H:%M:%SZ}"
        found["refused"] = refusal_of_signer(wanted, found["signer"])
        if content != IN_TOTO:
            found["refused"] = {"kind": "statement", "cause": f"its content is {short(content)}"}
    # Whatever a library raises, the attestation does not hold.
    except Exception as error:
        found["refused"] = refusal(bundle, parts, error)
    # Nobody vouches for a refused statement. It only shows which file it is about.
    found["statement"] = payload.decode(errors="replace")
    return found


def refusal_of_signer(wanted: Signer | None, found: dict[str, Any]) -> dict[str, str] | None:
    """The refusal if another signer was demanded."""
    if wanted is None or is_demanded(wanted, found):
        return None
    demand = wanted.text
    if found["issuer"] != wanted.issuer:
        demand += f" (issuer {wanted.issuer})"
    cause = f"not signed by the demanded signer {demand}, but by {described(found)}"
    return {"kind": "signer", "cause": cause}


def described(found: dict[str, Any]) -> str:
    """A signer in words. Each part is shortened, so that a long one does not hide the others."""
    words = ", ".join(found["identities"]) or "a signer without identity"
    parts = [short(words)]
    for word, name in (("for", "repository"), ("at", "ref"), ("in the workflow", "workflow")):
        # The identity mostly is the workflow.
        if found[name] and found[name] not in found["identities"]:
            parts.append(f"{word} {short(found[name])}")
    return f"{' '.join(parts)} (issuer {short(found['issuer'])})"


def refusal(bundle: Any, parts: dict[str, Any], error: Exception) -> dict[str, str]:
    """The kind and the words of a refusal by the library."""
    from sigstore.errors import CertValidationError

    said = short(error)
    if isinstance(error, CertValidationError):
        certificate = bundle.signing_certificate
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        time = time_of(bundle, parts)
        if time is not None and not start <= time <= end:
            cause = f"signed at {time:%Y-%m-%d %H:%M:%S} with a certificate that was valid from "
            cause += f"{start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} (UTC)"
            return {"kind": "expired", "cause": cause}
        cause = "the certificate is of no authority that the trust root names"
        return {"kind": "certificate", "cause": f"{cause} ({said})"}
    for start, kind, cause in REFUSALS:
        if said.startswith(start):
            return {"kind": kind, "cause": f"{cause} ({said})"}
    return {"kind": "refused", "cause": said}


def short(text: object) -> str:
    """A text of a library in one line."""
    line = " ".join(str(text).split()) or type(text).__name__
    # Texts of others may have halves of surrogates, which are no characters.
    line = line.encode(errors="replace").decode()
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Checks all attestations of a request."""
    sys.path += [path for path in request["paths"] if path not in sys.path]
    try:
        wanted = demanded(request["signer"], request["issuer"])
        try:
            import pypi_attestations  # noqa: F401
        except ImportError as error:
            cause = f"attestations can't be checked: {short(error)}"
            raise Failed("--attestation", cause, missing()) from error
        found = [(file, *each) for file in request["files"] for each in bundles(file)]
        trusted = verifiers(request["trust-root"])
        return {"attestations": [check(*each, trusted, wanted) for each in found]}
    except Failed as failed:
        return {"error": failed.answer}


def missing() -> str:
    """How to get the libraries."""
    if sys.version_info < (3, 10):
        return "the libraries for it need Python 3.10 or later"
    return (
        'pip install "wheelprint[attestations]", or: '
        'uvx --from "wheelprint[attestations]" wheelprint verify ...'
    )


def main(out: Callable[[str], object]) -> None:
    """Answers the request on stdin."""
    out(json.dumps(answer(json.loads(sys.stdin.buffer.read()))))


if __name__ == "__main__":
    main(print)
