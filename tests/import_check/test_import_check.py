"""The import check: an editable install whose inputs changed, at its next import."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import asking, environment, installed
from support.background import wait_for
from support.commands import wheelprint
from support.privileges import mode, obeying_modes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.installed import Editable
    from support.project import Project
    from support.workbench import Workbench

#: uv is told of pyproject.toml only: the change is one that it can't see.
SAMPLE = "mixed-path-dep"
CHANGED = "../shared-core/src/lib.rs changed"
REBUILT = [f"{SAMPLE} is stale: {CHANGED}; rebuilding", f"rebuilt {SAMPLE} in N s"]
OLD, NEW = "3.0", "6.0"


def forget_cache_keys(project: Project) -> None:
    text = project.read("pyproject.toml")
    start = text.index("[tool.uv]")
    project.write("pyproject.toml", text[:start] + text[text.index("[build-system]") :])


@pytest.fixture(scope="module")
def shared(bench: Workbench) -> Iterator[Editable]:
    project = bench.check_out(SAMPLE)
    forget_cache_keys(project)
    editable = installed.synced(project)
    assert editable.imports().shows == OLD
    yield editable
    bench.put_away()


@pytest.fixture
def editable(shared: Editable) -> Iterator[Editable]:
    """An editable install by `uv sync`, up to date; the tree is put back after each test."""
    project = shared.project
    before = {name: project.read(name) for name in (project.sample.source, "pyproject.toml")}
    env = dict(project.env)
    project.uv("sync").ok()
    assert shared.imports().shows == OLD
    asking.forget_builds(project)
    project.spy.clear()
    yield shared
    for name, text in before.items():
        project.write(name, text)
    project.env.clear()
    project.env.update(env)


def test_what_is_up_to_date_is_imported_without_a_word(editable: Editable) -> None:
    editable.is_quiet(OLD)


def test_a_touch_asks_nobody(editable: Editable) -> None:
    editable.project.touch(editable.project.sample.source)
    editable.is_quiet(OLD)


def test_a_comment_in_a_manifest_asks_nobody(editable: Editable) -> None:
    editable.project.append("pyproject.toml", "# a comment\n[tool.other]\nx = 1\n")
    editable.is_quiet(OLD)


def test_a_change_is_in_effect_at_once(editable: Editable) -> None:
    editable.project.edit()
    imported = editable.imports()
    assert (imported.shows, imported.said) == (NEW, REBUILT)
    assert imported.run.stderr.count("\n") == 2
    editable.is_quiet(NEW)
    installed.hears_nothing(editable.project)


def test_a_change_behind_the_clock_is_in_effect(editable: Editable) -> None:
    project = editable.project
    asking.replace_old(project, project.sample.source, *project.sample.edit)
    assert editable.imports().said == REBUILT
    editable.is_quiet(NEW)


def test_a_change_taken_back_is_found_again(editable: Editable) -> None:
    project = editable.project
    project.edit()
    editable.imports()
    project.undo_edit()
    editable.imports()
    project.edit()
    project.spy.clear()
    assert editable.imports().said == [REBUILT[0], f"{SAMPLE} needed no build (N s)"]
    assert not project.spy.calls("cargo")
    editable.is_quiet(NEW)


def test_what_the_memory_holds_changes_no_answer(editable: Editable) -> None:
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"damaged")):
        for path in (editable.project.cache / "imports").glob("*.memory"):
            damage(path)
        assert editable.imports().said == []
    editable.project.edit()
    shutil.rmtree(editable.project.cache / "imports")
    assert editable.imports().said == REBUILT


EVERY_PATH = """
import os, sys, text_stats
hook = sys.modules["_wheelprint_mixed_path_dep"]
finder = sys.modules[hook.__name__ + "_finder"]
assert hook.__name__ + "_check" not in sys.modules

