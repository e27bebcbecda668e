"""Runs third-party checkers on many files at once, and lists the findings that are allowed.

installer validates RECORD. twine and check-wheel-contents check every file. abi3audit reads only
the compiled modules of wheels for the stable ABI, so wheels with equal modules are checked once. If
a checker does not mention a file, that is a finding too. No checker uses the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import wheels

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Finding:
    """A checker's message about a file, or about no particular file."""

    checker: str
    file: Path | None
    said: str


@dataclass(frozen=True)
class Allowed:
    """A finding of check-wheel-contents that is allowed, and the reason."""

    code: str
    #: The start of the wheel's name.
    project: str
    #: The files in the message, one on each line. `PROJECT` is the start of the wheel's name.
    files: str
    reason: str


ALLOWED = (
    Allowed("W003", ".*", r"PROJECT\.start", "as a `.pth` file, which the checker knows"),
    Allowed("W004", ".*", r"(PROJECT\.editable/.*\n?)+", "the runtime hook maps these"),
    Allowed(
        "W009",
        ".*",
        r"(\w+/\n)?PROJECT\.(editable/\nPROJECT\.start|start\nPROJECT\.editable/)",
        "all are needed",
    ),
    Allowed("W010", ".*", r"PROJECT\.editable/", "nothing is mapped, and inputs are listed there"),
    Allowed("W002", "cffi_bindings", r".*/some\.txt\n.*/__init__\.pyi", "a test writes them so"),
    Allowed("W002", ".*", r"(.*/made\.txt\n?)+", "a test has maturin pack one file twice"),
    Allowed("W007", "bin_bindings", "", "a program is all there is"),
)


@dataclass(frozen=True)
class OnPurpose:
    """A finding for a wheel that a test makes wrong or unusual on purpose."""

    checker: str
    #: The start of the test's name, with its file.
    test: str
    #: A pattern for the whole message of the checker.
    said: str


_FROM_MATURIN = "tests/faults/test_hostile_wheels.py::test_from_maturin"
ON_PURPOSE = (
    OnPurpose("check-wheel-contents", f"{_FROM_MATURIN}[", r"W003: [^\n]+:\n  [^\n]+"),
    OnPurpose(
        "check-wheel-contents",
        f"{_FROM_MATURIN}[a folder with something in it]",
        r"W010: [^\n]+:\n  folder/",
    ),
    # installer reads RECORD line by line, but a quoted name may contain a line break.
    OnPurpose(
        "RECORD",
        f"{_FROM_MATURIN}[named 'a\\\\nb']",
        r"_WheelFileValidationError: \['In [^,]+, a\\nb is not mentioned in RECORD'\]",
    ),
)


def is_on_purpose(finding: Finding, test: str) -> bool:
    """Whether that test causes the finding on purpose."""
    return any(
        finding.checker == known.checker
        and test.startswith(known.test)
        and re.fullmatch(known.said, finding.said.strip())
        for known in ON_PURPOSE
    )


#: twine needs keyring, and keyring needs cffi on Linux. cffi does not support the free-threaded
#: Python 3.13.
_HAS_CFFI = not sysconfig.get_config_var("Py_GIL_DISABLED") or sys.version_info >= (3, 14)
#: Checkers that cannot be installed on this Python; set by `nox -s pythons`.
_WITHOUT = os.environ.get("WHEELPRINT_TEST_WITHOUT", "").split()
HAS_TWINE = _HAS_CFFI and "twine" not in _WITHOUT

#: Variables for long lines on any terminal. Colors cannot be switched off.
_WIDE = {"TERM": "xterm", "COLUMNS": "500", "PYTHONUTF8": "1"}
_COLOR = re.compile(r"\x1b\[[\d;]*m")
_ABI3 = re.compile(r"-abi3-(\w*linux|macosx)")


