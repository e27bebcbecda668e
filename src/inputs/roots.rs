//! The roots that places are named by, and their folders on this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::paths::{below, is_one_folder, normalize, relative, slashed};
use super::{Key, Place};
use crate::error::Cause;

/// The folder that a place is relative to. In JSON it is the text of `Display`. Roots are sorted
/// by text. Numbers in the text are sorted by value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Root {
    /// The project's folder, for files found on a search path upwards: each `../` is one folder.
    Above,
    /// The folder that became the top folder of an sdist.
    Archive,
    CargoHome,
    /// A package, by its name. Further packages of the same name are `NAME#2`, `NAME#3`.
    Crate(Arc<str>),
    /// A folder outside of all other roots.
    Outside(u32),
    /// A folder that a build writes to. Nothing in it counts.
    Products(Arc<str>),
    /// The folder with pyproject.toml.
    Project,
    /// A package of which every file counts, because it is not known what was built.
    Whole(u32),
    /// The folder of the workspace's Cargo.toml.
    Workspace,
}

impl Root {
    pub fn package(&self) -> Option<&str> {
        match self {
            Self::Crate(name) => Some(name),
            _ => None,
        }
    }

    /// Whether its folder belongs to the sources of the project.
    pub fn is_of_sources(&self) -> bool {
        matches!(self, Self::Crate(_) | Self::Project | Self::Workspace)
    }

    /// Whether its folder lies elsewhere on this machine.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::CargoHome | Self::Outside(_))
    }
}

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above => formatter.write_str("above"),
            Self::Archive => formatter.write_str("archive"),
            Self::CargoHome => formatter.write_str("cargo-home"),
            Self::Crate(name) => write!(formatter, "crate:{name}"),
            Self::Outside(number) => write!(formatter, "outside:{number}"),
            Self::Products(name) => write!(formatter, "products:{name}"),
            Self::Project => formatter.write_str("project"),
            Self::Whole(number) => write!(formatter, "project {number}"),
            Self::Workspace => formatter.write_str("workspace"),
        }
    }
}

impl From<Root> for String {
    fn from(root: Root) -> Self {
        root.to_string()
    }
}

impl TryFrom<String> for Root {
    type Error = Cause;

