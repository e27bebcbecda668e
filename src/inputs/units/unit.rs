//! One unit: its fingerprint, and rustc's dep-info of it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::UnitPlace;
use crate::inputs::entries::files;
use crate::inputs::{dep_info, normalize};

/// The kind of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A library or a program.
    Product,
    /// The compiled build script.
    Script,
    /// The run of a build script.
    Run,
}

/// One unit of a profile folder. What was once looked at is not looked at again.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The folder of cargo's fingerprint.
    pub folder: PathBuf,
    profile: PathBuf,
    /// The folders that may contain rustc's dep-info: `deps` and one of its own, or, in the newer
    /// layout, only one of its own.
    pub made: Vec<PathBuf>,
    /// The file with the output of a run, which cargo keeps.
    pub output: PathBuf,
    pub package: String,
    pub kind: UnitKind,
    /// The name of the fingerprint file, such as `lib-NAME`.
    pub(super) stem: String,
    /// The crate's name in file names.
    name: String,
    /// The end of cargo's names for the unit.
    pub hash: String,
    /// The value of the fingerprint, in hex.
    pub(super) value: String,
    pub(super) dependencies: Vec<String>,
    local: Vec<Local>,
    built: OnceLock<Option<SystemTime>>,
    dep_infos: OnceLock<Vec<DepInfo>>,
}

/// A file with rustc's dep-info, and its text or the reason why it can't be read.
type DepInfo = (PathBuf, Result<String, ErrorKind>);

#[derive(Debug, Deserialize)]
struct Written {
    deps: Vec<(IgnoredAny, IgnoredAny, IgnoredAny, u64)>,
    local: Vec<Local>,
}

/// The inputs that cargo compares for a unit, in addition to those that are hashed into its name.
#[derive(Debug, Clone, Deserialize)]
enum Local {
    /// A version, or the newest file of a package whose build script names nothing to watch.
    Precalculated(IgnoredAny),
    /// The files in rustc's dep-info.
    CheckDepInfo(IgnoredAny),
    RerunIfChanged {
        paths: Vec<PathBuf>,
    },
    RerunIfEnvChanged {
        var: String,
    },
}

impl Unit {
    pub(super) fn read(place: &UnitPlace, json: &Path) -> Option<Self> {
        let stem = json.file_stem()?.to_str()?;
        let (kind, name) = if let Some(name) = stem.strip_prefix("run-build-script-") {
            (UnitKind::Run, name)
        } else if let Some(name) = stem.strip_prefix("build-script-") {
            (UnitKind::Script, name)
        } else if let Some(name) = stem.strip_prefix("lib-").or(stem.strip_prefix("bin-")) {
            (UnitKind::Product, name)
        } else {
            return None;
        };
        let written: Option<Written> =
            fs_err::read(json).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let value = fs_err::read_to_string(json.with_extension("")).unwrap_or_default();
        let (dependencies, local) = match written {
            Some(Written { deps, local }) => {
                (deps.iter().map(|dep| hex::encode(dep.3.to_le_bytes())).collect(), local)
            }
            None => (vec!["unknown".to_owned()], Vec::new()),
        };
        Some(Self {
            folder: place.folder.clone(),
            profile: place.profile.clone(),
            made: place.made.clone(),
            output: place.output.clone(),
            package: place.package.clone(),
            kind,
            stem: stem.to_owned(),
            name: name.replace('-', "_"),
            hash: place.hash.clone(),
            value: value.trim().to_owned(),
            dependencies,
            local,
            built: OnceLock::new(),
            dep_infos: OnceLock::new(),
        })
    }

    /// Whether this unit is a library or program of the package, and not only checked.
    pub fn is_product_of(&self, package: &str) -> bool {
        self.package == package && self.kind == UnitKind::Product && !self.is_checked_only()
    }

    /// Whether the unit was only checked (`cargo check`, rust-analyzer). Such a unit is in no
    /// artifact.
    pub fn is_checked_only(&self) -> bool {
        let own = format!("{}-{}.d", self.name, self.hash);
        self.kind == UnitKind::Product
            && self.dep_infos().iter().all(|path| path.ends_with(&own))
            && self.made_metadata_only()
    }

    /// Whether rustc's dep-info lists only metadata as output. If a library's file name has no
    /// hash, a check overwrites the dep-info of its build.
    pub fn made_metadata_only(&self) -> bool {
        let made = self.parse_dep_infos(dep_info::parse_targets);
        made.iter().any(|file| file.ends_with(".rmeta"))
            && made.iter().all(|file| file.ends_with(".rmeta") || file.ends_with(".d"))
    }