head = finder.Head(os.path.join(hook.HERE, hook.INPUTS), finder.HEAD)
memory = finder.Memory(head)
assert memory.is_as_remembered()
assert {os.path.isabs(name) for name in memory.names} == {True, False}
folder = os.fsencode(sys.argv[1] + os.sep)
count = 0
for index, name in enumerate(memory.names):
    path = os.path.join(memory.root, name)
    if not path.startswith(folder) or not os.path.isdir(os.path.dirname(path)):
        continue
    count += 1
    is_there = os.path.exists(path)
    os.utime(path) if is_there else os.mkdir(path)
    assert not memory.is_as_remembered(), path
    own = slice(3 * index, 3 * index + 3)
    assert finder.look(memory.names, memory.root)[own] != memory.stats[own], path
    is_there or os.rmdir(path)
    memory.stats = finder.look(memory.names, memory.root)
    assert memory.is_as_remembered()
print(count)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there every file is hashed")
def test_the_fast_check_looks_at_every_path(editable: Editable) -> None:
    # A file is remembered when it was at rest.
    time.sleep(2.2)
    editable.is_quiet(OLD)
    folder = editable.project.bench.folder
    run = editable.project.run(editable.python, "-c", EVERY_PATH, folder, cwd=editable.venv)
    assert int(run.ok().stdout) > 10


# Without a backend to ask

COMMENT = "# a comment\n[tool.other]\nx = 1\n"
DOUBT = f"{SAMPLE} may be stale (pyproject.toml changed; wheelprint can't be asked: "


def lose_backend(editable: Editable) -> None:
    for path in (editable.project.cache / "backend").iterdir():
        path.unlink()


def test_what_is_as_it_was_built_needs_no_backend(editable: Editable) -> None:
    shutil.rmtree(editable.project.cache / "imports")
    lose_backend(editable)
    editable.is_quiet(OLD)
    editable.project.touch(editable.project.sample.source)
    editable.is_quiet(OLD)


def test_warn_and_error_say_what_cannot_be_told(editable: Editable) -> None:
    lose_backend(editable)
    editable.project.append("pyproject.toml", COMMENT)
    imported = editable.imports(WHEELPRINT_ON_STALE="warn")
    assert imported.shows == OLD
    assert imported.said[0].startswith(f"warning: {DOUBT}"), imported.said
    run = editable.imports(WHEELPRINT_ON_STALE="error").run.failed()
    assert run.last_line.startswith(f"ImportError: {DOUBT}"), run.last_line


def test_a_rebuild_asks_the_frontend_instead(editable: Editable) -> None:
    lose_backend(editable)
    editable.project.append("pyproject.toml", COMMENT)
    said = editable.imports().said
    assert said[0].startswith(DOUBT), said
    assert said[0].endswith("; rebuilding"), said
    # The earlier builds are forgotten.
    assert said[1:] == REBUILT[1:]
    # The frontend's build has left another copy.
    editable.project.append("pyproject.toml", "# another comment\n")
    editable.is_quiet(OLD)


def test_a_backend_that_is_damaged(editable: Editable) -> None:
    for path in (editable.project.cache / "backend").iterdir():
        path.write_bytes(b"damaged")
    editable.project.edit()
    said = editable.imports().said
    assert "wheelprint can't be asked: " in said[0], said
    assert said[1:] == REBUILT[1:]


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_a_backend_that_others_can_replace_is_not_loaded(editable: Editable) -> None:
    editable.project.append("pyproject.toml", COMMENT)
    folder = editable.project.cache / "backend"
    before = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(before | stat.S_IWOTH)
    try:
        said = editable.imports(WHEELPRINT_ON_STALE="warn").said
    finally:
        folder.chmod(before)
    assert "other users can write to" in said[0], said
    editable.is_quiet(OLD)


# The policies


def test_warn_says_what_changed_and_what_to_run(editable: Editable) -> None:
    editable.project.edit()
    imported = editable.imports(WHEELPRINT_ON_STALE="warn")
    assert imported.shows == OLD
    assert imported.said == [
        f"warning: {SAMPLE} is stale: {CHANGED}; "
        f"to rebuild it: uv sync --reinstall-package {SAMPLE}",
    ]
    editable.project.uv("sync").ok()
    editable.is_quiet(NEW)


