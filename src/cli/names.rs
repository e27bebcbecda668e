//! The names of a new project: for Python's package index, for `import`, and for cargo.

use crate::error::{Error, Result};
use crate::project::normalize_name;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The name as given, for `[project] name`.
    pub project: String,
    /// The name for `import`.
    pub package: String,
    /// The name of the cargo package.
    pub krate: String,
}

/// Whether a name has only characters that PEP 508 allows.
pub(super) fn has_allowed_characters(name: &str) -> bool {
    name.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
}

/// Whether the first and the last character of a name are allowed there (PEP 508).
pub(super) fn has_allowed_ends(name: &str) -> bool {
    let ends = [name.chars().next(), name.chars().next_back()];
    ends.iter().all(|end| end.is_some_and(|char| char.is_ascii_alphanumeric()))
}

/// Derives the three names from the given one. A name is refused if Python, Rust, cargo or Windows
/// does not allow it or uses it for something else.
pub(super) fn from(given: &str) -> Result<Names> {
    let krate = normalize_name(given);
    let package = krate.replace('-', "_");
    let is_in = |list: &str| list.split_whitespace().any(|word| word == package);
    let problems = [
        (given.is_empty(), "a name is needed"),
        (
            !has_allowed_characters(given),
            "a name has ASCII letters, digits, `-`, `_` and `.` only (PEP 508)",
        ),
        (!has_allowed_ends(given), "a name begins and ends with a letter or digit (PEP 508)"),
        (
            package.starts_with(|char: char| char.is_ascii_digit()),
            "what is imported can't begin with a digit",
        ),
        (is_in(PYTHON_KEYWORDS), "a keyword of Python, so it can't be imported"),
        (is_in(RUST_KEYWORDS), "a keyword of Rust, which cargo takes for no package"),
        (is_in(RUST_CRATES), "a crate that comes with Rust, and so no name for another one"),
        (
            is_in(PYTHON_MODULES),
            "a module of Python's standard library, which would be imported instead",
        ),
        (is_in(BUILDERS), "what the project is built with has this name"),
        (is_in(DEVICES), "a device on Windows, so no folder can be called that there"),
    ];
    if let Some((_, cause)) = problems.into_iter().find(|(is_wrong, _)| *is_wrong) {
        let hint = match given.rsplit_once(['/', '\\']) {
            Some((_, name)) if !name.is_empty() => {
                format!("the folder comes after the name: `wheelprint new {name} {given}`")
            }
            _ => "take another name, such as `my-package`".to_owned(),
        };
        return Err(Error::setting(format!("`{given}`"), cause, hint));
    }
    Ok(Names { project: given.to_owned(), package, krate })
}

/// Only the lower-case keywords, because a package's name has no upper-case letters.
const PYTHON_KEYWORDS: &str = "and as assert async await break class continue def del elif else \
    except finally for from global if import in is lambda nonlocal not or pass raise return try \
    while with yield";

/// With the keywords reserved for the future (<https://doc.rust-lang.org/reference/keywords.html>).
const RUST_KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn \
    else enum extern false final fn for gen if impl in let loop macro match mod move mut override \
    priv pub ref return self static struct super trait true try type typeof unsafe unsized use \
    virtual where while yield";

/// The crate names that `cargo new` refuses too.
const RUST_CRATES: &str = "alloc core proc_macro std test";

const BUILDERS: &str = "maturin pyo3 wheelprint";

const DEVICES: &str = "aux com1 com2 com3 com4 com5 com6 com7 com8 com9 con lpt1 lpt2 lpt3 lpt4 \
    lpt5 lpt6 lpt7 lpt8 lpt9 nul prn";

/// `sys.stdlib_module_names` of Python 3.9 to 3.15, without those that begin with `_`.
const PYTHON_MODULES: &str = "abc aifc annotationlib antigravity argparse array ast asynchat \
    asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 calendar cgi \
    cgitb chunk cmath cmd code codecs codeop collections colorsys compileall compression \
    concurrent configparser contextlib contextvars copy copyreg cprofile crypt csv ctypes curses \
    dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum \
    errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc \
    genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib \
    imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache \
    locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt \
    multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os \
    ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix \
    posixpath pprint profile profiling pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat \
    queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select \
    selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd \
    sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct \
    subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile \
    termios textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv \
    warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile \
    zipimport zlib zoneinfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_names_from_one() {
        for (given, package, krate) in [
            ("hello", "hello", "hello"),
            ("My.Fast--Name_2", "my_fast_name_2", "my-fast-name-2"),
            ("None", "none", "none"),
        ] {
            let names = from(given).unwrap();
            let expected = Names {
                project: given.to_owned(),
                package: package.to_owned(),
                krate: krate.to_owned(),
            };
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn what_is_refused() {
        for (given, cause) in [
            ("", "a name is needed"),
            ("größe", "ASCII letters"),
            ("a b", "ASCII letters"),
            ("a/b", "ASCII letters"),
            ("-a", "begins and ends"),
            ("a_", "begins and ends"),
            ("..", "begins and ends"),
            ("7zip", "begin with a digit"),
            ("lambda", "keyword of Python"),
            ("Struct", "keyword of Rust"),
            ("core", "comes with Rust"),
            ("test", "comes with Rust"),
            ("proc-macro", "comes with Rust"),
            ("json", "standard library"),
            ("CProfile", "standard library"),
            ("PyO3", "built with"),
            ("nul", "Windows"),
        ] {
            let error = from(given).unwrap_err();
            assert!(error.to_string().contains(cause), "{error}");
            assert!(error.hint().is_some());
        }
    }
}
