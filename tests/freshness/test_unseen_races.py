"""Changes during a build that leave the times of files as they are, and files that go away."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking
from support.background import let_it_be_held, start_held, wait_for

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"
VENDOR = "../../vendor"
CONFIG = ".cargo/config.toml"
NOTES = "../../notes"


@pytest.fixture
def held(uncompiled: Project) -> Project:
    let_it_be_held(uncompiled)
    return uncompiled


@dataclass(frozen=True)
class Race:
    """What is done before the build, and during it; what the module of the next build says."""

    before: Callable[[Project], object]
    change: Callable[[Project], object]
    seen: tuple[str, str]


def rename(project: Project, old: str, new: str) -> None:
    project.path(old).rename(project.path(new))


def turn(project: Project, name: str, target: str) -> None:
    """Let a link lead elsewhere."""
    project.path(name).unlink()
    project.path(name).symlink_to(target)


RACES = {
    # The files in it keep their times, ctime too.
    "a folder exchanged": Race(
        lambda p: (
            shutil.copytree(p.path(f"{HELPER}/src"), p.path(f"{HELPER}/new")),
            p.replace(f"{HELPER}/new/lib.rs", "helper 1", "helper 2"),
        ),
        lambda p: (
            rename(p, f"{HELPER}/src", f"{HELPER}/old"),
            rename(p, f"{HELPER}/new", f"{HELPER}/src"),
        ),
        ("helper", "helper 2"),
    ),
    "a link turned": Race(
        lambda p: (
            p.write(f"{NOTES}/one.rs", 'pub const TEXT: &str = "one";\n'),
            p.write(f"{NOTES}/two.rs", 'pub const TEXT: &str = "two";\n'),
            p.path(f"{HELPER}/src/linked.rs").symlink_to("../../../notes/one.rs"),
            p.replace(f"{HELPER}/src/lib.rs", '= "helper 1"', "= linked::TEXT"),
            p.append(f"{HELPER}/src/lib.rs", "mod linked;\n"),
        ),
        lambda p: turn(p, f"{HELPER}/src/linked.rs", "../../../notes/two.rs"),
        ("helper", "two"),
    ),
    # As a deployment's `current` is.
    "a link to a folder turned": Race(
        lambda p: (
            rename(p, f"{VENDOR}/elsewhere", f"{VENDOR}/v1"),
            shutil.copytree(p.path(f"{VENDOR}/v1"), p.path(f"{VENDOR}/v2")),
            p.replace(f"{VENDOR}/v2/src/lib.rs", "elsewhere 1", "elsewhere 2"),
            p.path(f"{VENDOR}/elsewhere").symlink_to("v1"),
        ),
        lambda p: turn(p, f"{VENDOR}/elsewhere", "v2"),
        ("elsewhere", "elsewhere 2"),
    ),
    "configuration deleted": Race(
        lambda p: p.write(CONFIG, '[build]\nrustflags = ["--cfg", "loud"]\n'),
        lambda p: p.path(CONFIG).unlink(),
        ("flag", "false"),
    ),
    "a file of a package whose script names nothing deleted": Race(
        lambda p: p.write(f"{WHOLE}/notes/second.txt", "note 2\n"),
        lambda p: (
            # In cargo's new layout a script's output is `run/stdout`.
            wait_for(
                lambda: any(p.compiled_files("build/whole-*/output", "build/whole/*/run/stdout"))
            ),
            p.path(f"{WHOLE}/notes/second.txt").unlink(),
        ),
        ("notes", "note 1"),
    ),
    "an extra input deleted": Race(
        lambda p: p.settings('extra-inputs = ["assets/undeclared.*"]'),
        lambda p: p.path("assets/undeclared.txt").unlink(),
        ("undeclared", ""),
    ),
}


@pytest.mark.parametrize("name", RACES)
def test_during_the_build(name: str, held: Project) -> None:
    race = RACES[name]
    race.before(held)
    time.sleep(0.2)
    build = start_held(held)
    race.change(held)
    build.finish().ok()
    asking.must_see(held, *race.seen)