def check(folder: Path, files: Sequence[Path]) -> list[Finding]:
    """The findings that are not allowed. Each file is in its own folder below ``folder``."""
    built = [path for path in files if path.suffix == ".whl"]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = [
            pool.submit(checker, folder, some)
            for checker, some in (
                *(((_twine, files),) if HAS_TWINE else ()),
                (_check_wheel_contents, built if _has("check-wheel-contents") else []),
                (_abi3audit, _different_modules(built) if _has("abi3audit") else []),
                (_records, built),
            )
            if some
        ]
        return [finding for one in running for finding in one.result()]


def _has(checker: str) -> bool:
    return checker not in _WITHOUT


def _records(_: Path, built: Sequence[Path]) -> list[Finding]:
    findings = []
    for wheel in built:
        try:
            wheels.check(wheel)
        except Exception as error:
            findings.append(Finding("RECORD", wheel, f"{type(error).__name__}: {error}"))
    return findings


def _twine(folder: Path, files: Sequence[Path]) -> list[Finding]:
    patterns = sorted({f"*/*{path.suffix}" for path in files})
    output = _run(folder, "twine", "check", "--strict", *patterns)
    parts = re.split(r"(?m)^Checking (.+?): (PASSED$|FAILED)", output)
    said = {
        folder / name: [] if verdict == "PASSED" else [verdict + text]
        for name, verdict, text in zip(parts[1::3], parts[2::3], parts[3::3])
    }
    return _findings("twine check --strict", files, said, output)


def _check_wheel_contents(folder: Path, built: Sequence[Path]) -> list[Finding]:
    output = _run(folder, "check_wheel_contents", "--no-config", ".")
    said: dict[Path, list[str]] = {}
    # The lines after a finding are the files that it names.
    for entry in re.split(r"\n(?! )", output):
        name, _, text = entry.partition(": ")
        path = folder / name
        findings = said.setdefault(path, [])
        if text != "OK" and not _is_allowed(path.name.split("-")[0], text):
            findings.append(text)
    return _findings("check-wheel-contents", built, said, output)


def _is_allowed(project: str, text: str) -> bool:
    code = text.partition(":")[0]
    files = "\n".join(line.strip() for line in text.splitlines()[1:])
    return any(
        allowed.code == code
        and re.fullmatch(allowed.project, project)
        and re.fullmatch(allowed.files.replace("PROJECT", re.escape(project)), files)
        for allowed in ALLOWED
    )


def _abi3audit(folder: Path, built: Sequence[Path]) -> list[Finding]:
    report = folder / "abi3audit.json"
    names = [str(wheel.relative_to(folder)) for wheel in built]
    output = _run(folder, "abi3audit", "--strict", "--report", "--output", report.name, *names)
    audited = json.loads(report.read_text() or "{}").get("specs", {})
    said = {
        folder / name: [
            f"{module['name']}: {json.dumps(module['result'])}"
            for module in result["wheel"]
            if not (module["result"]["is_abi3"] and module["result"]["is_abi3_baseline_compatible"])
        ]
        for name, result in audited.items()
    }
    return _findings("abi3audit --strict", built, said, output)


def _different_modules(built: Sequence[Path]) -> list[Path]:
    """One wheel for each set of equal modules and tags."""
    found: dict[tuple[str, ...], Path] = {}
    for wheel in built:
        if not _ABI3.search(wheel.name):
            continue
        with zipfile.ZipFile(wheel) as archive:
            modules = [name for name in archive.namelist() if name.endswith(".so")]
            digests = [hashlib.sha256(archive.read(name)).hexdigest() for name in modules]
        found.setdefault((wheel.name, *digests), wheel)
    return list(found.values())


def _findings(
    checker: str, files: Sequence[Path], said: dict[Path, list[str]], output: str
) -> list[Finding]:
    findings = [Finding(checker, file, text) for file in files for text in said.get(file, [])]
    missing = [file for file in files if file not in said]
    if missing:
        # The checker ended early. The end of its output says why.
        end = output[-2000:].strip()
        findings.append(Finding(checker, missing[0], f"and {len(missing) - 1} more:\n{end}"))
    return findings


def _run(folder: Path, module: str, *args: str) -> str:
    """The output of a checker. Its exit code has no further information."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=folder,
        env={**os.environ, **_WIDE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    return _COLOR.sub("", done.stdout)
