//! Copying units into another target folder.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rayon::prelude::*;

use super::origin::OtherTree;
use super::portable::Portable;

use crate::inputs::target::{Target, entries};
use crate::inputs::units::UnitKind;
use crate::log;
use crate::publish;

/// The CACHEDIR.TAG that cargo writes into a new target folder. Cargo cleans no folder without this
/// file.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by cargo.
# For information about cache directory tags see https://bford.info/cachedir/
";

/// Makes a target folder, as cargo would.
///
/// # Errors
/// It can't be written.
pub(crate) fn make_target_folder(root: &Path) -> Result<()> {
    if root.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(root)?;
    publish::bytes(&root.join("CACHEDIR.TAG"), TAG.as_bytes())
}

/// Copies units, and gives the number of bytes. If that fails, nothing of what was copied is left.
pub(super) fn all(units: &[Portable], origin: &OtherTree, to: &Target) -> Result<u64> {
    let written = Mutex::new(Vec::new());
    let copy = UnitCopier { origin, to, written: &written };
    let copied = units.par_iter().map(|unit| copy.unit(unit)).try_reduce(|| 0, |a, b| Ok(a + b));
    if copied.is_err() {
        // The fingerprint of a unit was written last, and is removed first.
        let written = written.into_inner().unwrap_or_else(PoisonError::into_inner);
        for path in written.iter().rev() {
            if let Err(error) = publish::remove(path)
                && error.kind() != ErrorKind::NotFound
            {
                log::warn(format_args!("{}: {error}", path.display()));
            }
        }
    }
    copied
}

struct UnitCopier<'a> {
    origin: &'a OtherTree,
    to: &'a Target,
    written: &'a Mutex<Vec<PathBuf>>,
}

impl UnitCopier<'_> {
    /// Copies a unit, and gives the number of bytes. Cargo uses a unit only if the file with the
    /// value of its fingerprint exists, so this file is copied last.
    fn unit(&self, unit: &Portable) -> Result<u64> {
        let is_run = unit.unit.kind == UnitKind::Run;
        let mut bytes = 0;
        for file in &unit.outputs {
            bytes += if is_run && (*file == unit.unit.output || file.ends_with("root-output")) {
                self.rewritten(file, |text| self.with_new_out_dir(text))?
            } else if !is_run && file.extension().is_some_and(|it| it == "d") {
                self.rewritten(file, |text| self.with_new_paths(text))?
            } else {
                self.file(file)?
            };
        }
        if let Some(out) = unit.out.as_ref().and_then(|out| self.origin.moved(out, self.to)) {
            // It may be empty.
            fs_err::create_dir_all(out)?;
        }
        let (values, others): (Vec<_>, Vec<_>) = entries(&unit.unit.folder)?
            .into_iter()
            .partition(|file| file.with_extension("json").is_file() && file.extension().is_none());
        for file in others.iter().chain(&values) {
            bytes += self.file(file)?;
        }
        Ok(bytes)
    }

    /// Copies a file with its time, which cargo compares.
    fn file(&self, file: &Path) -> Result<u64> {
        let there = self.place(file)?;
        let bytes = fs_err::copy(file, &there)?;
        set_modified(&there, fs_err::metadata(file)?.modified()?)?;
        Ok(bytes)
    }

    fn rewritten(&self, file: &Path, rewrite: impl Fn(&[u8]) -> Vec<u8>) -> Result<u64> {
        let there = self.place(file)?;
        let text = rewrite(&fs_err::read(file)?);
        fs_err::write(&there, &text)?;
        set_modified(&there, fs_err::metadata(file)?.modified()?)?;
        Ok(text.len() as u64)
    }

    /// Where a file goes. What a killed copy or build left there is removed.
    fn place(&self, file: &Path) -> Result<PathBuf> {
        let there = self.origin.moved(file, self.to).ok_or(ErrorKind::InvalidInput)?;
        fs_err::create_dir_all(there.parent().unwrap_or(&there))?;
        match publish::remove(&there) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(there.clone());
        Ok(there)
    }

    fn with_new_out_dir(&self, text: &[u8]) -> Vec<u8> {
        let [old, new] = [&self.origin.build_root, self.to.build_root()].map(Spellings::of);
        replaced(text, &old.plain, &new.plain)
    }

    /// rustc's dep-info has `\ ` for a space in the names of files, and a doubled backslash in the
    /// values of variables.
    fn with_new_paths(&self, text: &[u8]) -> Vec<u8> {
        let [old, new] = [&self.origin.build_root, self.to.build_root()].map(Spellings::of);
        let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
            if line.starts_with(b"# env-dep:") {
                replaced(line, &old.doubled, &new.doubled)
            } else {
                replaced(line, &old.escaped, &new.escaped)
            }
        });
        lines.collect::<Vec<_>>().concat()
    }
}

/// A path, as cargo and rustc write it.
struct Spellings {
    plain: Vec<u8>,
    /// With `\ ` for a space, as in the rules of dep-info.
    escaped: Vec<u8>,
    /// With a doubled backslash, as in JSON and in sources.
    doubled: Vec<u8>,
}

impl Spellings {
    fn of(path: &Path) -> Self {
        let plain = path.as_os_str().as_encoded_bytes();
        let with =
            |byte: u8, text: &[u8]| plain.split(|it| *it == byte).collect::<Vec<_>>().join(text);
        Self { plain: plain.to_vec(), escaped: with(b' ', b"\\ "), doubled: with(b'\\', b"\\\\") }
    }
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut done = Vec::new();
    let mut from = 0;
    for at in memchr::memmem::find_iter(text, old) {
        done.extend_from_slice(&text[from..at]);
        done.extend_from_slice(new);
        from = at + old.len();
    }
    done.extend_from_slice(&text[from..]);
    done
}

fn set_modified(path: &Path, modified: SystemTime) -> Result<()> {
    // Elsewhere the owner may set the time of a file that is not writable.
    let file = fs_err::OpenOptions::new().read(true).write(cfg!(windows)).open(path)?;
    file.into_parts().0.set_modified(modified)
}