    fn try_from(text: String) -> Result<Self, Cause> {
        // Only one spelling: `outside:01` is no root.
        let number = |digits: &str| digits.parse().ok().filter(|it: &u32| it.to_string() == digits);
        let root = match (text.as_str(), text.split_once(':')) {
            ("above", _) => Some(Self::Above),
            ("archive", _) => Some(Self::Archive),
            ("cargo-home", _) => Some(Self::CargoHome),
            ("project", _) => Some(Self::Project),
            ("workspace", _) => Some(Self::Workspace),
            (_, Some(("crate", name))) => Some(Self::Crate(name.into())),
            (_, Some(("outside", digits))) => number(digits).map(Self::Outside),
            (_, Some(("products", name))) => Some(Self::Products(name.into())),
            (other, _) => other.strip_prefix("project ").and_then(number).map(Self::Whole),
        };
        root.ok_or_else(|| format!("unknown root {text:?}, written by another version").into())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roots(BTreeMap<Root, PathBuf>);

impl Roots {
    /// Adds a root. If it exists already, its folder stays.
    pub fn add(&mut self, root: Root, folder: impl Into<PathBuf>) {
        self.0.entry(root).or_insert_with(|| folder.into());
    }

    pub fn get(&self, root: &Root) -> Option<&Path> {
        self.0.get(root).map(PathBuf::as_path)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Root, &Path)> {
        self.0.iter().map(|(root, folder)| (root, folder.as_path()))
    }

    /// The folders that builds write to.
    pub fn products(&self) -> impl Iterator<Item = &Path> {
        self.iter().filter(|(root, _)| matches!(root, Root::Products(_))).map(|(_, folder)| folder)
    }

    /// The same roots for another tree of the project, whose folder is given: what lies relative to
    /// the project moves along with it. `None` if the project's folder is not among the roots.
    pub fn moved_to(&self, project: &Path) -> Option<Self> {
        let old = self.get(&Root::Project)?;
        let moved = self.iter().map(|(root, folder)| {
            let place = if root.is_elsewhere() { None } else { relative(old, folder) };
            let moved = place.map(|place| normalize(&project.join(place)));
            (root.clone(), moved.unwrap_or_else(|| folder.to_owned()))
        });
        Some(Self(moved.collect()))
    }

    /// Whether every root lies in the same place relative to the project if links are followed.
    /// Otherwise [`Self::moved_to`] may lead to a folder of the old tree.
    pub fn can_move(&self) -> bool {
        let real =
            |folder: &Path| dunce::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        self.get(&Root::Project).is_some_and(|project| {
            let is_of_sources =
                |root: &Root| !root.is_elsewhere() && !matches!(root, Root::Products(_));
            let folders = self.iter().filter(|(root, _)| is_of_sources(root));
            let mut folders = folders.map(|(_, folder)| folder);
            folders
                .all(|folder| relative(project, folder) == relative(&real(project), &real(folder)))
        })
    }

    /// Whether this is a folder that the build itself writes to.
    pub fn is_products(&self, path: &Path) -> bool {
        // This runs for every file, so ask the file system only if the last names are alike.
        let may_be = |folder: &Path| {
            let names = [folder, path].map(|path| path.file_name().unwrap_or_default());
            names[0].eq_ignore_ascii_case(names[1])
        };
        self.products().any(|folder| {
            let is = || below(path, folder, is_one_folder) == Some(Path::new(""));
            folder == path || may_be(folder) && is()
        })
    }

    /// The path of a place; `None` if its root is unknown here.
    pub fn resolve(&self, place: &Place) -> Option<PathBuf> {
        self.join(&place.root, &place.path)
    }

    /// The path that a key names; `None` for a variable or value, and if its root is unknown here.
    pub fn path_of(&self, key: &Key) -> Option<PathBuf> {
        self.join(key.root.as_ref()?, &key.name)
    }

    fn join(&self, root: &Root, path: &str) -> Option<PathBuf> {
        let root = self.get(root)?;
        Some(if path.is_empty() { root.to_owned() } else { root.join(path) })
    }

    /// Names a path by the innermost root that contains it. A crate has priority over the workspace
    /// or project with the same folder. A path outside of all roots gets a new root. `None` if the
    /// path is not UTF-8.
    pub fn name(&mut self, path: &Path) -> Option<Place> {
        self.name_by(path, is_one_folder)
    }

    fn name_by(&mut self, path: &Path, is_same: fn(&Path, &Path) -> bool) -> Option<Place> {
        let path = normalize(path);
        let innermost = self
            .0
            .iter()
            .filter(|(root, _)| !matches!(root, Root::Outside(_) | Root::Products(_)))
            .filter_map(|(root, folder)| Some((root, folder, below(&path, folder, is_same)?)))
            .max_by_key(|(root, folder, _)| (folder.components().count(), root.package().is_some()))
            .map(|(root, _, inside)| (root.clone(), inside));
        let (root, inside) = match innermost {
            Some(found) => found,
            None => {
                let (root, folder) = self.outside(path.parent().unwrap_or(&path));
                (root, path.strip_prefix(&folder).ok()?)
            }
        };
        Some(Place { root, path: slashed(inside)? })
    }

    fn outside(&mut self, folder: &Path) -> (Root, PathBuf) {
        let mut count = 0;
        for (root, known) in self.iter().filter(|(root, _)| matches!(root, Root::Outside(_))) {
            if known == folder {
                return (root.clone(), known.to_owned());
            }
            count += 1;
        }
        let root = Root::Outside(count + 1);
        self.0.insert(root.clone(), folder.to_owned());
        (root, folder.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_by_the_innermost_root() {
        let mut roots = Roots::default();
        roots.add(Root::Project, "/w/py");
        roots.add(Root::Crate("core".into()), "/w/core");
        roots.add(Root::Crate("py".into()), "/w/py");
        roots.add(Root::Workspace, "/w");
        let mut named = |path: &str| {
            let place = roots.name(Path::new(path)).unwrap();
            format!("{} {}", place.root, place.path)
        };
        assert_eq!(named("/w/py/src/lib.rs"), "crate:py src/lib.rs");
        assert_eq!(named("/w/core/src/../data.txt"), "crate:core data.txt");
        assert_eq!(named("/w/Cargo.lock"), "workspace Cargo.lock");
        assert_eq!(named("/usr/include/z.h"), "outside:1 z.h");
        assert_eq!(named("/opt/x/y.h"), "outside:2 y.h");
        assert_eq!(named("/usr/include/a.h"), "outside:1 a.h");
    }

    #[test]
    fn a_path_in_another_case_is_in_its_root() {
        let mut roots = Roots::default();
        roots.add(Root::Project, "/w/py");
        roots.add(Root::Crate("core".into()), "/w/py/core");
        let blind: fn(&Path, &Path) -> bool =
            |one, other| one.as_os_str().eq_ignore_ascii_case(other);
        // If the path were named outside of all roots, its name would mean this tree's file for
        // every other tree too.
        for (path, name) in [
            ("/W/Py/src/lib.rs", "project src/lib.rs"),
            ("/w/py/Core/src/lib.rs", "crate:core src/lib.rs"),
            ("/w/PY/Cargo.toml", "project Cargo.toml"),
            ("/w/other/a.h", "outside:1 a.h"),
        ] {
            let place = roots.name_by(Path::new(path), blind).unwrap();
            assert_eq!(format!("{} {}", place.root, place.path), name, "{path}");
        }
    }

    #[test]
    #[cfg(windows)]
    fn places_on_windows() {
        let mut roots = Roots::default();
        roots.add(Root::Project, r"C:\p");
        roots.add(Root::Crate("core".into()), r"D:\core");
        for (path, name) in [
            (r"C:\p\src\lib.rs", "project src/lib.rs"),
            (r"c:/p/src/../data.txt", "project data.txt"),
            (r"\\?\C:\p\src\lib.rs", "project src/lib.rs"),
            (r"\\?\D:\core\lib.rs", "crate:core lib.rs"),
            (r"E:\x\y.h", "outside:1 y.h"),
        ] {
            let place = roots.name(Path::new(path)).unwrap();
            assert_eq!(format!("{} {}", place.root, place.path), name, "{path}");
        }
        assert_eq!(super::super::relative(Path::new(r"C:\p"), Path::new(r"D:\core")), None);
        assert_eq!(
            super::super::relative(Path::new(r"C:\p"), Path::new(r"c:\q")).as_deref(),
            Some("../q")
        );
    }

    #[test]
    fn a_place_leads_back_to_its_path() {
        let mut roots = Roots::default();
        roots.add(Root::Project, "/p");
        for path in ["/p/a/b.rs", "/p", "/elsewhere/c.h"] {
            let place = roots.name(Path::new(path)).unwrap();
            assert_eq!(roots.resolve(&place), Some(PathBuf::from(path)));
        }
    }

    #[test]
    #[cfg(unix)]
    fn roots_move_although_a_link_is_left_at_the_old_place() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs_err::create_dir(&new).unwrap();
        fs_err::os::unix::fs::symlink(&new, &old).unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, &old);
        roots.add(Root::Crate("core".into()), old.join("core"));
        roots.add(Root::Outside(1), "/usr/include");
        let moved = roots.moved_to(&new).unwrap();
        assert_eq!(moved.get(&Root::Project), Some(&*new));
        assert_eq!(moved.get(&Root::Crate("core".into())), Some(&*new.join("core")));
        assert_eq!(moved.get(&Root::Outside(1)), Some(Path::new("/usr/include")));
    }

    #[test]
    fn a_root_has_one_spelling_and_the_order_of_its_text() {
        let texts = [
            "above",
            "archive",
            "cargo-home",
            "crate:a",
            "crate:a#2",
            "crate:a-b",
            "outside:2",
            "outside:10",
            "products:target",
            "project",
            "project 0",
            "workspace",
        ];
        let roots = texts.map(|text| Root::try_from(text.to_owned()).unwrap());
        assert_eq!(roots.clone().map(String::from), texts);
        assert!(roots.is_sorted());
        for text in ["", "projects", "outside:", "outside:01", "outside:-1", "project:1", "crate a"]
        {
            let error = Root::try_from(text.to_owned()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("unknown root {text:?}, written by another version")
            );
        }
    }
}
