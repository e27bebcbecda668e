//! Folders in a target folder: where cargo has compiled, and which of them made an artifact.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{FINGERPRINTS, INNER, Target};
use crate::digest;
use crate::inputs::entries::{entries, subfolders};

/// What is known of the compiled modules in a wheel.
pub enum Modules {
    /// The wheel's module is a copy of this artifact.
    Copied(PathBuf),
    /// The modules have some of these digests.
    OfDigests(BTreeSet<String>),
}

impl Modules {
    /// For a project without a build.
    pub fn none() -> Self {
        Self::OfDigests(BTreeSet::new())
    }
}

impl Target {
    /// Every folder of that name that cargo has compiled in, for whatever triple.
    pub fn profiles(&self) -> Vec<PathBuf> {
        let build = self.build_root();
        let triples = subfolders(build).into_iter();
        let profiles = std::iter::once(build.to_owned()).chain(triples);
        // Join the profile's name instead of listing the folder, because cargo can also build in a
        // folder that can't be listed.
        profiles
            .map(|folder| folder.join(&self.profile))
            .filter(|folder| folder.is_dir() && is_profile(folder))
            .collect()
    }

    /// The folders that could not be read to find where cargo has compiled: it may have done so in
    /// more of them than is known.
    pub fn unread(&self) -> Vec<String> {
        let roots = BTreeSet::from([self.build_root(), &self.metadata.target_directory]);
        let cause = |folder: &Path| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let error = entries(folder).err()?;
            Some(format!("cargo's folder {name} could not be read: {}", error.kind()))
        };
        roots.into_iter().filter_map(cause).collect()
    }

    /// The profile folders that hold the artifact's dep-info.
    pub fn folders(&self) -> Vec<PathBuf> {
        let stems = self.stems();
        // rustc's dep-info in `deps` bears the same names and is another thing.
        let is_inner = |folder: &PathBuf| INNER.iter().any(|inner| folder.ends_with(inner));
        let holds =
            |folder: &PathBuf| stems.iter().any(|stem| folder.join(format!("{stem}.d")).is_file());
        let target = &self.metadata.target_directory;
        let inside = |folder: &Path| {
            // The usual one by name: the names in a folder need not be readable.
            let mut folders: BTreeSet<PathBuf> = subfolders(folder).into_iter().collect();
            folders.insert(folder.join(&self.profile));
            folders
        };
        inside(target)
            .into_iter()
            .flat_map(|first| std::iter::once(first.clone()).chain(inside(&first)))
            .filter(|folder| !is_inner(folder) && holds(folder))
            .collect()
    }

    /// The artifact with this digest.
    pub fn artifact(&self, digest: &str) -> Option<PathBuf> {
        let stems = self.stems();
        let folders = self.folders();
        let all = folders
            .iter()
            .flat_map(|folder| stems.iter().flat_map(move |stem| artifacts(folder, stem)));
        all.into_iter().find(|path| digest::file(path).is_ok_and(|found| found == digest))
    }

    /// The profile folders whose artifact is in the wheel unchanged. There may be none, because
    /// maturin changed the module (RPATH, install name) or joined two (universal2). Then these are
    /// all folders that the module may come from. `since` is the start of the build.
    pub fn folders_used(&self, modules: &Modules, since: SystemTime) -> Vec<PathBuf> {
        let all = self.folders();
        let stems = self.stems();
        let has = |folder: &Path, is: &dyn Fn(&Path) -> bool| {
            stems.iter().flat_map(|stem| artifacts(folder, stem)).any(|path| is(&path))
        };
        let is_in_the_wheel = |path: &Path| match modules {
            Modules::Copied(artifact) => path == artifact,
            Modules::OfDigests(digests) => {
                digest::file(path).is_ok_and(|digest| digests.contains(&digest))
            }
        };
        let used: Vec<PathBuf> =
            all.iter().filter(|folder| has(folder, &is_in_the_wheel)).cloned().collect();
        if !used.is_empty() {
            return used;
        }
        let is_new = |path: &Path| {
            let written = fs_err::metadata(path).and_then(|meta| meta.modified());
            written.is_ok_and(|written| written >= since)
        };
        let written: Vec<bool> = all.iter().map(|folder| has(folder, &is_new)).collect();
        likely(all, &written, &self.profile)
    }

    /// The folders with cargo's units for the artifacts in a profile folder. If the folder is that
    /// of a target triple, the units for the host are in a second folder.
    pub fn unit_folders(&self, folder: &Path) -> Vec<PathBuf> {
        let target = &self.metadata.target_directory;
        let own = folder.strip_prefix(target).map(|profile| self.build_root().join(profile));
        let mut folders = vec![own.unwrap_or_else(|_| folder.to_owned())];
        if let (Some(parent), Some(profile)) = (folder.parent(), folder.file_name())
            && parent != target
        {
            folders.push(self.build_root().join(profile));
        }
        folders
    }
}

