//! What a build needs of a machine, beside its inputs.
//!
//! A record names what the build was made of. A machine can still lack what the module needs when it is
//! loaded: a C library that is new enough, or another shared library. So a published build names both.

use std::collections::BTreeSet;
use std::path::Path;

use object::read::elf::{Dyn as _, ElfFile, FileHeader, ProgramHeader as _};
use object::{FileKind, Object as _, elf};
use serde::{Deserialize, Serialize};

use crate::error::{Because as _, Cause, Result};
use crate::request::{Environment, run};

/// Libraries that every Linux with glibc has (PEP 600 and the policies of auditwheel).
const USUAL: [&str; 13] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-armhf.so.3",
    "ld-linux-x86-64.so.2",
    "ld-linux.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libresolv.so.2",
];

/// The versions of symbols that a Linux with a glibc has in the compiler's libraries, by auditwheel's
/// policies. Each line: glibc, then libstdc++'s `GLIBCXX` and `CXXABI`, and libgcc's `GCC`.
#[rustfmt::skip]
const POLICIES: [((u32, u32), Version, Version, Version); 9] = [
    ((2, 5), &[3, 4, 8], &[1, 3, 1], &[4, 2, 0]),
    ((2, 12), &[3, 4, 13], &[1, 3, 3], &[4, 3, 0]),
    ((2, 17), &[3, 4, 19], &[1, 3, 7], &[4, 8, 0]),
    ((2, 24), &[3, 4, 22], &[1, 3, 10], &[4, 8, 0]),
    ((2, 27), &[3, 4, 24], &[1, 3, 11], &[7, 0, 0]),
    ((2, 31), &[3, 4, 28], &[1, 3, 12], &[7, 0, 0]),
    ((2, 34), &[3, 4, 29], &[1, 3, 13], &[7, 0, 0]),
    ((2, 35), &[3, 4, 30], &[1, 3, 13], &[12, 0, 0]),
    ((2, 39), &[3, 4, 33], &[1, 3, 15], &[14, 0, 0]),
];
type Version = &'static [u32];

/// What the modules of a wheel need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    /// The C library of the machine that made the build, e.g. `glibc 2.36`; empty for any other.
    pub libc: String,
    /// The lowest version of glibc that has all symbols; `None` if none is needed.
    pub glibc: Option<(u32, u32)>,
    /// See [`c_compiler`]. `None` if the build compiled no C code, or if the compiler can't be asked.
    pub c_compiler: Option<String>,
}

impl Machine {
    /// Adds the needs of a file of the wheel, if it is a compiled one.
    ///
    /// # Errors
    /// It needs a library that another machine may lack, or it can't be read.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Cause> {
        // Programs have no ending on most systems.
        let Ok(kind) = FileKind::parse(bytes) else { return Ok(()) };
        let is_linux = matches!(kind, FileKind::Elf32 | FileKind::Elf64);
        let (libraries, glibc) = match kind {
            FileKind::Elf64 => needs::<elf::FileHeader64<object::Endianness>>(bytes),
            FileKind::Elf32 => needs::<elf::FileHeader32<object::Endianness>>(bytes),
            // Mach-O and PE name system libraries by paths and names that each system has; others are
            // found beside the module or not at all.
            _ => others(bytes),
        }
        .because(name)?;
        if let Some(library) = libraries.iter().find(|library| !is_usual(library, is_linux)) {
            return Err(format!("{name} needs {library}, which other machines may lack").into());
        }
        self.glibc = self.glibc.max(glibc);
        Ok(())
    }

    /// Why this machine can't use a build that needs this. `compiler`: this machine's, if it is needed.
    pub(crate) fn obstacle(
        &self,
        libc: &str,
        compiler: impl FnOnce() -> Option<String>,
        without_toolchain: bool,
    ) -> Option<String> {
        self.obstacle_of_libc(libc).or_else(|| {
            let built = self.c_compiler.as_ref()?;
            match compiler() {
                Some(own) if own == *built => None,
                None if without_toolchain => None,
                own => Some(format!(
                    "its C compiler was `{built}`, this machine has {}",
                    own.map_or("none".to_owned(), |own| format!("`{own}`"))
                )),
            }
        })
    }

    fn obstacle_of_libc(&self, libc: &str) -> Option<String> {
        let family = |libc: &str| libc.split(' ').next().unwrap_or_default().to_owned();
        if family(&self.libc) != family(libc) {
            let name = |libc: &str| {
                if libc.is_empty() { "another C library".into() } else { libc.to_owned() }
            };
            return Some(format!(
                "it was built with {}, this machine has {}",
                name(&self.libc),
                name(libc)
            ));
        }
        let (major, minor) = self.glibc?;
        let own = libc.split(' ').nth(1).and_then(version);
        (own < Some((major, minor)))
            .then(|| format!("it needs glibc {major}.{minor}, this machine has {libc}"))
    }
}

