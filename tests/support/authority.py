"""An authority for attestations, as Sigstore runs one: it gives out certificates and keeps logs.

It has Fulcio's certificate authority, a certificate transparency log, and Rekor's transparency log
with its first kind of entries. `Authority.sign` makes what a signer gets from them, and
`Authority.trust_root` the file that a verifier needs. Nothing reaches the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

IN_TOTO = "application/vnd.in-toto+json"
GITHUB = "https://token.actions.githubusercontent.com"
#: Fulcio's extensions (its docs/oid-info.md) with their numbers.
EXTENSIONS = "1.3.6.1.4.1.57264.1"
SCTS = "1.3.6.1.4.1.11129.2.4.2"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SHA256 = ec.ECDSA(hashes.SHA256())


def text(content: bytes) -> str:
    """Base64, as in JSON."""
    return base64.b64encode(content).decode()


def der(tag: int, content: bytes) -> bytes:
    """A value in DER."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(digits)]) + digits + content


@dataclass(frozen=True)
class Key:
    """A signing key, and the number of its public half."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def public(self) -> bytes:
        """The public key in DER."""
        key = self.private.public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def number(self) -> bytes:
        """The number by which logs and certificates name the key."""
        return hashlib.sha256(self.public).digest()

    def sign(self, content: bytes) -> bytes:
        """Signs with SHA-256."""
        return self.private.sign(content, SHA256)


@dataclass(frozen=True)
class Identity:
    """The person or workflow that a certificate names."""

    name: str
    issuer: str
    #: Texts of Fulcio's extensions by their number: 12 is the repository, 14 the ref.
    claims: dict[int, str] = field(default_factory=dict)
    #: Further names of the same certificate. Real ones have none.
    others: tuple[str, ...] = ()

    @classmethod
    def github(
        cls, repository: str = "someone/hello", ref: str = "refs/tags/v1", commit: str = "a" * 40
    ) -> Identity:
        """A run of `release.yml`."""
        address = f"https://github.com/{repository}"
        workflow = f"{address}/.github/workflows/release.yml@{ref}"
        return cls(workflow, GITHUB, {12: address, 13: commit, 14: ref, 18: workflow})

    @property
    def san(self) -> list[x509.GeneralName]:
        """The subject alternative names: an address, an e-mail address, or the name of a host."""

        def named(name: str) -> x509.GeneralName:
            if "://" in name:
                return x509.UniformResourceIdentifier(name)
            return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)

        return [named(name) for name in (self.name, *self.others)]


@dataclass(frozen=True)
class Signed:
    """An attestation: a statement, its signature, the certificate, and the log entry."""

    statement: bytes
    signature: bytes
    certificate: bytes
    entry: dict[str, Any]

    def bundle(self) -> dict[str, Any]:
        """As a Sigstore bundle."""
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": text(self.certificate)},
                "tlogEntries": [deepcopy(self.entry)],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": {
                "payload": text(self.statement),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": text(self.signature)}],
            },
        }

    def attestation(self) -> dict[str, Any]:
        """As an attestation object (PEP 740)."""
        return {
            "version": 1,
            "verification_material": {
                "certificate": text(self.certificate),
                "transparency_entries": [deepcopy(self.entry)],
            },
            "envelope": {"statement": text(self.statement), "signature": text(self.signature)},
        }

    def provenance(self) -> dict[str, Any]:
        """As PyPI's integrity API gives it."""
        publisher = {"kind": "GitHub", "repository": "someone/hello", "workflow": "release.yml"}
        group = {"publisher": publisher, "attestations": [self.attestation()]}
        return {"version": 1, "attestation_bundles": [group]}


