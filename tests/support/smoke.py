"""The smoke tests, which run on every system and every Python in a few minutes.

They have one case of each promise. The whole suite runs on only one combination of system and
Python. These tests cover what can differ on another one.
"""

from __future__ import annotations

#: Ids as pytest prints them, without the first folder. No brackets: all cases.
TESTS = (
    # Each frontend: an install or a wheel, from the tree and through an sdist, isolated and not.
    "frontends/test_frontends.py::test_build[via sdist-isolated]",
    "frontends/test_frontends.py::test_pip_install[pure-isolated-wheel]",
    "frontends/test_frontends.py::test_pip_install[hello-pure-not isolated-editable]",
    "frontends/test_uv.py::test_build[pure---sdist --wheel]",
    "frontends/test_uv.py::test_edit_touch_edit_back[pure]",
    # The hooks: what maturin makes, with a record; RECORD is checked in each of them.
    "hooks/test_hooks.py::test_a_wheel_is_maturins_with_a_record[bin-bindings]",
    "hooks/test_hooks.py::test_a_wheel_is_maturins_with_a_record[pure]",
    "hooks/test_hooks.py::test_an_editable_wheel_runs_and_shows_the_edit[mixed-path-dep]",
    "hooks/test_hooks.py::test_an_sdist_is_maturins[pure]",
    "hooks/test_hooks.py::test_prepared_metadata_is_what_the_wheel_has[editable-pure]",
    "hooks/test_record.py::test_no_absolute_path[mixed-path-dep-editable]",
    "hooks/test_record.py::test_our_own_wheel",
    # An edit is seen, a touch is free.
    "freshness/test_freshness.py::test_unchanged_touched_edited_and_back[mixed-path-dep]",
    "hooks/test_interpreter.py::test_a_build_script_imports_a_build_requirement[isolated_uv]",
    # The editable layout, and the runtime hook.
    "editable/test_editable_layouts.py::test_it_is_imported[python]",
    "editable/test_editable_layouts.py::test_it_lies_in_the_environment[python]",
    "editable/test_editable_layouts.py::test_it_is_listed[python]",
    "editable/test_editable_layouts.py::test_its_metadata_lists_what_is_there[python]",
    "editable/test_runtime_hook.py::test_it_loads_nothing_at_start",
    "editable/test_runtime_hook.py::test_it_is_imported_with_nothing_else_on_the_path",
    "editable/test_editable_finder.py::test_the_start_file_is_run_in_place_of_the_pths_import",
    # The import check.
    "import_check/test_import_check.py::test_what_is_up_to_date_is_imported_without_a_word",
    "import_check/test_import_check.py::test_a_touch_asks_nobody",
    "import_check/test_import_check.py::test_a_change_is_in_effect_at_once",
    "import_check/test_import_check.py::test_a_change_behind_the_clock_is_in_effect",
    "import_check/test_import_check.py::test_warn_says_what_changed_and_what_to_run",
    "import_check/test_import_check.py::test_a_build_that_fails_is_an_import_error_with_the_compilers_words",
    "import_check/test_import_check.py::test_threads_that_import_at_once",
    # The commands: keys, status, verify.
    "cli/test_keys.py::test_before_a_build_they_are_what_cargo_tells",
    "cli/test_keys.py::test_after_a_build_they_are_few",
    "cli/test_keys.py::test_they_are_written_once_and_nothing_is_built_for_them",
    "cli/test_status.py::test_what_it_says_is_what_uv_does",
    "cli/test_status.py::test_python_m",
    "cli/test_verify.py::test_edit_revert_touch",
)


def is_smoke(nodeid: str) -> bool:
    """Whether the test with that id is a smoke test."""
    # Parameters may contain slashes.
    test, bracket, parameters = nodeid.partition("[")
    test = test.removeprefix("tests/")
    return test in TESTS or test + bracket + parameters in TESTS
