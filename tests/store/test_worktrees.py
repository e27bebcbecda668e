"""One store for several trees of a project: a tree is served what another one built, and never
shows the other's content."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from support import asking, installed, wheels
from support.installed import Editable
from support.workbench import forget_projects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = [
    pytest.mark.spy,
    pytest.mark.skipif(sys.platform == "win32", reason="folders in use are not renamed"),
]

ENGINE = "../../crates/engine/src/lib.rs"
PACKAGE = "python/workspace_sample/__init__.py"
IGNORED = "target\n.venv\n__pycache__\n"


class Trees:
    """A project in a git repository, and more trees of it."""

    def __init__(self, main: Project) -> None:
        # Without what another tree compiled, pyo3 is compiled in each.
        self.main = dataclasses.replace(main, seconds=600)
        self.folder = main.bench.folder / "trees"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        main.write("../../.gitignore", IGNORED)
        self.git("init", "-q")
        self.commit()

    def git(self, *args: str, tree: Project | None = None) -> None:
        asking.git(self.main, *args, cwd=top(tree or self.main))

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "-qm", "all")

    def add(self, name: str = "second", commit: str = "HEAD") -> Project:
        """A new worktree."""
        self.git("worktree", "add", "-q", "--detach", str(self.folder / name), commit)
        return self.at(self.folder / name)

    def copy(self, name: str) -> Project:
        """A copy that is no git repository."""
        skipped = shutil.ignore_patterns("target", ".venv", ".git", ".gitignore")
        shutil.copytree(top(self.main), self.folder / name, ignore=skipped)
        return self.at(self.folder / name)

    def at(self, folder: Path) -> Project:
        return dataclasses.replace(self.main, root=folder / "bindings" / "python")


def top(tree: Project) -> Path:
    """The folder of a whole tree."""
    return tree.path("../..")


@pytest.fixture
def trees(check_out: CheckOut) -> Iterator[Trees]:
    """The main tree, which is installed."""
    trees = Trees(check_out("workspace"))
    installed.synced(trees.main)
    # uv.lock, as in most repositories.
    trees.commit()
    yield trees
    shutil.rmtree(trees.folder)


def sync(tree: Project) -> Editable:
    return installed.synced(tree)


def sync_without_cargo(tree: Project) -> Editable:
    tree.spy.clear()
    editable = sync(tree)
    tree.spy.assert_idle()
    return editable


def forget_install(tree: Project) -> None:
    """Removes the environment, and what uv kept of its own builds."""
    shutil.rmtree(tree.root / ".venv")
    forget_projects(tree.bench.folder / "uv-cache")


def shows(tree: Project) -> str:
    """What the installed module returns, without a look at the sources."""
    return Editable(tree, tree.root / ".venv").imports(WHEELPRINT_ON_STALE="ignore").shows


def set_power(tree: Project, number: int) -> None:
    tree.write(ENGINE, f"pub fn horsepower() -> u32 {{\n    {number}\n}}\n")


# A new tree


@pytest.mark.parametrize("kind", ["a worktree", "a copy without git"])
def test_a_second_tree_is_served_without_cargo(kind: str, trees: Trees) -> None:
    tree = trees.add() if kind == "a worktree" else trees.copy("copied")
    editable = sync_without_cargo(tree)
    editable.is_quiet("90")
    file = editable.imports("import workspace_sample; print(workspace_sample.__file__)").shows
    assert str(top(tree)) in file
    installed.hears_nothing(tree)


@pytest.mark.parametrize("kind", ["editable", "wheel"])
def test_hooks_in_a_second_tree(kind: str, trees: Trees) -> None:
    """No file of the wheel names the tree that made it."""
    trees.main.env["WHEELPRINT_REUSE"] = "always"
    _, made = trees.main.build(kind)
    tree = trees.add()
    tree.spy.clear()
    run, wheel = tree.build(kind)
    assert run.verdict.startswith("fresh: "), run.verdict
    tree.spy.assert_idle()
    wheels.check(wheel)
    assert wheel.name == made.name
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    other = str(top(trees.main)).encode()
    assert [name for name, data in content.items() if other in data] == []
    if kind == "editable":
        assert str(tree.root).encode() in b"".join(content.values())


def test_metadata_in_a_second_tree(trees: Trees) -> None:
    hook = "prepare_metadata_for_build_editable"
    trees.main.hook(hook, trees.main.output_folder()).ok()
    tree = trees.add()
    tree.spy.clear()
    assert tree.hook("get_requires_for_build_editable", venv=None).ok().result == []
    tree.hook(hook, tree.output_folder(), venv=None).ok()
    tree.spy.assert_idle()


@pytest.mark.freshness
def test_the_first_edit_compiles_only_own_crates(trees: Trees) -> None:
    # Other tests may have left units there that nobody can tell the features of.
    shutil.rmtree(trees.main.target)
    set_power(trees.main, 75)
    sync(trees.main)
    tree = trees.add()
    sync(tree)
    tree.edit()
    tree.spy.clear()
    sync(tree)
    assert tree.spy.compiled() == tree.sample.recompiled
    assert (shows(tree), shows(trees.main)) == ("120", "75")


# Neither tree shows the other's content


def test_edits_stay_in_their_tree(trees: Trees) -> None:
    tree = trees.add()
    sync(tree)
    main = Editable(trees.main, trees.main.root / ".venv")
    tree.append(PACKAGE, 'WHERE = "second"\n')
    code = "import workspace_sample as it; print(getattr(it, 'WHERE', 'main'))"
    main.is_quiet("main", code)
    assert Editable(tree, tree.root / ".venv").imports(code).shows == "second"

    set_power(tree, 120)
    sync(tree)
    main.is_quiet("90")
    installed.hears_nothing(trees.main)
    set_power(trees.main, 60)
    sync(trees.main)
    assert (shows(tree), shows(trees.main)) == ("120", "60")
    # Each has now the content that the other had.
    set_power(tree, 60)
    set_power(trees.main, 120)
    for each, power in ((tree, "60"), (trees.main, "120")):
        sync_without_cargo(each)
        assert shows(each) == power


def test_an_import_rebuilds_its_own_tree(trees: Trees) -> None:
    tree = trees.add()
    editable = sync(tree)
    set_power(tree, 120)
    assert editable.imports().shows == "120"
    Editable(trees.main, trees.main.root / ".venv").is_quiet("90")
    # The content that the other tree has is found, and cargo is not asked.
    set_power(trees.main, 120)
    main = Editable(trees.main, trees.main.root / ".venv")
    trees.main.spy.clear()
    assert main.imports().shows == "120"
    trees.main.spy.assert_idle()


def test_a_crate_that_names_its_folder_is_built_in_each_tree(trees: Trees) -> None:
    """`env!("CARGO_MANIFEST_DIR")`: the module depends on where its tree lies."""
    trees.main.replace("src/lib.rs", "fn horsepower() -> u32", "fn horsepower() -> &'static str")
    trees.main.replace("src/lib.rs", "engine::horsepower()", 'env!("CARGO_MANIFEST_DIR")')
    trees.commit()
    sync(trees.main)
    tree = trees.add()
    sync(tree)
    assert (shows(trees.main), shows(tree)) == (str(trees.main.root), str(tree.root))
    # Also after both have been built.
    for each in (trees.main, tree):
        forget_install(each)
        sync_without_cargo(each)
        assert shows(each) == str(each.root)


def test_two_branches_at_once(trees: Trees) -> None:
    """They are swapped, and each tree has what the other built."""
    trees.git("branch", "one")
    tree = trees.add()
    set_power(tree, 120)
    trees.git("checkout", "-qb", "two", tree=tree)
    trees.git("commit", "-qam", "two", tree=tree)
    sync(tree)
    for main, second in (("two", "one"), ("one", "two"), ("two", "one")):
        for each, branch in ((trees.main, main), (tree, second)):
            trees.git("checkout", "-q", "--detach", branch, tree=each)
        for each, branch in ((trees.main, main), (tree, second)):
            sync_without_cargo(each)
            assert shows(each) == {"one": "90", "two": "120"}[branch]


def test_two_projects_of_one_name(trees: Trees) -> None:
    other = trees.copy("of-the-same-name")
    # They have nothing in common but the name.
    shutil.rmtree(top(other) / "crates")
    other.write("../../Cargo.toml", '[workspace]\nmembers = ["bindings/python"]\n')
    other.write(
        "Cargo.toml",
        '[package]\nname = "workspace-sample"\nversion = "0.3.0"\nedition = "2021"\n'
        'description = "Another"\n[lib]\nname = "_native"\ncrate-type = ["cdylib"]\n'
        '[dependencies]\npyo3 = { version = "0.28.2", features = ["abi3-py39"] }\n',
    )
    other.replace("src/lib.rs", "engine::horsepower()", "7")
    sync(other)
    for _ in range(2):
        for each, power in ((trees.main, "90"), (other, "7")):
            each.spy.clear()
            assert each.build("editable")[0].verdict.startswith("fresh: ")
            each.spy.assert_idle()
            assert shows(each) == power


# Trees and stores that move or go


def test_the_same_tree_moved(trees: Trees) -> None:
    tree = trees.copy("here")
    sync(tree)
    moved = trees.at(top(tree).rename(trees.folder / "there"))
    editable = sync_without_cargo(moved)
    editable.is_quiet("90")
    set_power(moved, 120)
    sync(moved)
    assert shows(moved) == "120"


def test_the_tree_that_made_an_entry_is_removed(trees: Trees) -> None:
    tree = trees.add("maker")
    set_power(tree, 120)
    sync(tree)
    set_power(trees.main, 120)
    sync_without_cargo(trees.main)
    trees.git("worktree", "remove", "--force", str(top(tree)))
    main = Editable(trees.main, trees.main.root / ".venv")
    main.is_quiet("120")
    forget_install(trees.main)
    sync_without_cargo(trees.main).is_quiet("120")
    # A tree that comes later finds it too.
    later = trees.add("later")
    set_power(later, 120)
    sync_without_cargo(later).is_quiet("120")


def test_a_tree_is_removed_while_another_is_built(trees: Trees) -> None:
    tree = trees.add("going")
    sync(tree)
    shutil.rmtree(top(tree))
    set_power(trees.main, 120)
    sync(trees.main)
    assert shows(trees.main) == "120"
    # The same place, with other content.
    trees.git("worktree", "prune")
    again = trees.add("going")
    set_power(again, 120)
    sync_without_cargo(again).is_quiet("120")


def test_the_store_under_another_path(trees: Trees) -> None:
    """As in a container that has it mounted elsewhere."""
    main = trees.main
    old = main.cache_folder
    new = main.output_folder() / "elsewhere"
    shutil.copytree(old, new, symlinks=True)
    shutil.rmtree(old)
    main.env["WHEELPRINT_CACHE_DIR"] = str(new)
    forget_install(main)
    sync_without_cargo(main).is_quiet("90")
    tree = trees.add()
    sync_without_cargo(tree).is_quiet("90")
    assert not old.exists()
    set_power(tree, 120)
    sync(tree)
    assert (shows(tree), shows(main)) == ("120", "90")


def test_one_entry_of_many(trees: Trees) -> None:
    """A new tree is served from a store that is full of other trees' entries."""
    others = [trees.add(f"other{number}") for number in range(3)]
    for number, tree in enumerate(others * 2):
        set_power(tree, 200 + number)
        tree.editable()
    tree = trees.add("late")
    sync_without_cargo(tree).is_quiet("90")
    set_power(tree, 201)
    sync_without_cargo(tree)
    assert shows(tree) == "201"
