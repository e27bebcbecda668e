"""Changed content with old times, where it is hard to tell what cargo has compiled and when."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, packages, toolchains
from support.background import Build, wait_for

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper"
DERIVE = "../../crates/derive"
EXTRA = "../../vendor/extra"
CONFIG = ".cargo/config.toml"


def edit_helper(project: Project) -> None:
    asking.replace_old(project, f"{HELPER}/src/lib.rs", "helper 1", "helper 2")


def test_an_included_file_in_another_packages_folder(uncompiled: Project) -> None:
    """The package above, say, owns the folder of assets; a dependency includes one of them."""
    project = uncompiled
    project.write("assets/shared.txt", "one")
    project.replace(
        f"{HELPER}/src/lib.rs",
        '"helper 1"',
        'include_str!("../../../bindings/python/assets/shared.txt")',
    )
    assert asking.anew(project).seen["helper"] == "one"
    asking.write_old(project, "assets/shared.txt", "two")
    asking.must_see(project, "helper", "two")


def test_a_watched_file_in_another_packages_folder(uncompiled: Project) -> None:
    project = uncompiled
    project.write("assets/shared.txt", "one")
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=../../bindings/python/assets/shared.txt",
        found='std::fs::read_to_string("../../bindings/python/assets/shared.txt").unwrap()',
    )
    assert asking.anew(project).seen["found"] == "one"
    asking.write_old(project, "assets/shared.txt", "two")
    asking.must_see(project, "found", "two")


def _clean_the_last_crate(project: Project) -> None:
    project.run("cargo", "clean", "--release", "-p", "every-input").ok()


def _remove_cargos_dep_info(project: Project) -> None:
    (project.target / "release/lib_native.d").unlink()


def _remove_the_artifacts(project: Project) -> None:
    for path in (project.target / "release").iterdir():
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize(
    "remove", [_clean_the_last_crate, _remove_cargos_dep_info, _remove_the_artifacts]
)
def test_a_target_folder_without_the_last_artifact(
    remove: Callable[[Project], None], uncompiled: Project
) -> None:
    asking.anew(uncompiled)
    remove(uncompiled)
    edit_helper(uncompiled)
    asking.must_see(uncompiled, "helper", "helper 2")


def test_the_very_first_build_failed(uncompiled: Project) -> None:
    project = uncompiled
    asking.forget_builds(project)
    shutil.rmtree(project.target)
    shutil.rmtree(project.cache)
    project.replace("src/lib.rs", "mod sub;", "mod sub; compile_error!();")
    project.hook("build_editable", project.output_folder(), None).failed()
    project.replace("src/lib.rs", " compile_error!();", "")
    edit_helper(project)
    asking.must_see(project, "helper", "helper 2")


@pytest.mark.parametrize("between", ["our build", "the user's build"])
def test_a_dependency_that_is_not_always_used(between: str, uncompiled: Project) -> None:
    project = uncompiled
    packages.depend_on(project, 'extra = { path = "../../vendor/extra", optional = true }')
    project.replace("Cargo.toml", "loud = []", 'loud = ["dep:extra"]')
    packages.add(
        project,
        EXTRA,
        version="2.0.0",
        source='pub const EXTRA: &str = "extra 1";\n',
        more="[workspace]\n",
    )
    packages.show(
        project,
        '{ #[cfg(feature = "loud")] { extra::EXTRA.to_owned() } '
        '#[cfg(not(feature = "loud"))] { "none".to_owned() } }',
    )
    loud = {"build-args": "--features loud"}
    assert asking.anew(project, loud).seen["edited"] == "extra 1"
    if between == "our build":
        assert asking.build(project).seen["edited"] == "none"
    else:
        project.run("cargo", "build", "--release").ok()
    asking.replace_old(project, f"{EXTRA}/src/lib.rs", "extra 1", "extra 2")
    asking.must_see(project, "edited", "extra 2", settings=loud)


def test_there_and_back_through_features_and_profiles(uncompiled: Project) -> None:
    """With an edit before each build."""
    project = uncompiled
    loud = {"build-args": "--features loud"}
    dev = {"build-args": "--profile dev"}
    asking.anew(project)
    for number, settings in enumerate((loud, dev, None, loud, None, dev, loud), 2):
        text = f'pub const LINKED: &str = "linked {number}";\n'
        asking.write_old(project, "src/linked.rs", text)
        built = asking.must_see(project, "linked", f"linked {number}", settings=settings)
        assert built.seen["feature"] == str(settings is loud).lower()
        assert built.seen["debug"] == str(settings is dev).lower()


def _name_a_target(project: Project) -> None:
    project.write(CONFIG, f'[build]\ntarget = "{toolchains.host()}"\n')


def _have_a_build_folder(project: Project) -> None:
    project.write(CONFIG, '[build]\nbuild-dir = "made/build"\n')


@pytest.mark.parametrize("layout", [_name_a_target, _have_a_build_folder, toolchains.new_layout])
@pytest.mark.parametrize(
    ("probe", "source"),
    [("helper", f"{HELPER}/src/lib.rs"), ("macro", f"{DERIVE}/src/word.rs")],
    ids=["helper", "macro"],
)
def test_another_layout(
    probe: str, source: str, layout: Callable[[Project], None], uncompiled: Project
) -> None:
    layout(uncompiled)
    asking.forget_builds(uncompiled)
    asking.build(uncompiled)
    asking.replace_old(uncompiled, source, f"{probe} 1", f"{probe} 2")
    asking.must_see(uncompiled, probe, f"{probe} 2")


def test_there_and_back_through_flags(uncompiled: Project) -> None:
    """A dependency is edited before each build, and both builds of it stay in the target folder."""
    project = uncompiled
    for number, loud in enumerate((False, True, False, True, True, False)):
        name = f"helper {number % 3 + 1}"
        text = re.sub(r'"helper \d"', f'"{name}"', project.read(f"{HELPER}/src/lib.rs"))
        asking.write_old(project, f"{HELPER}/src/lib.rs", text)
        project.env.pop("RUSTFLAGS", None)
        if loud:
            project.env["RUSTFLAGS"] = "--cfg loud"
        built = asking.must_see(project, "helper", name)
        assert built.seen["flag"] == str(loud).lower(), (number, built.verdict)


def test_there_and_back_through_profiles(uncompiled: Project) -> None:
    """The same with another profile for other flags."""
    project = uncompiled
    for number, dev in enumerate((False, True, False, True, True, False)):
        name = f"helper {number % 3 + 1}"
        text = re.sub(r'"helper \d"', f'"{name}"', project.read(f"{HELPER}/src/lib.rs"))
        asking.write_old(project, f"{HELPER}/src/lib.rs", text)
        settings = {"build-args": "--profile dev"} if dev else None
        built = asking.must_see(project, "helper", name, settings=settings)
        assert built.seen["debug"] == str(dev).lower(), (number, built.verdict)


def test_a_build_that_was_killed(uncompiled: Project) -> None:
    """After it has compiled a dependency, and before the module."""
    project = uncompiled
    asking.anew(project)
    project.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    began = time.time()
    build = Build(project)
    wait_for(
        lambda: any(
            library.stat().st_mtime >= began
            for library in project.compiled_files("libhelper-*.rlib")
        )
    )
    build.kill()
    for old, new in (("2", "3"), ("3", "1")):
        asking.replace_old(project, f"{HELPER}/src/lib.rs", f"helper {old}", f"helper {new}")
        asking.must_see(project, "helper", f"helper {new}")


def test_a_build_that_failed_when_it_was_linked(uncompiled: Project) -> None:
    """Then both files come back with old times."""
    project = uncompiled
    asking.anew(project)
    names = (f"{HELPER}/src/lib.rs", "src/lib.rs")
    before = {name: project.read(name) for name in names}
    project.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    project.append(
        "src/lib.rs",
        '\n#[link(name = "nowhere_to_be_found")]\nunsafe extern "C" { fn nowhere(); }\n'
        '#[unsafe(no_mangle)]\npub extern "C" fn call_it() { unsafe { nowhere() } }\n',
    )
    project.hook("build_editable", project.output_folder()).failed()
    for name, text in before.items():
        asking.write_old(project, name, text)
    asking.forget_builds(project)
    asking.must_see(project, "helper", "helper 1")