def test_error_refuses_the_import(editable: Editable) -> None:
    editable.project.edit()
    run = editable.imports(WHEELPRINT_ON_STALE="error").run.failed()
    assert run.last_line.startswith(f"ImportError: {SAMPLE} is stale: {CHANGED}")
    # Of whoever imports it, and of nobody else.
    assert run.stderr.count("File ") == 1
    editable.project.uv("sync").ok()
    editable.is_quiet(NEW)


def test_ignore_looks_at_nothing(editable: Editable) -> None:
    editable.project.edit()
    loaded = "import sys; print('_wheelprint_mixed_path_dep_check' in sys.modules)"
    code = f"{editable.project.sample.probe}\n{loaded}"
    imported = editable.imports(code, WHEELPRINT_ON_STALE="ignore")
    assert (imported.shows.split(), imported.said) == ([OLD, "False"], [])


def test_a_policy_that_there_is_not(editable: Editable) -> None:
    editable.project.edit()
    imported = editable.imports(WHEELPRINT_ON_STALE="rebiuld")
    assert imported.shows == NEW
    assert imported.said[0] == (
        "warning: WHEELPRINT_ON_STALE: `rebiuld` is none of rebuild, warn, error, ignore"
    )


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_the_project_has_a_policy(editable: Editable, policy: str) -> None:
    editable.project.settings(f'on-stale = "{policy}"')
    editable.project.uv("sync").ok()
    editable.project.edit()
    imported = editable.imports()
    assert imported.shows == OLD
    assert len(imported.said) == (policy == "warn")
    assert editable.imports(WHEELPRINT_ON_STALE="rebuild").said == REBUILT
    # The rebuild was told of by a variable, and the project's policy stands.
    editable.project.undo_edit()
    assert len(editable.imports().said) == (policy == "warn")


# A build that fails


def test_a_build_that_fails_is_an_import_error_with_the_compilers_words(editable: Editable) -> None:
    editable.project.replace(editable.project.sample.source, "letters as f64", "lettres as f64")
    run = editable.imports().run.failed()
    _, _, error = run.stderr.partition("ImportError: ")
    assert error.startswith(f"{SAMPLE} is stale and could not be rebuilt. The build said:\n")
    for words in ("cannot find value `lettres`", "--> ", "could not compile `shared-core`"):
        assert words in error
    assert error.rstrip().endswith(
        "hint: with WHEELPRINT_ON_STALE=ignore (and `uv run --no-sync`) the module is imported as "
        "it was last built"
    )
    assert editable.imports(WHEELPRINT_ON_STALE="ignore").run.code == 0
    assert run.stderr.count('File "') == 1
    # What cannot be imported is not imported a moment later either.
    editable.imports().run.failed()


def test_what_is_mended_is_imported_in_the_same_process(editable: Editable) -> None:
    project = editable.project
    source = project.path(project.sample.source)
    project.replace(project.sample.source, "letters as f64", "lettres as f64")
    code = f"""
        import pathlib
        for attempt in range(3):
            try:
                {project.sample.probe}
            except ImportError as error:
                print(attempt, error.name)
                if attempt == 1:
                    source = pathlib.Path({str(source)!r})
                    source.write_text(source.read_text().replace("lettres", "letters"))
            else:
                break
    """
    assert editable.imports(textwrap.dedent(code)).shows.split() == [
        *("0", "text_stats", "1", "text_stats", OLD)
    ]


# What can't even start


def without(program: str, editable: Editable) -> dict[str, Any]:
    return {"PATH": environment.path_without(program, editable.project.env["PATH"])}


def imported_as_it_is(editable: Editable, because: str, **changes: Any) -> None:
    """The old module, with a warning; and nothing stands in the way of the next import."""
    editable.project.edit()
    imported = editable.imports(**changes)
    assert imported.shows == OLD
    assert any(
        line.startswith(f"warning: {SAMPLE} is imported as it is: it can't be rebuilt here: ")
        for line in imported.said
    )
    assert because in imported.run.stderr
    assert editable.imports().said == REBUILT
    editable.is_quiet(NEW)


