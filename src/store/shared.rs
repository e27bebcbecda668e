//! Folders of the store whose files belong to no single project. The base folder may hold other
//! files, so this module recognises wheelprint's own files.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::publish;

/// A folder whose files belong to no single project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// See `cargo_mtime`.
    Notes,
    Locks,
    /// The memories, locks and failures of import checks in editable installs.
    Imports,
    /// The files that `wheelprint init --undo` restores.
    Originals,
    /// Copies of the compiled module, for imports of editable installs.
    Backends,
}

impl Shared {
    /// All these folders.
    pub(super) const ALL: [Self; 5] =
        [Self::Notes, Self::Locks, Self::Imports, Self::Originals, Self::Backends];

    /// wheelprint's own files in this folder, sorted.
    pub(super) fn files(self, base: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        self.all_files(base).into_iter().filter(move |path| self.is_ours(path))
    }

    /// Temporary files that killed processes left.
    pub(super) fn temporaries(self, base: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        self.all_files(base).into_iter().filter(move |path| self.is_temporary(&name_of(path)))
    }

    fn all_files(self, base: &Path) -> Vec<PathBuf> {
        let folder = base.join(self.name());
        if folder.is_symlink() {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
        let files = entries.flatten().filter(is_file);
        let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
        files.sort();
        files
    }

    /// The folder's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Notes => "notes",
            Self::Locks => "locks",
            Self::Imports => "imports",
            Self::Originals => "init",
            Self::Backends => "backend",
        }
    }

    /// Recognises wheelprint's own files by name and content: another program may have used the
    /// folder.
    fn is_ours(self, path: &Path) -> bool {
        let name = name_of(path);
        let (stem, end) = name.rsplit_once('.').unwrap_or((&name, ""));
        let is_empty = || fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
        let begins = |is: fn(&u8) -> bool| {
            let first = first_line(path);
            !first.is_empty() && first.iter().all(is)
        };
        match self {
            Self::Notes => is_hex(stem, 16) && end == "json" && begins(u8::is_ascii_hexdigit),
            Self::Locks => is_hex(stem, 16) && end == "lock" && is_empty(),
            Self::Imports => match end {
                "memory" => is_place(stem) && begins(u8::is_ascii_digit),
                "failure" => is_place(stem) && begins(u8::is_ascii_hexdigit),
                "lock" => is_place(stem) && is_empty(),
                _ => false,
            },
            Self::Originals => is_hex(&name, 32) && begins(u8::is_ascii_hexdigit),
            Self::Backends => is_hex(stem, 16) && ["so", "pyd"].contains(&end),
        }
    }

    fn is_temporary(self, name: &str) -> bool {
        match self {
            // `PLACE.PROCESS-THREAD`, see `_runtime_check.py`.
            Self::Imports => name.rsplit_once('.').is_some_and(|(place, numbers)| {
                let is_number =
                    |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                is_place(place)
                    && numbers
                        .split_once('-')
                        .is_some_and(|(process, thread)| is_number(process) && is_number(thread))
            }),
            Self::Notes | Self::Locks | Self::Originals | Self::Backends => {
                name.starts_with(publish::TEMPORARY)
            }
        }
    }
}

/// The last component of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Is this a digest of that length?
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Is this a name that the import check gives to an install's location?
fn is_place(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '-')
}

fn first_line(path: &Path) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(80).read_to_end(&mut bytes));
    let end = bytes.iter().position(|byte| *byte == b'\n');
    match (read, end) {
        (Ok(_), Some(end)) => bytes[..end].to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_files_are_ours() {
        let base = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = base.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (ours, theirs) in [
            ("notes/0123456789abcdef.json", "notes/shopping.json"),
            ("imports/a-b.memory", "imports/a b.memory"),
            ("imports/a-b.failure", "imports/a b.failure"),
            ("init/0123456789abcdef0123456789abcdef", "init/0123456789abcdef"),
        ] {
            write(ours, "0123456789\n{}");
            write(theirs, "0123456789\n{}");
        }
        write("locks/0123456789abcdef.lock", "");
        write("locks/fedcba9876543210.lock", "not empty");
        write("notes/fedcba9876543210.json", "no checksum\n");
        write("imports/a-b.12-34", "");
        let names = |files: &mut dyn Iterator<Item = PathBuf>| -> Vec<String> {
            files.map(|path| name_of(&path)).collect()
        };
        let ours = |shared: Shared| names(&mut shared.files(base.path()));
        assert_eq!(ours(Shared::Notes), ["0123456789abcdef.json"]);
        assert_eq!(ours(Shared::Locks), ["0123456789abcdef.lock"]);
        assert_eq!(ours(Shared::Imports), ["a-b.failure", "a-b.memory"]);
        assert_eq!(ours(Shared::Originals), ["0123456789abcdef0123456789abcdef"]);
        assert_eq!(names(&mut Shared::Imports.temporaries(base.path())), ["a-b.12-34"]);
    }
}