/// The folders of this profile, for all architectures, if the build wrote artifacts only in such
/// folders. Otherwise all given folders: a superfluous folder adds inputs, and a missing one would
/// hide some.
fn likely(all: Vec<PathBuf>, written: &[bool], profile: &str) -> Vec<PathBuf> {
    let mut new = all.iter().zip(written).filter(|(_, written)| **written).peekable();
    if new.peek().is_none() || !new.all(|(folder, _)| folder.ends_with(profile)) {
        return all;
    }
    all.into_iter().filter(|folder| folder.ends_with(profile)).collect()
}

/// Does cargo build in this folder? In cargo's newer layout there is no `.fingerprint`, only lock
/// files, and a tool that removes the artifacts may remove these too. Then the folder counts if
/// `build` has units in it, or if `build` can't be read, because it may have units.
pub(super) fn is_profile(folder: &Path) -> bool {
    let has_units = || {
        let Ok(packages) = entries(&folder.join("build")) else { return true };
        packages
            .iter()
            .flat_map(|package| subfolders(package))
            .any(|unit| unit.join("fingerprint").is_dir())
    };
    [FINGERPRINTS, ".cargo-lock", ".cargo-build-lock"].iter().any(|it| folder.join(it).exists())
        || has_units()
}

/// The paths that an artifact may have.
fn artifacts(folder: &Path, stem: &str) -> [PathBuf; 5] {
    ["so", "dylib", "dll", "exe", ""].map(|suffix| folder.join(stem).with_extension(suffix))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use std::time::Duration;

    use super::super::testing;
    use super::*;

    /// A package `m` with these artifacts: folder, content, and whether the build wrote it.
    fn target(root: &Path, artifacts: &[(&str, &str, bool)], since: SystemTime) -> Target {
        for (folder, content, is_new) in artifacts {
            let folder = root.join("target").join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("libm.d"), "").unwrap();
            fs::write(folder.join("libm.dylib"), content).unwrap();
            let age = Duration::from_secs(60);
            let time = if *is_new { since + age } else { since - age };
            let file = fs::OpenOptions::new().write(true).open(folder.join("libm.dylib")).unwrap();
            file.file().set_modified(time).unwrap();
        }
        testing::target(root)
    }

    #[test]
    fn the_folders_that_a_wheels_module_may_be_from() {
        const ARM: &str = "aarch64-apple-darwin/release";
        const INTEL: &str = "x86_64-apple-darwin/release";
        for (artifacts, expected) in [
            // The wheel holds the very file, wherever it lies and whenever it was built.
            (&[("release", "module", false), ("debug", "other", true)][..], &["release"][..]),
            (&[("release", "other", true), ("debug", "module", false)], &["debug"]),
            // Its install name was changed.
            (&[("release", "other", true), ("debug", "other", false)], &["release"]),
            // Two were joined; only one of them may have changed.
            (&[(ARM, "a", true), (INTEL, "b", true), ("debug", "c", false)], &[ARM, INTEL]),
            (&[(ARM, "a", true), (INTEL, "b", false), ("debug", "c", false)], &[ARM, INTEL]),
            (&[(ARM, "a", true), (INTEL, "b", false)], &[ARM, INTEL]),
            // Which one it was can't be told.
            (&[("release", "a", false), ("debug", "b", false)], &["debug", "release"]),
            (&[("release", "a", true), ("debug", "b", true)], &["debug", "release"]),
            (&[("release", "a", false), ("debug", "b", true)], &["debug", "release"]),
            (&[(ARM, "a", false), (INTEL, "b", false)], &[ARM, INTEL]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let since = SystemTime::now();
            let target = target(folder.path(), artifacts, since);
            let modules = Modules::OfDigests(BTreeSet::from([digest::bytes(b"module")]));
            let used = target.folders_used(&modules, since);
            let expected: Vec<PathBuf> =
                expected.iter().map(|name| folder.path().join("target").join(name)).collect();
            assert_eq!(used, expected, "{artifacts:?}");
        }
    }

    #[test]
    fn a_profile_folder_is_known_by_any_of_its_marks() {
        for mark in
            [".fingerprint", ".cargo-lock", ".cargo-build-lock", "build/app/0a1b/fingerprint"]
        {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("build/app/0a1b/out")).unwrap();
            assert!(!is_profile(folder.path()), "{mark}");
            fs::create_dir_all(folder.path().join(mark)).unwrap();
            assert!(is_profile(folder.path()), "{mark}");
        }
    }
}
