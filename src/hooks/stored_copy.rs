//! Changing a stored wheel: a copy of it, which is stored again or delivered.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;

use crate::error::{PathContext as _, Result};
use crate::freshness::Reason;
use crate::publish;
use crate::store::{Delivery, Entry, EntryKind, Finished, Store};
use crate::wheel::{Edit, Wheel};

/// A copy of a stored wheel in a temporary folder.
pub(super) struct WheelCopy {
    pub wheel: Wheel,
    name: String,
    _folder: tempfile::TempDir,
}

impl WheelCopy {
    pub(super) fn of(store: &Store, entry: &Entry) -> Result<Usable<Self>> {
        let folder = publish::temporary_folder()?;
        let name = match usable(store.deliver(entry, folder.path())?) {
            Ok(name) => name,
            Err(reason) => return Ok(Err(reason)),
        };
        // Its digest was compared with that of the wheel that was stored.
        let wheel = Wheel::open_checked(&folder.path().join(&name))?;
        Ok(Ok(Self { wheel, name, _folder: folder }))
    }

    /// Stores the wheel with new contents of these files. `None` if the store can't be written to.
    pub(super) fn store_again(
        mut self,
        store: &Store,
        kind: EntryKind,
        replace: BTreeMap<String, Vec<u8>>,
        finished: Finished,
    ) -> Result<Option<Entry>> {
        let folder = publish::temporary_folder()?;
        let target = folder.path().join(&self.name);
        let file = fs::File::create(&target).at(&target)?;
        self.wheel.rewrite(file, &target, Edit { replace, ..Edit::default() })?;
        Ok(store.publish(kind, finished, &target))
    }

    /// Writes the wheel with new contents of these files into the frontend's folder, and gives its
    /// name.
    pub(super) fn deliver(
        mut self,
        folder: &Path,
        replace: BTreeMap<String, Vec<u8>>,
    ) -> Result<String> {
        let target = folder.join(&self.name);
        let mut file = publish::beside(&target).at(folder)?;
        self.wheel.rewrite(file.as_file_mut(), &target, Edit { replace, ..Edit::default() })?;
        publish::share(&file).at(&target)?;
        publish::persist_unsynced(file, &target).at(&target)?;
        Ok(self.name)
    }
}

/// Something of a stored wheel, or the reason why that wheel can't be used.
pub(super) type Usable<T> = std::result::Result<T, Reason>;

pub(super) fn usable(delivery: Delivery) -> Usable<String> {
    match delivery {
        Delivery::Done(name) => Ok(name),
        Delivery::Missing => Err(Reason::WheelMissing),
        Delivery::Damaged => Err(Reason::WheelDamaged),
    }
}
