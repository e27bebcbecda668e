//! Before the build: asking cargo for the packages, and invalidating stale units.

use std::collections::BTreeSet;
use std::path::Path;

use super::call::{BuildInterpreter, Call};
use super::obstacle::{installs_rust, obstacle};
use super::untracked;
use crate::cargo_mtime::{self, Note, OfProject, Remaining, Untracked};
use crate::digest::Tagged;
use crate::direct::Made;
use crate::error::Result;
use crate::fingerprint::Inputs;
use crate::freshness::Reason;
use crate::inputs::target::Target;
use crate::inputs::{Part, Roots, Watch, cargo_config, environment};
use crate::log;
use crate::request::Environment;

/// Asks cargo for the packages before the build. If Cargo.lock may be out of date, cargo is asked
/// in the way that updates it: a lock file written during the build would look like a race. `None`
/// if cargo can't answer and maturin will say why.
///
/// # Errors
/// An obstacle prevents the build.
pub(super) fn target(
    call: &Call,
    environment: &Environment,
    manifest: &Path,
    reasons: &[Reason],
) -> Result<Option<Target>> {
    let resolves = reasons.iter().any(|reason| match reason {
        Reason::NoRecord
        | Reason::OtherSources
        | Reason::WheelMissing
        | Reason::WheelDamaged
        | Reason::OtherMetadata
        | Reason::NotReused => true,
        Reason::Changed { key, .. } | Reason::Added { key, .. } | Reason::Removed { key, .. } => {
            key.part == Part::Manifest
        }
        Reason::Unreadable { .. } | Reason::Untrusted(_) => false,
    });
    match Target::read(&call.project, &call.request, environment, manifest, resolves) {
        // Cargo could not resolve the packages. maturin would explain this over many lines.
        Ok(target) if resolves && !target.knows_all_packages => match obstacle(call) {
            Some(obstacle) => Err(obstacle),
            None => Ok(Some(target)),
        },
        Ok(target) => Ok(Some(target)),
        // Rust is not installed yet.
        Err(error) if installs_rust(call) => {
            log::debug(error);
            Ok(None)
        }
        Err(error) => match obstacle(call) {
            Some(obstacle) => Err(obstacle),
            // maturin meets the same error and reports it in its own words.
            None => {
                log::debug(error);
                Ok(None)
            }
        },
    }
}

/// The packages as cargo named them in an earlier build with the same manifests.
pub(super) fn remembered(
    call: &Call,
    interpreter: &BuildInterpreter,
    manifest: &Path,
    made: &Made,
) -> Target {
    let (environment, metadata) = (&interpreter.plan.environment, made.metadata.clone());
    Target::remembered(&call.project, &call.request, environment, manifest, metadata)
}

/// What a build script can ask for without telling cargo: the interpreter, the versions of the build
/// requirements apart from wheelprint and maturin, and the variables that count.
fn to_scripts(call: &Call) -> String {
    let interpreter = &call.request.interpreter;
    let version = |name: &str| environment::version_of(interpreter, name).unwrap_or_default();
    let mut tagged = Tagged::new("build scripts");
    tagged.field("python", &interpreter.identity());
    for name in call.project.build_requirements().into_iter().collect::<BTreeSet<_>>() {
        tagged.field(&name, &version(&name));
    }
    for (name, value) in call.counted.iter() {
        let name = name.to_string_lossy();
        // Frontends make another environment, and so another path, for each build.
        if environment::is_well_known(&name) && name != "PYO3_PYTHON" {
            tagged.field("variable", &name);
            tagged.field("value", &value.to_string_lossy());
        }
    }
    tagged.finish()
}

/// A digest of what decides about compiled C code: the C library, and the variables of compilers.
pub(super) fn system(call: &Call) -> String {
    system_of(&call.request.interpreter.libc, &call.counted)
}

fn system_of(libc: &str, variables: &Environment) -> String {
    let mut tagged = Tagged::new("system");
    tagged.field("libc", libc);
    for (name, value) in variables.iter() {
        let name = name.to_string_lossy();
        if environment::is_of_the_compilers(&name) {
            tagged.field(&name, &value.to_string_lossy());
        }
    }
    tagged.finish()
}

/// The inputs of units that cargo does not track. `look` is passed on to [`Untracked::new`].
pub(super) fn untracked(
    call: &Call,
    target: &Target,
    note: Option<&Note>,
    look: &dyn Fn(&Path, &BTreeSet<Watch>) -> Option<Inputs>,
) -> Untracked {
    let observer = call.observer();
    let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
    let folders = [&*call.project.root, &*target.metadata.workspace_root];
    let environment = &call.plan.environment;
    let of_project = OfProject {
        extra: untracked::extra_watches(&call.settings),
        configuration: cargo_config::untracked(&call.project, &call.request, environment, &folders),
        to_scripts: to_scripts(call),
    };
    Untracked::new(&call.project.root, of_project, note, look, &see)
}

/// Invalidates stale units that cargo's clock would call fresh (docs/design.md, D5).
pub(super) fn invalidate_stale(call: &Call, target: &Target, is_unpacked: bool) -> Remaining {
    let observer = call.observer();
    let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
    let folder = &target.metadata.target_directory;
    let note = call.store.as_ref().and_then(|store| store.note(folder));
    let look = |project: &Path, extra: &BTreeSet<Watch>| {
        Some(observer.observe(extra, &untracked::project_root(project)))
    };
    let untracked = untracked(call, target, note.as_ref(), &look);
    let mut remaining =
        cargo_mtime::invalidate_stale_units(target, note.as_ref(), &untracked, &see);
    // All files of an archive have the same time, whatever their content.
    if is_unpacked {
        cargo_mtime::invalidate_own_units(target, call.shares_target(folder), &mut remaining);
    }
    remaining
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_about_compiled_c_code() {
        let system = |libc: &str, variables: &[(&str, &str)]| {
            let mut environment = Environment::default();
            for (name, value) in variables {
                environment.set(name, value);
            }
            system_of(libc, &environment)
        };
        let plain = system("2.36", &[]);
        for variable in ["CC", "CFLAGS", "CXXFLAGS_x86_64_unknown_linux_gnu", "PKG_CONFIG_PATH"] {
            assert_ne!(system("2.36", &[(variable, "x")]), plain, "{variable}");
            assert_ne!(
                system("2.36", &[(variable, "x")]),
                system("2.36", &[(variable, "y")]),
                "{variable}"
            );
        }
        assert_ne!(system("2.39", &[]), plain);
        for variable in ["RUSTC", "CARGO_BUILD_RUSTC", "RUSTC_WRAPPER"] {
            assert_ne!(system("2.36", &[(variable, "x")]), plain, "{variable}");
        }
        // Cargo compares its own.
        for variable in ["RUSTFLAGS", "PYO3_PYTHON", "HOME"] {
            assert_eq!(system("2.36", &[(variable, "x")]), plain, "{variable}");
        }
    }
}
