//! Wheels in the store: copying them in and out.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Delivery, Entry, Store, StoredWheel, discard};
use crate::digest;
use crate::error::{PathContext as _, Result};
use crate::publish::{self, private};

impl Store {
    /// Copies a stored wheel into a folder. The entry of a wheel that is gone stays, so that the next
    /// lookup can say so.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub(crate) fn deliver(&self, entry: &Entry, folder: &Path) -> Result<Delivery> {
        let Some(wheel) = &entry.wheel else { return Ok(Delivery::Missing) };
        let delivered = self.deliver_wheel(wheel, folder)?;
        match delivered {
            Delivery::Done(_) => self.remember(entry),
            // A damaged wheel that can't be removed would be found again.
            _ if self.has_wheel(entry) => discard(&self.entry_path(entry)),
            _ => {}
        }
        Ok(delivered)
    }

    fn deliver_wheel(&self, wheel: &StoredWheel, folder: &Path) -> Result<Delivery> {
        let Some(stored) = self.wheel_path(wheel) else { return Ok(Delivery::Damaged) };
        let target = folder.join(&wheel.file_name);
        let mut file = publish::beside(&target).at(folder)?;
        match digest::copy(&stored, &mut file) {
            Ok((sha256, size)) if sha256 == wheel.sha256 && size == wheel.size => {
                publish::share(&file).at(&target)?;
                publish::persist_unsynced(file, &target).at(&target)?;
                Ok(Delivery::Done(wheel.file_name.clone()))
            }
            Ok(_) => {
                self.warn(format_args!("{}: damaged; it is not used", stored.display()));
                discard(&stored);
                Ok(Delivery::Damaged)
            }
            // A stored wheel that can't be opened counts as missing. Other failures are errors.
            Err(_) if fs::File::open(&stored).is_err() => Ok(Delivery::Missing),
            Err(error) => Err(error).at(target),
        }
    }

    /// Is the entry's wheel there, and can it be opened? Its content is not checked.
    pub(crate) fn has_wheel(&self, entry: &Entry) -> bool {
        let path = entry.wheel.as_ref().and_then(|wheel| self.wheel_path(wheel));
        path.is_some_and(|path| path.is_file() && fs::File::open(path).is_ok())
    }

    /// The path of a stored wheel, for reading; its content is not checked yet. `None` if its name
    /// would lead out of the store.
    pub(super) fn wheel_path(&self, wheel: &StoredWheel) -> Option<PathBuf> {
        let plain = |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && text != "..";
        (plain(&wheel.file_name) && plain(&wheel.sha256))
            .then(|| self.project.join("wheels").join(&wheel.sha256).join(&wheel.file_name))
    }

    pub(super) fn store_wheel(&self, wheel: &Path) -> std::io::Result<StoredWheel> {
        let file_name = wheel
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| std::io::Error::other("the wheel's name is not UTF-8"))?
            .to_owned();
        let wheels = self.project.join("wheels");
        let mut file = publish::beside(&wheels.join(&file_name))?;
        let (sha256, size) = digest::copy(wheel, &mut file)?;
        let folder = wheels.join(&sha256);
        private::make(&folder)?;
        publish::persist_unsynced(file, &folder.join(&file_name))?;
        Ok(StoredWheel { file_name, sha256, size })
    }
}
