//! The bytes of a native file (ELF, Mach-O, PE) without effect on what runs.
//!
//! Where these bytes are is read from headers that a system reads to load the file: program headers,
//! load commands, data directories. The caller requires all other bytes to be equal, these headers
//! too. In an ELF file the section headers do not decide: no system needs them, and a hostile file
//! could declare its code to be debug information there.

use std::ops::Range;

use object::read::elf::{ElfFile, FileHeader, ProgramHeader as _};
use object::read::macho::{LoadCommandVariant, MachHeader, MachOFile};
use object::read::pe::{ImageNtHeaders, PeFile};
use object::{Endianness, File, Object as _, ObjectSection as _, SectionFlags, elf, pe};

use super::Reason;

/// Bytes without effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unloaded {
    /// The name of the section, or of what has no section.
    pub name: String,
    pub reason: Reason,
    pub range: Range<usize>,
}

/// The bytes without effect, and where the part of the file ends whose places count.
pub(super) struct Found {
    pub unloaded: Vec<Unloaded>,
    /// Behind this offset nothing is loaded.
    pub loaded_end: usize,
}

/// `None` if the headers can't be read: then every byte counts.
pub(super) fn find(file: &File<'_>, bytes: &[u8]) -> Option<Found> {
    let mut found = match file {
        File::Elf32(file) => of_elf(file, bytes)?,
        File::Elf64(file) => of_elf(file, bytes)?,
        File::MachO32(file) => all_loaded(of_macho(file, bytes)?, bytes),
        File::MachO64(file) => all_loaded(of_macho(file, bytes)?, bytes),
        File::Pe32(file) => all_loaded(of_pe(file, bytes)?, bytes),
        File::Pe64(file) => all_loaded(of_pe(file, bytes)?, bytes),
        _ => return None,
    };
    found.unloaded.sort_by_key(|part| (part.range.start, part.range.end));
    let overlap = found.unloaded.windows(2).any(|two| two[0].range.end > two[1].range.start);
    (!overlap && found.unloaded.iter().all(|part| part.range.end <= bytes.len())).then_some(found)
}

fn all_loaded(unloaded: Vec<Unloaded>, bytes: &[u8]) -> Found {
    Found { unloaded, loaded_end: bytes.len() }
}

fn of_elf<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
    bytes: &[u8],
) -> Option<Found> {
    let (endian, header) = (file.endian(), file.elf_header());
    let mut unloaded = Vec::new();
    let mut segments: Vec<Range<usize>> = std::iter::once(0..size_of::<Elf>()).collect();
    for segment in file.elf_program_headers() {
        let (start, size) = segment.file_range(endian);
        if size > 0 {
            segments.push(range(start, size)?);
        }
        if let Some(mut notes) = segment.notes(endian, bytes).ok()? {
            while let Some(note) = notes.next().ok()? {
                if note.name() == b"GNU" && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                    let range = place(note.desc(), bytes)?;
                    unloaded.push(part(".note.gnu.build-id", Reason::BuildId, range));
                }
            }
        }
    }
    let count = u64::from(header.e_phnum(endian)) * u64::from(header.e_phentsize(endian));
    segments.push(range(header.e_phoff(endian).into(), count)?);
    let is_loaded = |range: &Range<usize>| {
        segments.iter().any(|segment| range.start < segment.end && segment.start < range.end)
    };
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { return None };
        let (Ok(name), Some((start, size))) = (section.name(), section.file_range()) else {
            continue;
        };
        let range = range(start, size)?;
        let is_allocated = sh_flags & u64::from(elf::SHF_ALLOC) != 0;
        if let Some(reason) = reason_of_section(name)
            && !is_allocated
            && size > 0
            && !is_loaded(&range)
        {
            unloaded.push(part(name, reason, range));
        }
    }
    let count = file.elf_section_table().len() as u64;
    let table =
        range(header.e_shoff(endian).into(), count * u64::from(header.e_shentsize(endian)))?;
    if !table.is_empty() && !is_loaded(&table) {
        unloaded.push(part("section headers", Reason::Headers, table));
    }
    // e_shoff, e_shnum and e_shstrndx, which say where that table is.
    let fields = if header.is_type_64() { [40..48, 60..64] } else { [32..36, 48..52] };
    unloaded.extend(fields.map(|field| part("section headers", Reason::Headers, field)));
    let loaded_end = segments.iter().map(|segment| segment.end).max()?;
    Some(Found { unloaded, loaded_end })
}

/// Why a section that is not loaded may differ. `None` for sections of an unknown purpose: a
/// program may read them from its own file.
fn reason_of_section(name: &str) -> Option<Reason> {
    match name {
        ".symtab" | ".strtab" => Some(Reason::Symbols),
        ".shstrtab" | ".comment" => Some(Reason::Headers),
        ".gnu_debuglink" | ".gdb_index" => Some(Reason::DebugInformation),
        _ if name.starts_with(".debug_") => Some(Reason::DebugInformation),
        _ => None,
    }
}

fn of_macho<Mach: MachHeader<Endian = Endianness>>(
    file: &MachOFile<'_, Mach>,
    bytes: &[u8],
) -> Option<Vec<Unloaded>> {
    let mut unloaded = Vec::new();
    let mut commands = file.macho_load_commands().ok()?;
    while let Some(command) = commands.next().ok()? {
        if let LoadCommandVariant::Uuid(uuid) = command.variant().ok()? {
            unloaded.push(part("LC_UUID", Reason::BuildId, place(&uuid.uuid, bytes)?));
        }
    }
    Some(unloaded)
}

fn of_pe<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, bytes: &[u8]) -> Option<Vec<Unloaded>> {
    const DEBUG_ENTRY: usize = 28;
    let headers = usize::try_from(file.dos_header().nt_headers_offset()).ok()?;
    let timestamp = |start: usize| part("header", Reason::Timestamp, start..start + 4);
    // The checksum is at the same offset in both kinds of optional headers. It follows from the
    // other bytes, and is checked for drivers only.
    let checksum = headers + 24 + 64;
    let mut unloaded =
        vec![timestamp(headers + 8), part("header", Reason::Headers, checksum..checksum + 4)];
    let directory = |id: usize| {
        let (start, size) = file.data_directory(id)?.file_range(&file.section_table()).ok()?;
        range(start.into(), size.into())
    };
    if let Some(exports) = directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) {
        unloaded.push(timestamp(exports.start + 4));
    }
    if let Some(debug) = directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG) {
        for start in debug.clone().step_by(DEBUG_ENTRY) {
            let entry = bytes.get(start..start + DEBUG_ENTRY)?;
            let number = |at: usize| {
                let bytes = entry.get(at..at + 4)?.try_into().ok()?;
                Some(u32::from_le_bytes(bytes))
            };
            unloaded.push(timestamp(start + 4));
            let data = range(number(24)?.into(), number(16)?.into())?;
            let is_id = number(12)? == pe::IMAGE_DEBUG_TYPE_CODEVIEW
                && bytes.get(data.clone())?.starts_with(b"RSDS");
            if is_id {
                unloaded.push(part("CodeView", Reason::BuildId, data));
            }
        }
    }
    Some(unloaded)
}

fn part(name: &str, reason: Reason, range: Range<usize>) -> Unloaded {
    Unloaded { name: name.to_owned(), reason, range }
}

/// Where a part of `bytes` is.
fn place(part: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
    Some(start..start + part.len())
}

fn range(start: u64, size: u64) -> Option<Range<usize>> {
    let end = usize::try_from(start.checked_add(size)?).ok()?;
    Some(usize::try_from(start).ok()?..end)
}