    /// Whether both units are the same product, built with different features or flags.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        self.package == other.package
            && self.stem == other.stem
            && self.profile == other.profile
            && self.folder != other.folder
    }

    /// The paths that a run of a build script named, as written.
    pub fn watched_paths(&self) -> impl Iterator<Item = &Path> {
        let named = self.local.iter().filter_map(|local| match local {
            Local::RerunIfChanged { paths } => Some(paths),
            _ => None,
        });
        named.flatten().map(PathBuf::as_path)
    }

    /// The variables that a run of a build script named.
    pub fn watched_variables(&self) -> impl Iterator<Item = &str> {
        self.local.iter().filter_map(|local| match local {
            Local::RerunIfEnvChanged { var } => Some(var.as_str()),
            _ => None,
        })
    }

    /// Whether a run of a build script named nothing to watch. Cargo then watches the whole
    /// package.
    pub fn names_nothing(&self) -> bool {
        self.kind == UnitKind::Run
            && self.local.iter().all(|local| matches!(local, Local::Precalculated(_)))
    }

    /// The files with rustc's dep-info of this unit. Usually this is one file. There are several if
    /// the right one is not known, and none if it was removed. The run of a build script has none.
    pub fn dep_infos(&self) -> Vec<PathBuf> {
        self.read_dep_infos().iter().map(|(path, _)| path.clone()).collect()
    }

    fn read_dep_infos(&self) -> &[DepInfo] {
        let read = |path: PathBuf| match fs_err::read(&path) {
            Ok(bytes) => (path, Ok(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) => (path, Err(error.kind())),
        };
        self.dep_infos.get_or_init(|| self.find_dep_infos().into_iter().map(read).collect())
    }

    fn find_dep_infos(&self) -> Vec<PathBuf> {
        if self.kind == UnitKind::Run {
            return Vec::new();
        }
        let name = &self.name;
        for file in [format!("{name}-{}.d", self.hash), format!("{name}.d")] {
            let found = self.made.iter().map(|folder| folder.join(&file)).find(|it| it.is_file());
            if let Some(found) = found {
                return vec![found];
            }
        }
        let start = format!("{name}-");
        let alike = |file: &Path| {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&start) && file.ends_with(".d")
        };
        let inside = |folder: &PathBuf| files(folder).unwrap_or_default();
        self.made.iter().flat_map(inside).filter(|file| alike(file)).collect()
    }

    /// What can be read of rustc's dep-info. `unreadable` names the other files, which are gaps.
    fn parse_dep_infos<T>(&self, parse: fn(&str) -> Vec<T>) -> Vec<T> {
        let texts = self.read_dep_infos().iter().filter_map(|(_, text)| text.as_ref().ok());
        texts.flat_map(|text| parse(text)).collect()
    }

    /// Files of cargo and rustc for this unit that cannot be read, so that the inputs they name are
    /// unknown.
    pub fn unreadable(&self) -> Vec<String> {
        let dep_infos = self.read_dep_infos().iter();
        let mut failed: Vec<(&Path, ErrorKind)> = dep_infos
            .filter_map(|(path, text)| Some((&**path, text.as_ref().err().copied()?)))
            .collect();
        if self.kind == UnitKind::Run
            && let Err(error) = fs_err::read(&self.output)
        {
            failed.push((&self.output, error.kind()));
        }
        // The output does not exist if cargo's configuration overrides the build script.
        failed.retain(|(_, kind)| *kind != ErrorKind::NotFound);
        let text = |(path, kind): (&Path, ErrorKind)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name} of {} could not be read: {kind}", self.package)
        };
        failed.into_iter().map(text).collect()
    }

    /// The files that rustc read, each with the name under which rustc opened it. A relative name is
    /// relative to the workspace's folder, where rustc runs.
    pub fn sources(&self, workspace_root: &Path) -> BTreeSet<(PathBuf, PathBuf)> {
        let names = self.parse_dep_infos(dep_info::parse_rules);
        names.into_iter().map(|name| (normalize(&workspace_root.join(&name)), name)).collect()
    }

    /// The variables that `env!` and `option_env!` read, with their values.
    pub fn variables(&self) -> BTreeSet<(String, Option<String>)> {
        self.parse_dep_infos(dep_info::parse_env_deps).into_iter().collect()
    }

    /// Cargo's files of this unit. Their contents and times show whether the unit was rebuilt.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = files(&self.folder).unwrap_or_default();
        if self.kind == UnitKind::Run {
            files.push(self.output.clone());
        }
        files
    }

    /// The value of the unit's fingerprint; empty while cargo builds the unit, or after that failed.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The values of the fingerprints of the units that this one was built with.
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// Whether cargo compares the files and variables in rustc's dep-info. Older versions of cargo
    /// compare only the version of a package of a registry.
    pub fn is_compared_by_dep_info(&self) -> bool {
        self.local.iter().any(|local| matches!(local, Local::CheckDepInfo(_)))
    }

    /// The time when cargo last built the unit.
    pub fn built(&self) -> Option<SystemTime> {
        let time = |file: &PathBuf| fs_err::metadata(file).ok()?.modified().ok();
        *self.built.get_or_init(|| self.files().iter().filter_map(time).max())
    }
}