@dataclass(frozen=True)
class Authority:
    """A certificate authority and its two logs."""

    root: Key = field(default_factory=Key)
    certificate_log: Key = field(default_factory=Key)
    log: Key = field(default_factory=Key)

    @property
    def _name(self) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "wheelprint"),
                x509.NameAttribute(NameOID.COMMON_NAME, "tests"),
            ]
        )

    def _root_certificate(self) -> bytes:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        public = self.root.private.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(1)
            .not_valid_before(START - timedelta(days=365))
            .not_valid_after(START + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        return builder.sign(self.root.private, hashes.SHA256()).public_bytes(Encoding.DER)

    def _certificate(self, key: Key, identity: Identity, start: datetime) -> bytes:
        """A certificate for ten minutes, with a timestamp of the certificate log."""
        usage = dict.fromkeys(
            (
                *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        public = key.private.public_key()
        root = x509.SubjectKeyIdentifier.from_public_key(self.root.private.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(minutes=10))
            .add_extension(x509.KeyUsage(**usage, digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(identity.san), critical=True)
        )
        for number, claim in {8: identity.issuer, **identity.claims}.items():
            builder = _extended(builder, f"{EXTENSIONS}.{number}", der(0x0C, claim.encode()))
        unlogged = builder.sign(self.root.private, hashes.SHA256())
        stamp = self._certificate_timestamp(unlogged.tbs_certificate_bytes, start)
        logged = _extended(builder, SCTS, der(0x04, stamp))
        return logged.sign(self.root.private, hashes.SHA256()).public_bytes(Encoding.DER)

    def _certificate_timestamp(self, certificate: bytes, at: datetime) -> bytes:
        """A list with one timestamp (RFC 6962, 3.2 and 3.3)."""
        time = int(at.timestamp() * 1000)
        size = len(certificate).to_bytes(3, "big")
        content = struct.pack(">BBQH", 0, 0, time, 1) + self.root.number + size + certificate
        signature = self.certificate_log.sign(content + b"\0\0")
        stamp = struct.pack(">B32sQH", 0, self.certificate_log.number, time, 0)
        # SHA-256 and ECDSA.
        stamp += struct.pack(">BBH", 4, 3, len(signature)) + signature
        return struct.pack(">HH", len(stamp) + 2, len(stamp)) + stamp

    def _entry(
        self, statement: bytes, signature: bytes, certificate: bytes, at: datetime
    ) -> dict[str, Any]:
        """Logs a signature as the second of two entries."""
        pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
        hashed = {"algorithm": "sha256", "value": hashlib.sha256(statement).hexdigest()}
        body = _canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    # The library can't compare it.
                    "envelopeHash": hashed,
                    "payloadHash": hashed,
                    "signatures": [{"signature": text(signature), "verifier": text(pem)}],
                },
            }
        )
        first = hashlib.sha256(b"\0another entry").digest()
        root = hashlib.sha256(b"\1" + first + hashlib.sha256(b"\0" + body).digest()).digest()
        note = f"log.test - 1\n2\n{text(root)}\n"
        signed = self.log.number[:4] + self.log.sign(note.encode())
        time = int(at.timestamp())
        promised = {
            "body": text(body),
            "integratedTime": time,
            "logID": self.log.number.hex(),
            "logIndex": 1,
        }
        return {
            "logIndex": "1",
            "logId": {"keyId": text(self.log.number)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(time),
            "inclusionPromise": {"signedEntryTimestamp": text(self.log.sign(_canonical(promised)))},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": text(root),
                "treeSize": "2",
                "hashes": [text(first)],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} log.test {text(signed)}\n"},
            },
            "canonicalizedBody": text(body),
        }

    def sign(
        self,
        statement: dict[str, Any] | bytes,
        identity: Identity | None = None,
        *,
        key: Key | None = None,
        later: timedelta = timedelta(minutes=1),
    ) -> Signed:
        """Signs a statement: `later` than the start of the certificate, which is for ten minutes.

        The signature is by `key` if the certificate is to be for another key.
        """
        content = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
        own = Key()
        certificate = self._certificate(own, identity or Identity.github(), START)
        envelope = f"DSSEv1 {len(IN_TOTO)} {IN_TOTO} {len(content)} ".encode() + content
        signature = (key or own).sign(envelope)
        entry = self._entry(content, signature, certificate, START + later)
        return Signed(content, signature, certificate, entry)

    def trust_root(self, folder: Path) -> Path:
        """Writes `trusted_root.json`."""
        always = {"start": (START - timedelta(days=365)).isoformat()}

        def log(name: str, key: Key) -> dict[str, Any]:
            return {
                "baseUrl": f"https://{name}.test",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": text(key.public),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": always,
                },
                "logId": {"keyId": text(key.number)},
            }

        authority = {
            "subject": {"organization": "wheelprint", "commonName": "tests"},
            "uri": "https://authority.test",
            "certChain": {"certificates": [{"rawBytes": text(self._root_certificate())}]},
            "validFor": always,
        }
        content = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log("log", self.log)],
            "certificateAuthorities": [authority],
            "ctlogs": [log("certificate-log", self.certificate_log)],
            "timestampAuthorities": [],
        }
        folder.mkdir(exist_ok=True)
        path = folder / "trusted_root.json"
        path.write_text(json.dumps(content))
        return path


def _extended(
    builder: x509.CertificateBuilder, number: str, content: bytes
) -> x509.CertificateBuilder:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(number), content)
    return builder.add_extension(extension, critical=False)


def _canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785), which for these values is sorted and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
