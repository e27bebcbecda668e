//! The parts of a native file (ELF, Mach-O, PE) outside of its debug information.
//!
//! Whatever is not known to be debug information counts: headers and load commands with RPATHs, and
//! bytes that no section has.

use std::ops::Range;

use object::read::macho::{FatArch, LoadCommandVariant, MachHeader, MachOFatFile, MachOFile};
use object::{Endianness, File, FileKind, Object as _, ObjectSection as _, SectionFlags, macho};

/// The parts that a program may read when it runs; `None` if this is no native file, or if it can't
/// be parsed.
pub(super) fn loaded(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut unloaded = match FileKind::parse(bytes).ok()? {
        FileKind::MachOFat32 => of_all::<macho::FatArch32>(bytes)?,
        FileKind::MachOFat64 => of_all::<macho::FatArch64>(bytes)?,
        FileKind::Elf32
        | FileKind::Elf64
        | FileKind::MachO32
        | FileKind::MachO64
        | FileKind::Pe32
        | FileKind::Pe64 => debug_information(bytes)?,
        _ => return None,
    };
    unloaded.sort_by_key(|range| range.start);
    let mut parts = Vec::new();
    let mut start = 0;
    for range in unloaded {
        parts.extend(bytes.get(start..range.start.min(bytes.len())));
        start = start.max(range.end.min(bytes.len()));
    }
    parts.extend(bytes.get(start..));
    Some(parts)
}

/// Of a universal file: that of each architecture.
fn of_all<Fat: FatArch>(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    for arch in MachOFatFile::<Fat>::parse(bytes).ok()?.arches() {
        let start = usize::try_from(arch.file_range().0).ok()?;
        let ranges = debug_information(arch.data(bytes).ok()?)?;
        found.extend(ranges.into_iter().map(|range| start + range.start..start + range.end));
    }
    Some(found)
}

fn debug_information(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let file = File::parse(bytes).ok()?;
    let mut found = Vec::new();
    for section in file.sections() {
        // A coverage report reads compressed paths there, so the file counts as one that can't be
        // parsed.
        if section.name().is_ok_and(|name| name.contains("llvm_cov") || name.contains(".lcov")) {
            return Some(Vec::new());
        }
        let is_unloaded = match section.flags() {
            SectionFlags::Elf { sh_flags } => sh_flags & u64::from(object::elf::SHF_ALLOC) == 0,
            SectionFlags::MachO { .. } => section.segment_name().ok()? == Some("__DWARF"),
            _ => section.name().ok()?.starts_with(".debug_"),
        };
        if is_unloaded && let Some((start, size)) = section.file_range() {
            found.push(range(start, size)?);
        }
    }
    match &file {
        File::MachO32(file) => found.extend(names_of_symbols(file)?),
        File::MachO64(file) => found.extend(names_of_symbols(file)?),
        // The path of the PDB.
        _ => {
            if let Some(pdb) = file.pdb_info().ok()? {
                let start = pdb.path().as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
                found.push(start..start + pdb.path().len());
            }
        }
    }
    Some(found)
}

/// The names of a Mach-O file's symbols. They count as debug information, because they include the
/// paths of the object files that have the debug information.
fn names_of_symbols<Mach: MachHeader<Endian = Endianness>>(
    file: &MachOFile<'_, Mach>,
) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut commands = file.macho_load_commands().ok()?;
    while let Some(command) = commands.next().ok()? {
        if let LoadCommandVariant::Symtab(table) = command.variant().ok()? {
            let (start, size) = (table.stroff.get(file.endian()), table.strsize.get(file.endian()));
            found.push(range(start.into(), size.into())?);
        }
    }
    Some(found)
}

fn range(start: u64, size: u64) -> Option<Range<usize>> {
    let end = usize::try_from(start.checked_add(size)?).ok()?;
    Some(usize::try_from(start).ok()?..end)
}
