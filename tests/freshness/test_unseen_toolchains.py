"""Another cargo, a wrapper around rustc, another toolchain by rustup's variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import asking, toolchains

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


def program(project: Project, name: str, script: str) -> str:
    """A shell script beside the project: its path."""
    path = project.write(f"../../{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_another_cargo(uncompiled: Project) -> None:
    """maturin runs what CARGO names."""
    loud = program(uncompiled, "cargo-loud", 'RUSTFLAGS="--cfg loud" exec cargo "$@"')
    asking.anew(uncompiled)
    uncompiled.env["CARGO"] = loud
    asking.must_see(uncompiled, "flag", "true")


def test_another_wrapper(uncompiled: Project) -> None:
    uncompiled.env["RUSTC_WRAPPER"] = program(uncompiled, "wrap-quiet", 'exec "$@"')
    loud = program(uncompiled, "wrap-loud", 'exec "$@" --cfg loud')
    asking.anew(uncompiled)
    uncompiled.env["RUSTC_WRAPPER"] = loud
    asking.must_see(uncompiled, "flag", "true")


def test_another_toolchain_by_variable(uncompiled: Project) -> None:
    toolchains.sysroot("nightly")
    toolchains.behind_rustup(uncompiled)
    asking.forget_builds(uncompiled)
    first = asking.build(uncompiled).seen["rustc"]
    uncompiled.env["RUSTUP_TOOLCHAIN"] = "nightly"
    built = asking.build(uncompiled)
    assert built.seen["rustc"] != first, built.verdict
    del uncompiled.env["RUSTUP_TOOLCHAIN"]
    assert asking.build(uncompiled).seen["rustc"] == first