fn is_usual(library: &str, is_linux: bool) -> bool {
    if is_linux {
        return USUAL.contains(&library);
    }
    let is_of_macos = library.starts_with("/usr/lib/") || library.starts_with("/System/Library/");
    is_of_macos || is_of_windows(library)
}

/// Windows' own libraries, and those of Python and the C runtime, which Python brings along.
fn is_of_windows(library: &str) -> bool {
    const OWN: [&str; 17] = [
        "advapi32.dll",
        "bcrypt.dll",
        "bcryptprimitives.dll",
        "crypt32.dll",
        "gdi32.dll",
        "iphlpapi.dll",
        "kernel32.dll",
        "ntdll.dll",
        "ole32.dll",
        "oleaut32.dll",
        "secur32.dll",
        "shell32.dll",
        "user32.dll",
        "userenv.dll",
        "ws2_32.dll",
        "vcruntime140.dll",
        "msvcrt.dll",
    ];
    let library = library.to_ascii_lowercase();
    OWN.contains(&library.as_str())
        || library.starts_with("api-ms-win-")
        || (library.starts_with("python") && library.ends_with(".dll"))
}

type Needs = (BTreeSet<String>, Option<(u32, u32)>);

fn others(bytes: &[u8]) -> Result<Needs, Cause> {
    let file = object::File::parse(bytes)?;
    let names = file.imports()?.into_iter().map(|import| import.library().to_vec());
    let names = names.filter(|name| !name.is_empty());
    Ok((names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect(), None))
}

