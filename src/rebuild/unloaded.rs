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

#[cfg(test)]
mod tests {
    use super::Reason;
    use crate::rebuild::difference::Difference;
    use crate::rebuild::module::compare;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn padded(text: &str, size: usize) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(size, 0);
        bytes
    }

    /// Each difference as section, reason, and whether it is harmless.
    fn differences(one: &[u8], other: &[u8]) -> Vec<(String, Reason, bool)> {
        let found = compare("a", one, other).unwrap();
        found
            .into_iter()
            .map(|it| (it.section.unwrap_or_default(), it.reason, it.is_harmless))
            .collect()
    }

    fn are_harmless(one: &[u8], other: &[u8]) -> bool {
        differences(one, other).iter().all(|(.., is_harmless)| *is_harmless)
    }

    /// A small DLL for x86-64 ("PE Format", Microsoft) with one section: a table of exports, one
    /// entry of debug information with its data, and four bytes of something else.
    #[derive(Clone)]
    struct Dll {
        /// In the file's header, in the exports, and in the debug information.
        timestamps: [u32; 3],
        checksum: u32,
        debug_kind: u32,
        debug_data: Vec<u8>,
        others: [u8; 4],
    }

    impl Dll {
        const CODEVIEW: u32 = 2;
        const SECTION: u32 = 0x200;
        const ADDRESS: u32 = 0x1000;

        fn usual() -> Self {
            let debug_data = [b"RSDS".to_vec(), vec![7; 20], b"a.pdb\0".to_vec()].concat();
            let (timestamps, checksum, others) = ([1, 2, 3], 4, [5; 4]);
            Self { timestamps, checksum, debug_kind: Self::CODEVIEW, debug_data, others }
        }

        fn bytes(&self) -> Vec<u8> {
            let [of_file, of_exports, of_debug] = self.timestamps;
            let size = self.debug_data.len() as u32;
            let behind_entry = 40 + 28;
            let content = [
                words(&[0, of_exports, 0, 0, 1, 0, 0, 0, 0, 0]),
                words(&[0, of_debug, 0, self.debug_kind, size]),
                words(&[Self::ADDRESS + behind_entry, Self::SECTION + behind_entry]),
                self.debug_data.clone(),
                self.others.to_vec(),
            ]
            .concat();
            let of_section = content.len() as u32;
            let mut directories = vec![0; 32];
            (directories[0], directories[1]) = (Self::ADDRESS, 40);
            (directories[12], directories[13]) = (Self::ADDRESS + 40, 28);
            let mut file = padded("MZ", 60);
            file.extend(
                [
                    words(&[64]),
                    b"PE\0\0".to_vec(),
                    words(&[0x0001_8664, of_file, 0, 0, 0x2022_00f0]),
                    // The optional header, of 240 bytes.
                    words(&[0x20b, 0, 0, 0, 0, Self::ADDRESS, 0, 1, 0x1000, 0x200]),
                    words(&[6, 0, 6, 0, 0x2000, 0x200, self.checksum, 2]),
                    words(&[0; 9]),
                    words(&[16]),
                    words(&directories),
                    padded(".rdata", 8),
                    words(&[of_section, Self::ADDRESS, of_section, Self::SECTION, 0, 0, 0]),
                    words(&[0x4000_0040]),
                ]
                .concat(),
            );
            file.resize(Self::SECTION as usize, 0);
            file.extend(content);
            file
        }

        fn with(change: impl FnOnce(&mut Self)) -> Vec<u8> {
            let mut other = Self::usual();
            change(&mut other);
            other.bytes()
        }
    }

    #[test]
    fn times_and_ids_in_a_dll_are_harmless() {
        let usual = Dll::usual().bytes();
        let header = |reason| ("header".to_owned(), reason, true);
        let times = header(Reason::Timestamp);
        for index in 0..3 {
            let other = Dll::with(|it| it.timestamps[index] = 9);
            assert_eq!(differences(&usual, &other), std::slice::from_ref(&times), "{index}");
        }
        let other = Dll::with(|it| it.checksum = 9);
        assert_eq!(differences(&usual, &other), [header(Reason::Headers)]);
        let other = Dll::with(|it| it.debug_data[10] = 9);
        let id = ("CodeView".to_owned(), Reason::BuildId, true);
        assert_eq!(differences(&usual, &other), [id]);
    }

    #[test]
    fn everything_else_in_a_dll_counts() {
        let usual = Dll::usual().bytes();
        let others = |it: &mut Dll| it.others[0] = 9;
        for (what, one, other) in [
            ("data", usual.clone(), Dll::with(others)),
            (
                "data and a time",
                usual.clone(),
                Dll::with(|it| (it.others[0], it.timestamps[0]) = (9, 9)),
            ),
            // Its length is in the directory, which counts.
            ("a longer path", usual.clone(), Dll::with(|it| it.debug_data.push(0))),
            (
                "debug information of another kind",
                Dll::with(|it| it.debug_kind = 13),
                Dll::with(|it| (it.debug_kind, it.debug_data[10]) = (13, 9)),
            ),
            (
                "data that is no ID, in spite of its kind",
                Dll::with(|it| it.debug_data[0] = 0),
                Dll::with(|it| (it.debug_data[0], it.debug_data[10]) = (0, 9)),
            ),
        ] {
            assert!(!are_harmless(&one, &other), "{what}");
            assert!(!are_harmless(&other, &one), "{what}");
        }
        let data = (".rdata".to_owned(), Reason::Data, false);
        assert_eq!(differences(&usual, &Dll::with(others)), [data]);
    }

    /// A small library for macOS on arm64 ("OS X ABI Mach-O File Format Reference", Apple).
    fn dylib(uuid: [u8; 16], text: [u8; 8]) -> Vec<u8> {
        const COMMANDS: u32 = 72 + 80 + 24;
        const TEXT: u32 = 32 + COMMANDS;
        let name = |name: &str| padded(name, 16);
        [
            words(&[0xfeed_facf, 0x0100_000c, 0, 6, 2, COMMANDS, 0, 0]),
            words(&[0x19, 72 + 80]),
            name("__TEXT"),
            words(&[0, 0, 0x4000, 0, 0, 0, TEXT + 8, 0, 5, 5, 1, 0]),
            [name("__text"), name("__TEXT")].concat(),
            words(&[TEXT, 0, 8, 0, TEXT, 2, 0, 0, 0x8000_0400, 0, 0, 0]),
            words(&[0x1b, 24]),
            uuid.to_vec(),
            text.to_vec(),
        ]
        .concat()
    }

    #[test]
    fn only_the_uuid_of_a_dylib_is_harmless() {
        let usual = dylib([1; 16], [2; 8]);
        let uuid = ("LC_UUID".to_owned(), Reason::BuildId, true);
        assert_eq!(differences(&usual, &dylib([3; 16], [2; 8])), [uuid]);
        let code = ("__TEXT,__text".to_owned(), Reason::Code, false);
        assert_eq!(differences(&usual, &dylib([1; 16], [3; 8])), [code]);
        assert!(!are_harmless(&usual, &dylib([3; 16], [3; 8])));
        let longer = [usual.clone(), vec![0]].concat();
        assert!(!are_harmless(&usual, &longer));
        // The same bytes in a file of another format.
        assert!(!are_harmless(&usual, &Dll::usual().bytes()));
    }

    proptest::proptest! {
        /// Damaged and hostile files are compared without a panic. A change of code or data is never
        /// harmless, whatever the headers say.
        #[test]
        fn files_with_other_bytes(
            is_dll: bool,
            changes in proptest::collection::vec((0_usize..4096, 0_u8..=255), 1..4),
            length in 0_usize..4096,
        ) {
            let usual =
                if is_dll { Dll::usual().bytes() } else { dylib([1; 16], [2; 8]) };
            let mut other = usual.clone();
            for (at, byte) in changes {
                let at = at % usual.len();
                other[at] = byte;
            }
            let counts = usual.len() - 4..;
            let cut = other[..length.min(other.len())].to_vec();
            for (one, other) in [(&usual, &other), (&other, &usual), (&usual, &cut), (&cut, &usual)] {
                let harmless = |found: Vec<Difference>| found.iter().all(|it| it.is_harmless);
                if one != other && compare("a", one, other).is_some_and(harmless) {
                    proptest::prop_assert_eq!(one.get(counts.clone()), other.get(counts.clone()));
                }
            }
        }
    }
}