def test_no_cargo(editable: Editable) -> None:
    changes = {**without("cargo", editable), "MATURIN_NO_INSTALL_RUST": "1"}
    imported_as_it_is(editable, "cargo: not found on PATH", **changes)


def test_no_frontend(editable: Editable, tmp_path: Path) -> None:
    home = {"HOME": tmp_path, "CARGO_HOME": tmp_path, "USERPROFILE": tmp_path}
    changes = {**without("uv", editable), **home, "UV": None}
    imported_as_it_is(editable, "uv, which installed it, is not on PATH", **changes)


def test_no_network(editable: Editable, tmp_path: Path) -> None:
    """Nothing of what a build needs is in uv's cache."""
    changes = {"UV_CACHE_DIR": tmp_path, "UV_FIND_LINKS": None, "UV_OFFLINE": "1"}
    imported_as_it_is(editable, "wheelprint", **changes)


def test_a_tree_that_is_read_only(editable: Editable) -> None:
    project, prefix = editable.project, obeying_modes()
    project.edit()
    write = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    with mode(project.root, remove=write):
        run = project.run(*prefix, *editable.command(), cwd=editable.venv, UV=project.bench.uv).ok()
    assert run.stdout.strip() == OLD
    assert "can't be written to" in run.stderr
    assert editable.imports().said == REBUILT


def test_a_cache_that_is_read_only(editable: Editable, tmp_path: Path) -> None:
    prefix = obeying_modes()
    tmp_path.chmod(0o500)
    run = editable.project.run(
        *prefix, *editable.command(), cwd=editable.venv, WHEELPRINT_CACHE_DIR=tmp_path
    ).ok()
    assert (run.stdout.strip(), run.stderr) == (OLD, "")


# Several at once


def test_one_process_rebuilds_and_the_others_wait(editable: Editable) -> None:
    editable.project.edit()
    processes = [editable.start() for _ in range(4)]
    ends = [process.communicate(timeout=100) for process in processes]
    assert [out.strip() for out, _ in ends] == [NEW] * 4, ends
    words = "".join(err for _, err in ends)
    assert words.count("; rebuilding") == 1, words
    assert words.count("rebuilt ") == 1, words


def test_those_who_waited_for_a_failure_do_not_repeat_it(editable: Editable) -> None:
    editable.project.replace(editable.project.sample.source, "letters as f64", "lettres as f64")
    processes = [editable.start() for _ in range(4)]
    ends = [process.communicate(timeout=100) for process in processes]
    assert all(process.returncode == 1 for process in processes)
    assert all("cannot find value `lettres`" in err for _, err in ends)
    words = "".join(err for _, err in ends)
    waited = words.count("waiting for another process")
    assert words.count("; rebuilding") == 4 - waited, words


def test_threads_that_import_at_once(editable: Editable) -> None:
    editable.project.edit()
    code = """
        import threading
        said = []
        def probe():
            import text_stats
            said.append(text_stats.mean_word_length('ab abcd'))
        threads = [threading.Thread(target=probe) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(*said)
    """
    imported = editable.imports(textwrap.dedent(code))
    assert (imported.shows.split(), imported.said) == ([NEW] * 8, REBUILT)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_children_of_a_fork(editable: Editable) -> None:
    editable.project.edit()
    code = """
        import os
        if os.fork() == 0:
            import text_stats
            print(text_stats.mean_word_length('ab abcd'), flush=True)
            os._exit(0)
        import text_stats
        print(text_stats.mean_word_length('ab abcd'), flush=True)
        os.wait()
    """
    imported = editable.imports(textwrap.dedent(code))
    assert imported.shows.split() == [NEW] * 2
    assert imported.run.stderr.count("; rebuilding") == 1


def test_what_a_rebuild_runs_checks_nothing(editable: Editable) -> None:
    """Else it would wait for itself."""
    editable.project.edit()
    imported = editable.imports(_WHEELPRINT_REBUILD=str(editable.venv))
    assert (imported.shows, imported.said) == (OLD, [])