/// The needed libraries, and the highest version of glibc's symbols.
fn needs<Header: FileHeader<Endian = object::Endianness>>(bytes: &[u8]) -> Result<Needs, Cause> {
    let file = ElfFile::<Header>::parse(bytes)?;
    let endian = file.endian();
    let mut libraries = BTreeSet::new();
    let sections = file.elf_section_table();
    let strings = |link| sections.strings(endian, bytes, link);
    for header in file.elf_program_headers() {
        let Some(entries) = header.dynamic(endian, bytes)? else { continue };
        // The strings of the dynamic section, as sections name them.
        let Some((_, link)) = sections.dynamic(endian, bytes)? else {
            return Err("it has no section with its libraries".into());
        };
        let strings = strings(link)?;
        for entry in entries {
            if entry.tag(endian) == elf::DT_NEEDED {
                let name = entry.string(endian, strings)?;
                libraries.insert(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    let mut glibc = None;
    if let Some((mut needed, link)) = sections.gnu_verneed(endian, bytes)? {
        let strings = strings(link)?;
        while let Some((_, mut names)) = needed.next()? {
            while let Some(name) = names.next()? {
                let name = String::from_utf8_lossy(name.name(endian, strings)?).into_owned();
                let (family, number) = name.split_once('_').unwrap_or((&name, ""));
                let least = match family {
                    "GLIBC" => version(number),
                    "GLIBCXX" | "CXXABI" | "GCC" => first_policy(family, number),
                    _ => continue,
                };
                // GLIBC_PRIVATE, GLIBC_ABI_DT_RELR: only this very machine is known to have it.
                let Some(least) = least else {
                    return Err(format!("it needs {name}, which other machines may lack").into());
                };
                glibc = glibc.max(Some(least));
            }
        }
    }
    Ok((libraries, glibc))
}

/// The lowest glibc whose machines have this version of a compiler's library.
fn first_policy(family: &str, number: &str) -> Option<(u32, u32)> {
    let needed: Option<Vec<u32>> = number.split('.').map(|part| part.parse().ok()).collect();
    let needed = needed?;
    let has = |(_, glibcxx, cxxabi, gcc): &&((u32, u32), Version, Version, Version)| {
        let has = match family {
            "GLIBCXX" => glibcxx,
            "CXXABI" => cxxabi,
            _ => gcc,
        };
        needed.as_slice() <= *has
    };
    POLICIES.iter().find(has).map(|(glibc, ..)| *glibc)
}

/// Whether a build with these variables among its inputs compiled C or C++: build scripts name them to
/// cargo then (<https://docs.rs/cc>, "External configuration via environment variables").
pub(crate) fn is_of_c(variable: &str) -> bool {
    const OF_C: [&str; 4] = ["CC", "CXX", "CFLAGS", "CXXFLAGS"];
    let name = variable.trim_start_matches("HOST_").trim_start_matches("TARGET_");
    // Names of targets have no capitals. Options of the crate itself do: CC_ENABLE_DEBUG_OUTPUT.
    let is_target = |rest: &str| {
        rest.is_empty() || (rest.starts_with('_') && rest.chars().any(|char| char.is_lowercase()))
    };
    OF_C.iter().any(|start| name.strip_prefix(start).is_some_and(is_target))
}

/// The first lines of what the C and C++ compilers say of their versions: `cc` and `c++`, and those that
/// variables name.
/// `None` if one of them can't be asked, as on Windows, where Visual Studio's has no such option.
pub(crate) fn c_compiler(environment: &Environment, folder: &Path) -> Option<String> {
    if cfg!(windows) {
        return None;
    }
    let is_compiler = |name: &str| is_of_c(name) && !name.contains("FLAGS");
    let set = environment.iter().filter(|(name, _)| name.to_str().is_some_and(is_compiler));
    let mut named: BTreeSet<String> =
        set.map(|(_, value)| value.to_string_lossy().into_owned()).collect();
    named.retain(|name| !name.trim().is_empty());
    if environment.non_empty("CC").is_none() {
        named.insert("cc".to_owned());
    }
    let version = |named: &str| {
        let mut words = named.split_whitespace();
        let mut command = environment.command(Path::new(words.next()?), folder);
        let said = run(command.args(words).arg("--version")).ok()?.ok()?;
        said.lines().next().map(str::to_owned)
    };
    let versions: Option<BTreeSet<String>> = named.iter().map(|name| version(name)).collect();
    let mut versions = versions?;
    if environment.non_empty("CXX").is_none() {
        // A machine with a C compiler may have none for C++.
        versions.extend(version("c++"));
    }
    Some(versions.into_iter().collect::<Vec<_>>().join("; "))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_an_older_c_library_has_an_obstacle() {
        let machine = |libc: &str, glibc| Machine { libc: libc.into(), glibc, c_compiler: None };
        let built = machine("glibc 2.36", Some((2, 28)));
        assert_eq!(built.obstacle_of_libc("glibc 2.28"), None);
        assert_eq!(built.obstacle_of_libc("glibc 2.36"), None);
        let obstacle = built.obstacle_of_libc("glibc 2.17").unwrap();
        assert_eq!(obstacle, "it needs glibc 2.28, this machine has glibc 2.17");
        assert!(built.obstacle_of_libc("").unwrap().contains("another C library"));
        assert_eq!(machine("", None).obstacle_of_libc(""), None);
        assert!(machine("", None).obstacle_of_libc("glibc 2.36").is_some());
        assert!(machine("glibc 2.36", Some((2, 9))).obstacle_of_libc("glibc 2.10").is_none());
    }

    #[test]
    fn another_c_compiler_is_an_obstacle() {
        let built = Machine { c_compiler: Some("gcc 12".into()), ..Machine::default() };
        let with =
            |own: Option<&str>, without| built.obstacle("", || own.map(str::to_owned), without);
        assert_eq!(with(Some("gcc 12"), false), None);
        assert_eq!(with(None, true), None);
        assert!(with(None, false).unwrap().contains("this machine has none"));
        assert!(with(Some("gcc 13"), true).unwrap().contains("`gcc 13`"));
        let of_rust = Machine::default();
        assert_eq!(of_rust.obstacle("", || unreachable!("it is not asked"), false), None);
        for name in ["CC", "CC_x86_64-unknown-linux-gnu", "HOST_CC", "CXXFLAGS", "TARGET_CFLAGS_x"]
        {
            assert!(is_of_c(name), "{name}");
        }
        for name in ["CCACHE_DIR", "CARGO", "RUSTFLAGS", "CFLAGSX", "CC_ENABLE_DEBUG_OUTPUT"] {
            assert!(!is_of_c(name), "{name}");
        }
    }

    #[test]
    fn the_compilers_libraries_are_those_of_a_machine_with_a_c_library() {
        assert_eq!(first_policy("GLIBCXX", "3.4"), Some((2, 5)));
        assert_eq!(first_policy("GLIBCXX", "3.4.21"), Some((2, 24)));
        assert_eq!(first_policy("GLIBCXX", "3.4.33"), Some((2, 39)));
        assert_eq!(first_policy("GLIBCXX", "3.4.99"), None);
        assert_eq!(first_policy("CXXABI", "1.3.9"), Some((2, 24)));
        assert_eq!(first_policy("CXXABI", "FLOAT128"), None);
        assert_eq!(first_policy("GCC", "4.2.0"), Some((2, 5)));
        assert_eq!(first_policy("GCC", "12.0.0"), Some((2, 35)));
    }

    /// This test's own program.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_needs_of_a_program() {
        let bytes = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        let mut machine = Machine::default();
        machine.add("this", &bytes).unwrap();
        assert!(machine.glibc > Some((2, 3)), "{machine:?}");
        let before = machine.clone();
        machine.add("text", b"no program").unwrap();
        assert_eq!(machine, before);
        assert!(!is_usual("/usr/lib/libz.so.1", true) && is_usual("/usr/lib/libz.1.dylib", false));
    }
}
