//! One function, which says what this module was compiled from.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

mod linked;
#[path = "../odd/place.rs"]
mod odd;
mod part;
mod sub;

const EDITED: &str = "edited 1";

fn lines() -> String {
    [
        ("edited", EDITED.to_owned()),
        ("part", format!("{} in {}", part::PART, part::FILE)),
        ("sub", sub::FILE.replace('\\', "/")),
        ("linked", linked::LINKED.to_owned()),
        ("odd", odd::ODD.to_owned()),
        ("text", include_str!("../assets/text.txt").trim().to_owned()),
        ("bytes", format!("{:?}", include_bytes!("../assets/bytes.bin"))),
        ("helper", helper::HELPER.to_owned()),
        ("found", helper::FOUND.unwrap_or("nothing").to_owned()),
        ("elsewhere", elsewhere::ELSEWHERE.to_owned()),
        ("macro", derive::word!().to_owned()),
        ("notes", whole::NOTES.to_owned()),
        ("native", native::answer().to_string()),
        ("script", env!("SCRIPT").to_owned()),
        ("watched", env!("WATCHED").to_owned()),
        ("undeclared", env!("UNDECLARED").to_owned()),
        ("words", env!("WORDS").to_owned()),
        ("script_variable", env!("SCRIPT_VARIABLE").to_owned()),
        ("variable", option_env!("READ_BY_CRATE").unwrap_or("unset").to_owned()),
        ("built_in", env!("BUILT_IN").replace('\\', "/")),
        ("rustc", env!("RUSTC_VERSION").to_owned()),
        ("python", env!("PYTHON_VERSION").to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("description", env!("CARGO_PKG_DESCRIPTION").to_owned()),
        ("license", env!("CARGO_PKG_LICENSE").to_owned()),
        ("feature", cfg!(feature = "loud").to_string()),
        ("flag", cfg!(loud).to_string()),
        ("debug", cfg!(debug_assertions).to_string()),
    ]
    .map(|(name, value)| format!("{name}={value}\n"))
    .concat()
}

/// Lines of `name=value`.
#[unsafe(no_mangle)]
pub extern "C" fn seen() -> *const c_char {
    static LINES: OnceLock<CString> = OnceLock::new();
    LINES.get_or_init(|| CString::new(lines()).expect("no NUL in it")).as_ptr()
}