def test_what_a_build_script_runs_checks_nothing(editable: Editable) -> None:
    editable.project.edit()
    script = {name: "set" for name in ("CARGO_MANIFEST_DIR", "NUM_JOBS", "OUT_DIR", "TARGET")}
    imported = editable.imports(**script)
    assert (imported.shows, imported.said) == (OLD, [])
    # Any of them can be set for other reasons. A build would compile pyo3 for it.
    some = editable.imports(OUT_DIR="out", NUM_JOBS="1", WHEELPRINT_ON_STALE="warn")
    assert CHANGED in some.run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_rebuild_that_is_interrupted(editable: Editable, kind: signal.Signals) -> None:
    editable.project.edit()
    process = editable.start()
    assert process.stderr is not None
    assert "; rebuilding" in process.stderr.readline()
    wait_for(lambda: bool(editable.project.spy.calls("rustc")))
    os.killpg(process.pid, kind)
    _, words = process.communicate(timeout=30)
    assert process.returncode == -kind
    assert "warning" not in words, words
    assert "Traceback" not in words
    if kind == signal.SIGINT:
        assert words.splitlines()[-1] == f"wheelprint: the rebuild of {SAMPLE} was interrupted"
    imported = editable.imports()
    assert imported.shows == NEW
    editable.is_quiet(NEW)


# What it leaves alone


def test_it_never_writes_into_site_packages(editable: Editable) -> None:
    """uv links what it installs to its cache."""

    def state() -> dict[str, tuple[int, int]]:
        files = [path for path in editable.site.rglob("*") if path.is_file()]
        return {
            str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in files
            if "__pycache__" not in path.parts
        }

    before = state()
    editable.project.edit()
    editable.imports(WHEELPRINT_ON_STALE="warn")
    editable.imports(WHEELPRINT_ON_STALE="error")
    assert state() == before


# Other frontends


def test_an_install_by_pip_is_rebuilt_by_pip(editable: Editable) -> None:
    project = editable.project
    by_pip = installed.install_with_pip(project)
    assert by_pip.imports().shows == OLD
    project.edit()
    assert by_pip.imports(UV=None).said == REBUILT
    by_pip.is_quiet(NEW)
    warned = by_pip.imports(WHEELPRINT_ON_STALE="warn").said
    assert warned == []


def test_pip_without_an_index_says_what_to_do_in_one_line(editable: Editable) -> None:
    project = editable.project
    by_pip = installed.install_with_pip(project)
    project.edit()
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    imported = by_pip.imports(UV=None, **nowhere)
    assert imported.shows == OLD
    _, warning = imported.run.stderr.splitlines()
    assert "Could not find a version that satisfies the requirement wheelprint" in warning
    assert warning.endswith("and faster")


def test_the_variable_of_a_command_does_not_stay(editable: Editable) -> None:
    """An install that is made or renewed meanwhile is there for other commands, too."""
    project = editable.project
    for policy in ("ignore", "warn", "error"):
        project.uv("sync", "--reinstall-package", SAMPLE, WHEELPRINT_ON_STALE=policy).ok()
        assert wheelprint(project, "status", WHEELPRINT_ON_STALE=policy).code == 0
    project.edit()
    assert editable.imports().said == REBUILT
    editable.is_quiet(NEW)


def test_config_settings_are_kept(editable: Editable) -> None:
    project = editable.project
    option = ("--config-settings", "build-args=--profile dev")
    debug = installed.install(project, *option)
    assert debug.imports().shows == OLD
    project.edit()
    project.spy.clear()
    assert debug.imports().said == REBUILT
    assert any("dev" in str(call) for call in project.spy.calls("cargo"))
    debug.is_quiet(NEW)


def test_config_settings_that_pip_was_given(editable: Editable) -> None:
    """Nobody keeps a note of them: nothing is built that is not what was asked for."""
    project = editable.project
    by_pip = installed.install_with_pip(project, "--config-settings", "build-args=--profile dev")
    assert by_pip.imports(UV=None).shows == OLD
    project.edit()
    imported = by_pip.imports(UV=None)
    assert imported.shows == OLD
    assert "only who installed it knows its config settings: build-args" in imported.run.stderr
