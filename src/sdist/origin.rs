//! An unpacked archive: the tree it was made from, and which of its files changed since.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::PKG_INFO;
use super::archive::READ;
use super::restore::{contradictions, not_maturins, project_in, strange_manifest};
use crate::digest;
use crate::error::{Cause, Error};
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Inputs, Observation, Packed, Record, Source, Value};
use crate::inputs::{
    Key, Kind, Part, Place, Root, Roots, View, Watch, normalize, relative, slashed,
};

/// An unpacked archive that has a record.
#[derive(Debug)]
pub struct Origin {
    pub root: PathBuf,
    pub record: Record,
    /// The state of each file, by its path in the archive.
    files: BTreeMap<String, Found>,
    /// The roots in the tree. Real folders are not known, so these are below an invented `project`,
    /// which is deep enough for names that begin with `../`.
    tree: Roots,
    project: PathBuf,
    /// The archive's top in that invented tree.
    top: PathBuf,
    /// Files that reached the build and that are not from the archive, with their digests.
    unpacked_extras: RefCell<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Found {
    packed: Packed,
    state: State,
    /// The text that a manifest had in the tree.
    text: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    AsPacked,
    /// The file differs; with its digest.
    Changed(String),
    Missing,
}

/// Why the record of an unpacked archive can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{}", .0.kind())]
    Unreadable(#[from] std::io::Error),
    #[error("it is larger than {} MiB", READ >> 20)]
    TooLarge,
    /// It is damaged, or of another version.
    #[error(transparent)]
    Invalid(#[from] Cause),
    /// The record contradicts itself.
    #[error("{name} {cause}")]
    Contradiction { name: String, cause: String },
    #[error("it names no packed files")]
    NamesNoFiles,
    #[error("it names `{0}`, which is not a path in the archive")]
    Outside(String),
    /// It leads too far up.
    #[error(transparent)]
    TooDeep(#[from] Error),
}

/// The file with the record, if the folder is an unpacked archive.
fn record_file(root: &Path) -> Option<PathBuf> {
    let path = root.join(FILE_NAME);
    (path.is_file() && root.join(PKG_INFO).is_file()).then_some(path)
}

/// The digest of the record, if the folder is an unpacked archive. `None` too if the record can't be
/// read, as [`Origin::read`] reports.
pub fn id(root: &Path) -> Option<String> {
    digest::file(&record_file(root)?).ok()
}

impl Origin {
    /// Reads a folder. `None` if it is not an unpacked archive.
    ///
    /// # Errors
    /// The archive's record can't be used. The folder is then built like any tree.
    pub fn read(root: &Path) -> Result<Option<Self>, Unusable> {
        let Some(path) = record_file(root) else { return Ok(None) };
        if fs_err::metadata(&path)?.len() > READ {
            return Err(Unusable::TooLarge);
        }
        let record = Record::from_json(&fs_err::read(&path)?)?;
        if let Some((name, cause)) = contradictions(&record).first() {
            let (name, cause) = ((*name).to_owned(), (*cause).to_owned());
            return Err(Unusable::Contradiction { name, cause });
        }
        if record.packed.is_empty() {
            return Err(Unusable::NamesNoFiles);
        }
        if let Some(packed) = record.packed.iter().find(|packed| !is_inside(&packed.path)) {
            return Err(Unusable::Outside(packed.path.clone()));
        }
        let project = project_in(Path::new("/"), &record)?;
        let mut tree = Roots::default();
        for (name, place) in record.roots.iter().filter(|(name, _)| **name != Root::Archive) {
            tree.add(name.clone(), normalize(&project.join(place)));
        }
        tree.add(Root::Project, &project);
        let top = record.roots.get(&Root::Archive).map_or(".", String::as_str);
        let top = normalize(&project.join(top));
        let look = |packed: &Packed| (packed.path.clone(), Found::look(root, packed));
        let files = record.packed.iter().map(look).collect();
        if let Some((name, key)) = strange_manifest(root, &record) {
            return Err(Unusable::Contradiction { name, cause: not_maturins(&key) });
        }
        let unpacked_extras = RefCell::default();
        let root = root.to_owned();
        Ok(Some(Self { root, files, tree, project, top, record, unpacked_extras }))
    }

    /// Is this file as it was packed?
    pub fn is_as_packed(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|found| found.state == State::AsPacked)
    }

    /// Is every file as it was packed?
    pub fn is_pristine(&self) -> bool {
        self.files.values().all(|found| found.state == State::AsPacked)
    }

    /// The first file that changed after this value was read. Cargo.lock is skipped, because cargo
    /// writes it.
    pub fn changed_since(&self) -> Option<&str> {
        let mut files = self.files.iter().filter(|(name, _)| !name.ends_with("Cargo.lock"));
        files.find(|(_, found)| !found.is_still(&self.root)).map(|(name, _)| name.as_str())
    }

    /// Are all files here from the archive?
    pub fn is_alone(&self) -> bool {
        WalkDir::new(&self.root).into_iter().all(|entry| {
            let Ok(entry) = entry else { return false };
            let name = entry.path().strip_prefix(&self.root).ok().and_then(slashed);
            entry.file_type().is_dir()
                || name.is_some_and(|name| name == FILE_NAME || self.files.contains_key(&name))
        })
    }

    /// The sources as they are here. If nothing was changed, they are the sources of the tree.
    pub fn source(&self) -> Source {
        let mut files = BTreeMap::new();
        for found in self.files.values() {
            let Some(name) = &found.packed.source else { continue };
            let sha256 = match &found.state {
                State::AsPacked => self.stated(found),
                State::Changed(digest) => Some(digest.clone()),
                State::Missing => None,
            };
            // If a file was packed twice, it counts as changed if one of the two was changed.
            if let Some(sha256) = sha256
                && (found.state != State::AsPacked || !files.contains_key(name))
            {
                files.insert(name.clone(), sha256);
            }
        }
        files.extend(self.unpacked_extras.borrow().clone());
        Source::new(files)
    }

    /// The digest that the record states for the file in the tree.
    fn stated(&self, found: &Found) -> Option<String> {
        self.record.source.as_ref()?.files.get(found.packed.source.as_ref()?).cloned()
    }

    /// The roots that these watches use, as paths in the tree relative to the project.
    pub fn roots(&self, watches: &BTreeSet<Watch>) -> BTreeMap<Root, String> {
        let used: BTreeSet<&Root> = watches.iter().filter_map(Watch::root).collect();
        let mut roots = self.record.roots.clone();
        roots.retain(|name, _| used.contains(name) && *name != Root::Archive);
        roots
    }

    /// Translates the watches of a build here to the tree. `found` are the watches from cargo. The
    /// archive's own record has the inputs that cargo does not track.
    pub fn watches(&self, found: &BTreeSet<Watch>, here: &Roots) -> BTreeSet<Watch> {
        let own = self.record.watches.iter().filter(|watch| **watch != Watch::Request);
        let translated = found.iter().filter_map(|watch| {
            let mut watch = watch.clone();
            match &mut watch {
                Watch::Place { place, .. } => *place = self.place(place, here)?,
                // The archive lacks workspace members, so only the tree's record has their list.
                Watch::Glob { only_names: true, .. } => return None,
                _ => {}
            }
            Some(watch)
        });
        own.cloned().chain(translated).collect()
    }

    /// Translates the inputs of a build here to the tree.
    pub fn inputs(&self, seen: Vec<Observation>, here: &Roots) -> Inputs {
        let mut inputs = Inputs::new();
        for Observation { key, value, path, view } in seen {
            // Paths in target folders are left out. The tree's record covers the tree's own ones.
            if path.as_deref().is_some_and(|path| is_product(path, here)) {
                continue;
            }
            let inside = path.as_deref().filter(|path| path.starts_with(&self.root));
            let Some(path) = inside.filter(|_| key.root != Some(Root::CargoHome)) else {
                inputs.insert(key, value);
                continue;
            };
            // The archive lacks workspace members, so only the tree's record has their list.
            if key.kind == Kind::Folder && key.part == Part::Manifest {
                continue;
            }
            let name = path.strip_prefix(&self.root).ok().and_then(slashed).unwrap_or_default();
            if name == FILE_NAME || name == PKG_INFO {
                continue;
            }
            let value = match self.files.get(&name) {
                // The file seems to be the product of an earlier build, but it counts all the same.
                Some(found) if found.packed.source.is_none() => value,
                Some(found) => self.value(found, &key, view, value),
                None => {
                    self.meet(&key, path, &value, here);
                    value
                }
            };
            inputs.insert(self.key(&key, here).unwrap_or(key), value);
        }
        // Some inputs can't be seen here: members that were not packed, and files that are absent
        // in the tree and here. They are as in the archive's record.
        let has_manifests = self.has_its_manifests();
        for (key, value) in self.record.inputs() {
            let is_as_absent = value == Value::Absent && !self.is_here(&key);
            if is_as_absent || (has_manifests && key.part == Part::Manifest) {
                inputs.entry(key).or_insert(value);
            }
        }
        inputs
    }

    /// The value that a file here had in the tree.
    fn value(&self, found: &Found, key: &Key, view: Option<View>, value: Value) -> Value {
        if found.state != State::AsPacked {
            return value;
        }
        match (key.kind, view, &found.text) {
            (Kind::Toml, Some(view), Some(text)) => Value::Sha256(view.digest(text.as_bytes())),
            (Kind::File, ..) => self.stated(found).map_or(value, Value::Sha256),
            _ => value,
        }
    }

    /// Notes an input file that is not from the archive.
    fn meet(&self, key: &Key, path: &Path, value: &Value, here: &Roots) {
        let is_there = *value != Value::Absent && path.is_file();
        if let Some(place) = self.virtual_path(key, path).filter(|_| is_there)
            && !here.is_products(path)
            && let Some(name) = relative(&self.project, &place)
            && let Ok(digest) = digest::file(path)
        {
            self.unpacked_extras.borrow_mut().insert(name, digest);
        }
    }

    /// Paths that a file of the tree would have here if it were packed. `name` is relative to the
    /// project.
    pub fn places_here(&self, name: &str) -> [Option<PathBuf>; 2] {
        let path = normalize(&self.project.join(name));
        let below = |folder: &Path| Some(self.root.join(path.strip_prefix(folder).ok()?));
        [below(&self.project), below(&self.top)]
    }

    fn is_here(&self, key: &Key) -> bool {
        let path = self.tree.path_of(key).and_then(|path| relative(&self.project, &path));
        let places = path.map(|name| self.places_here(&name)).into_iter().flatten().flatten();
        places.into_iter().any(|path| path.exists())
    }

    /// Are all manifests as they were packed?
    fn has_its_manifests(&self) -> bool {
        let is_manifest = |name: &str| name.ends_with("Cargo.toml") || name == "pyproject.toml";
        self.files.iter().all(|(name, found)| found.state == State::AsPacked || !is_manifest(name))
    }

    fn place(&self, place: &Place, here: &Roots) -> Option<Place> {
        let key = Key::place(Part::Rust, Kind::File, place.clone());
        match here.resolve(place) {
            Some(path) if is_product(&path, here) => None,
            Some(path) if path.starts_with(&self.root) => self.key(&key, here)?.as_place(),
            _ => Some(place.clone()),
        }
    }

    /// The name that an input here has in the tree.
    fn key(&self, key: &Key, here: &Roots) -> Option<Key> {
        let named = key.as_place()?;
        let renamed =
            |root: &Root, name: String| Key { root: Some(root.clone()), name, ..key.clone() };
        if named.root == Root::Above {
            let path = normalize(&self.root.join(&key.name));
            let place = self.virtual_path(key, &path)?;
            return Some(renamed(&Root::Above, relative(&self.project, &place)?));
        }
        let path = normalize(&here.resolve(&named)?);
        let place = self.virtual_path(key, &path)?;
        // cargo may name a path by another root than its folder suggests. The archive's record
        // decides which of the two names is used.
        let asked = self
            .tree
            .get(&named.root)
            // The names of the project's folder and of those above it are not known here.
            .filter(|root| {
                let shared = self.project.ancestors().find(|above| place.starts_with(above));
                shared.is_none_or(|shared| !shared.starts_with(root) || shared == *root)
            })
            .and_then(|root| relative(root, &place))
            .map(|path| renamed(&named.root, if path == "." { String::new() } else { path }));
        let lies = self.tree.clone().name(&place).map(|place| renamed(&place.root, place.path));
        let known = &self.record.inputs;
        let is_known = |key: &Key| known.binary_search_by(|input| input.key.cmp(key)).is_ok();
        if let Some(key) = [&asked, &lies].into_iter().flatten().find(|key| is_known(key)) {
            return Some(key.clone());
        }
        let is_by_place = here.clone().name(&path).as_ref() == Some(&named);
        if is_by_place { lies } else { asked }
    }

    /// The path in the invented tree that belongs to a path here.
    fn virtual_path(&self, key: &Key, path: &Path) -> Option<PathBuf> {
        let name = slashed(path.strip_prefix(&self.root).ok()?)?;
        let packed = self.files.get(&name).and_then(|found| found.packed.source.as_ref());
        if let Some(source) = packed {
            return Some(normalize(&self.project.join(source)));
        }
        // A file that was not packed is placed beside packed ones, in the innermost folder that has
        // any.
        let here = Path::new(&name);
        let beside = here.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        let moved = beside.into_iter().find_map(|folder| {
            let rest = here.strip_prefix(folder).ok()?;
            Some(self.folder_in_tree(&slashed(folder)?)?.join(rest))
        });
        Some(normalize(&match moved {
            Some(path) => path,
            None if key.root == Some(Root::Project) => self.project.join(name),
            None => self.top.join(name),
        }))
    }

    /// The folder of the tree for a folder of the archive, derived from a file that was packed from
    /// it.
    fn folder_in_tree(&self, folder: &str) -> Option<PathBuf> {
        self.files.iter().find_map(|(name, found)| {
            let rest = name.strip_prefix(folder)?.strip_prefix('/')?;
            let source = found.packed.source.as_ref()?.strip_suffix(rest)?;
            (source.is_empty() || source.ends_with('/')).then(|| self.project.join(source))
        })
    }
}

impl Found {
    fn is_still(&self, root: &Path) -> bool {
        Self::look(root, &self.packed).state == self.state
    }

    fn look(root: &Path, packed: &Packed) -> Self {
        let path = root.join(&packed.path);
        let state = match digest::file(&path) {
            Ok(digest) if digest == packed.sha256 => State::AsPacked,
            Ok(digest) => State::Changed(digest),
            Err(_) => State::Missing,
        };
        let is_toml = packed.path.ends_with(".toml") || packed.path.ends_with("Cargo.lock");
        let text = packed.original.clone().or_else(|| {
            // Read now, because cargo may write Cargo.lock later.
            is_toml.then(|| digest::text(&path).ok()).flatten()
        });
        Self { packed: packed.clone(), state, text }
    }
}

fn is_product(path: &Path, here: &Roots) -> bool {
    here.products().any(|folder| path.starts_with(folder))
}

/// Is this a path that stays inside the folder that it is joined to?
fn is_inside(name: &str) -> bool {
    !name.contains('\\')
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    const REWRITTEN: &str = "[package]\nname = 'a'\n";
    const ORIGINAL: &str = "[package]\nname.workspace = true\n";
    /// In the archive, in the tree, and the text in the archive.
    const FILES: [(&str, &str, &str); 4] = [
        ("Cargo.toml", "Cargo.toml", REWRITTEN),
        ("Cargo.lock", "../Cargo.lock", "version = 4\n"),
        ("src/lib.rs", "src/lib.rs", "mine"),
        ("core/src/lib.rs", "../core/src/lib.rs", "core"),
    ];

    /// An archive as maturin packs it: a path dependency is inside, and a manifest is rewritten.
    fn record() -> Record {
        let packed = |(path, source, text): (&str, &str, &str)| Packed {
            path: path.into(),
            sha256: digest::bytes(text.as_bytes()),
            source: Some(source.into()),
            original: (path == "Cargo.toml").then(|| ORIGINAL.to_owned()),
        };
        let in_tree = |packed: &Packed| {
            let original = packed.original.as_ref().map(|text| digest::bytes(text.as_bytes()));
            (packed.source.clone().unwrap(), original.unwrap_or_else(|| packed.sha256.clone()))
        };
        let mut files: Vec<Packed> = FILES.map(packed).into();
        let source = Source::new(files.iter().map(in_tree).collect());
        let info = Packed { source: None, ..packed((PKG_INFO, "", "about")) };
        files.push(info);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let roots = [(Root::Project, "."), (Root::Crate("core".into()), "../core")];
        let roots = roots.map(|(root, place)| (root, place.to_owned())).into();
        let mut record = Record::new(&Inputs::new(), BTreeSet::new(), roots);
        (record.source, record.packed) = (Some(source), files);
        record
    }

    fn unpack(record: &Record) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let all = FILES.map(|(path, _, text)| (path, text));
        for (path, text) in all.into_iter().chain([(PKG_INFO, "about")]) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(folder.path().join(FILE_NAME), record.to_json()).unwrap();
        folder
    }

    #[test]
    fn changes_to_the_unpacked_files_are_seen() {
        type Change = fn(&Path);
        /// Pristine, alone, and the file that changed meanwhile.
        type Seen = (bool, bool, Option<&'static str>);
        let nothing: Change = |_| {};
        let edit: Change = |root| fs::write(root.join("src/lib.rs"), "edited").unwrap();
        let remove: Change = |root| fs::remove_file(root.join("core/src/lib.rs")).unwrap();
        let add: Change = |root| fs::write(root.join("src/new.rs"), "").unwrap();
        let lock: Change = |root| fs::write(root.join("Cargo.lock"), "version = 3").unwrap();
        let touch: Change = |root| fs::write(root.join("src/lib.rs"), "mine").unwrap();
        let folder: Change = |root| fs::create_dir(root.join("target")).unwrap();
        let rows: [(Change, Seen, bool); 7] = [
            (nothing, (true, true, None), true),
            (touch, (true, true, None), true),
            (folder, (true, true, None), true),
            (add, (true, false, None), true),
            (lock, (false, true, None), false),
            (edit, (false, true, Some("src/lib.rs")), false),
            (remove, (false, true, Some("core/src/lib.rs")), false),
        ];
        let record = record();
        for (row, (change, expected, is_the_same_source)) in rows.into_iter().enumerate() {
            let root = unpack(&record);
            let before = Origin::read(root.path()).unwrap().unwrap();
            change(root.path());
            let after = Origin::read(root.path()).unwrap().unwrap();
            let seen = (after.is_pristine(), after.is_alone(), before.changed_since());
            assert_eq!(seen, expected, "row {row}");
            let is_same = Some(after.source()) == record.source;
            assert_eq!(is_same, is_the_same_source, "row {row}");
        }
    }

    #[test]
    fn inputs_get_the_names_and_values_that_they_have_in_the_tree() {
        let root = unpack(&record());
        let origin = Origin::read(root.path()).unwrap().unwrap();
        let mut here = Roots::default();
        here.add(Root::Project, root.path());
        here.add(Root::Crate("core".into()), root.path().join("core"));
        here.add(Root::CargoHome, "/cargo");
        let core = Root::Crate("core".into());
        let text = |text: &str| Value::Sha256(digest::bytes(text.as_bytes()));
        let meaning = |text: &str| Value::Sha256(View::Package.digest(text.as_bytes()));
        let rows = [
            (
                (Root::Project, "src/lib.rs"),
                text("mine"),
                (Root::Project, "src/lib.rs"),
                text("mine"),
            ),
            (
                (core.clone(), "src/lib.rs"),
                text("core"),
                (core.clone(), "src/lib.rs"),
                text("core"),
            ),
            // A manifest counts as it was before maturin rewrote it.
            (
                (Root::Project, "Cargo.toml"),
                meaning(REWRITTEN),
                (Root::Project, "Cargo.toml"),
                meaning(ORIGINAL),
            ),
            // Files that are not from the archive keep their place beside packed files.
            ((core.clone(), "src/new.rs"), text("new"), (core, "src/new.rs"), text("new")),
            (
                (Root::CargoHome, "config.toml"),
                text(""),
                (Root::CargoHome, "config.toml"),
                text(""),
            ),
        ];
        for ((from, name), value, (to, in_tree), expected) in rows {
            let is_toml = name == "Cargo.toml";
            let kind = if is_toml { Kind::Toml } else { Kind::File };
            let key = |root: Root, name: &str| {
                Key::place(Part::Rust, kind, Place { root, path: name.into() })
            };
            let key_here = key(from, name);
            let path = here.path_of(&key_here);
            let view = is_toml.then_some(View::Package);
            let seen = Observation { key: key_here, value, path, view };
            let found: Vec<(Key, Value)> = origin.inputs(vec![seen], &here).into_iter().collect();
            assert_eq!(found, [(key(to, in_tree), expected)], "{name}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_used_says_why() {
        type Spoil = fn(&mut Record);
        fn last(record: &mut Record) -> &mut Packed {
            record.packed.last_mut().filter(|packed| packed.path == "src/lib.rs").unwrap()
        }
        let spoils: [(Spoil, &str); 8] = [
            (|record| record.source = None, "wheelprint.json names no sources"),
            (
                |record| record.packed.clear(),
                "../Cargo.lock is among the sources and not in the archive",
            ),
            (
                |record| {
                    record.packed.clear();
                    record.source = Some(Source::new(BTreeMap::new()));
                },
                "it names no packed files",
            ),
            (
                |record| last(record).path = "../lib.rs".into(),
                "it names `../lib.rs`, which is not a path in the archive",
            ),
            (
                |record| last(record).path = "src\\lib.rs".into(),
                "it names `src\\lib.rs`, which is not a path in the archive",
            ),
            (
                |record| last(record).sha256 = digest::bytes(b"another"),
                "src/lib.rs is not the file of the tree that it should be",
            ),
            (
                |record| drop(record.packed.pop()),
                "src/lib.rs is among the sources and not in the archive",
            ),
            (
                |record| drop(record.roots.insert(Root::Crate("x".into()), "../".repeat(65))),
                "its record leads 65 folders up",
            ),
        ];
        for (spoil, cause) in spoils {
            let mut record = record();
            spoil(&mut record);
            record.packed.sort_by(|one, other| one.path.cmp(&other.path));
            let unusable = Origin::read(unpack(&record).path()).unwrap_err();
            assert_eq!(unusable.to_string(), cause);
        }
    }

    #[test]
    fn a_folder_without_a_record_is_not_one_with_a_damaged_record() {
        type Spoil = fn(&Path);
        fn remove(root: &Path, name: &str) {
            fs::remove_file(root.join(name)).unwrap();
        }
        fn rewrite(root: &Path, from: &str, to: &str) {
            let text = fs::read_to_string(root.join(FILE_NAME)).unwrap();
            fs::write(root.join(FILE_NAME), text.replacen(from, to, 1)).unwrap();
        }
        let rows: [(Spoil, Option<&str>); 6] = [
            (|root| remove(root, FILE_NAME), None),
            (|root| remove(root, PKG_INFO), None),
            (|root| rewrite(root, "{", "["), Some("not a wheelprint record: ")),
            (
                |root| rewrite(root, "\"wheelprint\": 1", "\"wheelprint\": 2"),
                Some("record version 2; "),
            ),
            (|root| rewrite(root, "core/src", "curs/src"), Some("the source digest is not ")),
            (
                |root| {
                    let file = fs::OpenOptions::new().write(true).open(root.join(FILE_NAME));
                    file.unwrap().set_len(READ + 1).unwrap();
                },
                Some("it is larger than "),
            ),
        ];
        for (row, (spoil, expected)) in rows.into_iter().enumerate() {
            let root = unpack(&record());
            spoil(root.path());
            match (Origin::read(root.path()), expected) {
                (Ok(None), None) => {}
                (Err(cause), Some(expected)) => {
                    assert!(cause.to_string().starts_with(expected), "row {row}: {cause}");
                }
                (read, _) => panic!("row {row}: {read:?}"),
            }
        }
    }
}
