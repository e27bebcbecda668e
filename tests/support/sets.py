"""Sets of tests with a session of their own.

They have ids as pytest prints them, without the first folder. An id without brackets means all
cases.
"""

from __future__ import annotations

#: The smoke tests, which run on every system and every Python in a few minutes. They have one case
#: of each promise. The whole suite runs on only one combination of system and Python. These tests
#: cover what can differ on another one.
SMOKE = (
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

#: The slow tests: they compile pyo3 in a new place, or are further cases of a rule that the session
#: `tests` checks with a quicker one. The session `slow` runs them.
SLOW = (
    "cli/test_cache_command.py::test_what_is_installed_works_after_clean",
    "cli/test_inspect.py::test_paths_are_as_seen_from_the_project",
    "cli/test_keys.py::test_a_usual_project_is_right_before_its_first_build",
    "cli/test_keys.py::test_a_workspace_has_few_keys",
    "cli/test_keys.py::test_after_a_build_they_are_few",
    "cli/test_keys.py::test_they_are_written_once_and_nothing_is_built_for_them",
    "cli/test_new.py::test_it_works_at_once",
    "cli/test_new.py::test_no_module_of_this_python",
    "cli/test_provenance.py::test_wheel_and_sdist_of_a_commit",
    "cli/test_verify.py::test_a_file_that_sdists_leave_out",
    "cli/test_verify.py::test_here_and_in_a_copy_elsewhere[wheel-hello-pure]",
    "cli/test_verify.py::test_here_and_in_a_copy_elsewhere[wheel-watched-inputs]",
    "cli/test_verify.py::test_here_and_in_a_copy_elsewhere[wheel-workspace]",
    "cli/test_watch.py::test_a_file_in_a_new_folder_is_seen",
    "cli/test_watch.py::test_a_removed_environment_may_come_back",
    "cli/test_watch.py::test_an_error_is_shown_once_until_something_changes",
    "cli/test_watch.py::test_other_files_and_reading_start_nothing",
    "cli/test_watch.py::test_what_was_undone_is_said",
    "cli/test_workspaces.py::test_status_of_all",
    "cli/test_workspaces.py::test_verify_at_the_root",
    "cli/test_workspaces.py::test_verify_of_all",
    "editable/test_direct_cargo.py::test_arguments_that_the_user_gave",
    "editable/test_direct_cargo.py::test_cargo_that_fails_alone",
    "editable/test_direct_cargo.py::test_files_that_a_build_script_writes_into_the_tree",
    "editable/test_direct_cargo.py::test_maturin_is_called_after_a_change_of[a setting]",
    "editable/test_direct_cargo.py::test_maturin_is_called_after_a_change_of[cargo's configuration]",  # noqa: E501
    "editable/test_direct_cargo.py::test_maturin_makes_or_checks_more_than_the_module",
    "editable/test_direct_cargo.py::test_maturin_writes_folders_of_libraries_into_the_module",
    "editable/test_direct_cargo.py::test_the_program_that_the_user_chose",
    "editable/test_editable_finder.py::test_pytest",
    "editable/test_editable_layouts.py::test_cargo_alone_makes_the_same_wheel",
    "editable/test_editable_layouts.py::test_files_of_the_build_script_are_resources",
    "editable/test_editable_layouts.py::test_files_of_the_build_script_leave_the_tree",
    "editable/test_editable_layouts.py::test_generated_stubs",
    "editable/test_editable_layouts.py::test_it_survives",
    "editable/test_editable_layouts.py::test_two_distributions_share_a_namespace",
    "editable/test_editable_layouts.py::test_what_maturin_develop_left_does_not_shadow_it",
    "editable/test_several_environments.py::test_debug_and_release",
    "editable/test_several_environments.py::test_two_of_one_python",
    "freshness/test_reasons.py::test_a_variable",
    "freshness/test_what_counts.py::test_a_source",
    "freshness/test_what_does_not_count.py::test_cargo_in_between",
    "frontends/test_frontends.py::test_build[mixed-isolated]",
    "frontends/test_frontends.py::test_pip_config_settings",
    "frontends/test_frontends.py::test_pip_install[mixed-path-dep-isolated-editable]",
    "frontends/test_frontends.py::test_pip_install[mixed-path-dep-not isolated-wheel]",
    "frontends/test_frontends.py::test_pip_says_the_verdict_if_asked",
    "frontends/test_uv.py::test_build[mixed-path-dep-via sdist]",
    "frontends/test_uv_build.py::test_a_target_folder_that_the_user_names",
    "frontends/test_uv_build.py::test_an_archive_of_nobody_knows_what",
    "frontends/test_uv_build.py::test_an_old_archive_after_a_newer_one",
    "frontends/test_uv_build.py::test_nothing_is_mixed",
    "frontends/test_uv_build.py::test_only_the_projects_crates_are_compiled_again",
    "frontends/test_uv_build.py::test_reuse_always_is_not_fooled[a profile]",
    "frontends/test_uv_build.py::test_reuse_always_is_not_fooled[a variable]",
    "frontends/test_uv_build.py::test_the_trees_own_target_folder_is_left_alone",
    "hooks/test_hooks.py::test_a_wheel_is_maturins_with_a_record[hello-pure]",
    "hooks/test_hooks.py::test_a_wheel_is_maturins_with_a_record[mixed-path-dep]",
    "hooks/test_hooks.py::test_a_wheel_is_maturins_with_a_record[workspace]",
    "hooks/test_interpreter.py::test_another_python_version_is_another_interpreter",
    "hooks/test_interpreter.py::test_isolated_builds_compile_pyo3_once[build-script-import]",
    "hooks/test_interpreter.py::test_no_frontend_undoes_what_another_compiled",
    "hooks/test_many_packages.py::test_hooks_with_a_new_environment_for_each_build",
    "hooks/test_many_packages.py::test_uv_sync_installs_all_at_once",
    "hooks/test_maturin_versions.py::test_every_hook",
    "hooks/test_record.py::test_no_absolute_path[mixed-path-dep-wheel]",
    "hooks/test_record.py::test_what_reaches_the_module_is_named[separate-rust-files4]",
    "hooks/test_settings.py::test_extra_inputs_that_match_nothing",
    "import_check/test_import_check.py::test_an_install_by_pip_is_rebuilt_by_pip",
    "import_check/test_import_check.py::test_config_settings_that_pip_was_given",
    "import_check/test_import_check_unseen.py::test_a_change_after_a_harmless_one",
    "import_check/test_import_several.py::test_a_package_that_pip_installed",
    "import_check/test_import_several.py::test_a_package_with_other_config_settings",
    "import_check/test_import_several.py::test_only_what_the_last_program_imported",
    "import_check/test_import_several.py::test_the_notes_are_in_the_cache",
    "import_check/test_import_several.py::test_two_processes_in_opposite_order",
    "import_check/test_import_while_installed.py::test_what_is_missing_is_waited_for",
    "project/test_docs.py::test_a_page[ci.md]",
    "project/test_support.py::test_the_spy_sees_cargo_maturin_and_what_is_compiled",
    "project/test_support.py::test_what_crates_io_gave_stays_compiled_and_nothing_else_does",
    "sdist/test_one_fingerprint.py::test_one_byte_of_any_file",
    "sdist/test_one_fingerprint.py::test_what_was_built_is_no_source",
    "store/test_worktrees.py::test_the_store_under_another_path",
    "store/test_worktrees.py::test_two_projects_of_one_name",
)


def is_in(tests: tuple[str, ...], nodeid: str) -> bool:
    """Whether the test with that id is in a set."""
    # Parameters may contain slashes.
    test, bracket, parameters = nodeid.partition("[")
    test = test.removeprefix("tests/")
    return test in tests or test + bracket + parameters in tests
