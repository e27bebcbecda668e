//! Libraries and folders that flags name relative to the tree, and programs that cargo's settings
//! name so. rustc and the linker run in the workspace's folder.

use std::path::Path;

use toml::Value;

/// The ends of the names of files that flags may name without a folder.
const FILES: [&str; 11] =
    [".o", ".a", ".so", ".lib", ".obj", ".dylib", ".rlib", ".ld", ".lds", ".map", ".profdata"];

/// Whether a build script's instruction makes the linker look for a file in the tree.
pub(super) fn is_relative(instruction: &str, value: &str) -> bool {
    match instruction {
        "rustc-link-search" => is_relative_folder(value.trim()),
        "rustc-flags" => value.contains("-L") || names_a_library(value),
        _ => instruction.contains("link-arg") && names_a_library(value),
    }
}

/// Whether flags may name a library or a folder of the tree: any relative path.
pub(super) fn names_a_library(flags: &str) -> bool {
    let is_end = |char: char| char.is_whitespace() || ",'\"[]\u{1f}".contains(char);
    let mut words = flags.split(is_end).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word == "-L" {
            if words.next().is_some_and(is_relative_folder) {
                return true;
            }
        } else if let Some(folder) = word.strip_prefix("-L") {
            if is_relative_folder(folder) {
                return true;
            }
        } else if word.split('=').any(is_of_the_tree) {
            return true;
        }
    }
    false
}

/// Whether cargo finds this program relative to the tree. A name without a separator is searched on
/// PATH (cargo book, "Executable paths").
fn is_relative_program(program: &str) -> bool {
    let is_path = program.contains('/') || (cfg!(windows) && program.contains('\\'));
    is_path && !Path::new(program).has_root()
}

/// Whether the variable has flags that name a library or a folder of the tree, or is a program that
/// is found relative to the tree.
pub(super) fn are_in_variable(name: &str, value: &str) -> bool {
    const PROGRAMS: [&str; 3] = ["CARGO", "RUSTC", "CARGO_BUILD_RUSTC"];
    let is_program =
        PROGRAMS.contains(&name) || name.ends_with("_LINKER") || name.ends_with("_WRAPPER");
    (is_program && is_relative_program(value))
        || (name.ends_with("RUSTFLAGS") && names_a_library(value))
}

/// Whether a TOML file names a library, a folder or a program of the tree: `rustflags`, `linker` and
/// the like in cargo's configuration, `rustc-link-search` of a library there, `rustc-args` for
/// maturin.
pub(super) fn are_in(table: &toml::Table) -> bool {
    const PROGRAMS: [&str; 4] = ["linker", "rustc", "rustc-wrapper", "rustc-workspace-wrapper"];
    table.iter().any(|(key, value)| match value {
        Value::Table(inner) => are_in(inner),
        _ if key.ends_with("flags") || key == "rustc-args" => names_a_library(&value.to_string()),
        Value::Array(values) => {
            values.iter().filter_map(Value::as_str).any(|value| is_relative(key, value))
        }
        Value::String(value) if PROGRAMS.contains(&key.as_str()) => is_relative_program(value),
        Value::String(value) => is_relative(key, value),
        _ => false,
    })
}

/// `lib`, `native=lib`
fn is_relative_folder(folder: &str) -> bool {
    let path = folder.split_once('=').map_or(folder, |(_, path)| path);
    !path.is_empty() && !Path::new(path).has_root()
}

/// A part of a word: `lib/a.o` in `link-arg=lib/a.o`.
fn is_of_the_tree(part: &str) -> bool {
    // If the folder is in the next word, nothing follows the option here. This counts as relative.
    if let Some(folder) = ["-L", "/LIBPATH:"].iter().find_map(|start| part.strip_prefix(start)) {
        return !Path::new(folder).has_root();
    }
    let is_path = part.contains(['/', '\\']) || FILES.iter().any(|end| part.ends_with(end));
    is_path && !Path::new(part).has_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_in_flags() {
        for (flags, is_named) in [
            ("", false),
            ("-C link-arg=-fuse-ld=mold -C target-cpu=native", false),
            ("-C target-cpu=native -C opt-level=3", false),
            ("-Ctarget-cpu=native -Copt-level=3", false),
            ("-C target-feature=+sse4.1,+sse4.2 --cfg all --cfg native", false),
            ("-l static=native -C lto", false),
            ("-L /usr/lib -L native=/opt/lib", false),
            ("-L/usr/lib -Lnative=/opt/lib -Lall=/opt", false),
            ("-C link-arg=-L/opt/lib -C link-arg=/opt/lib/foo.o", false),
            ("-L lib", true),
            ("-Llib", true),
            ("-L native", true),
            ("-L native=lib", true),
            ("-Lnative=lib", true),
            ("-Lnative=vendor/lib", true),
            ("-L native=vendor/lib -l static=foo", true),
            ("-L /usr/lib -L lib", true),
            ("-C target-cpu=native -L dependency=lib", true),
            ("-C link-arg=lib/foo.o", true),
            ("-C link-arg=foo.o", true),
            ("-Clink-arg=-Llib", true),
            ("-C link-arg=-L -C link-arg=lib", true),
            ("-C link-args=-Wl,-L,lib", true),
            ("-C link-arg=-Wl,-Tfoo.ld", true),
            ("-C link-arg=/LIBPATH:lib", true),
            ("-C linker=tools/ld", true),
            ("-L\u{1f}native=lib", true),
            ("-C\u{1f}target-cpu=native\u{1f}-C\u{1f}opt-level=3", false),
        ] {
            assert_eq!(names_a_library(flags), is_named, "{flags}");
        }
    }

    #[test]
    fn instructions_of_build_scripts() {
        for (instruction, value, expected) in [
            ("rustc-link-search", "lib", true),
            ("rustc-link-search", "native=lib", true),
            ("rustc-link-search", "native=/usr/lib", false),
            ("rustc-flags", "-l foo", false),
            ("rustc-flags", "-L lib", true),
            ("rustc-link-lib", "static=foo.a", false),
            ("rustc-link-arg", "foo.o", true),
            ("rustc-link-arg", "-Wl,--as-needed", false),
            ("rustc-link-arg-cdylib", "-Llib", true),
            ("rustc-cdylib-link-arg", "lib/foo.o", true),
            ("rustc-link-arg-bin", "main=foo.o", true),
            ("rustc-cfg", "feature=\"a/b\"", false),
            ("rustc-env", "NAME=lib/foo.o", false),
        ] {
            assert_eq!(is_relative(instruction, value), expected, "{instruction}={value}");
        }
    }

    #[test]
    fn flags_in_toml() {
        for (text, expected) in [
            ("[build]\nrustflags = ['-C', 'link-arg=-fuse-ld=lld']", false),
            ("[build]\nrustflags = ['-C', 'target-cpu=native', '-C', 'opt-level=3']", false),
            ("[build]\nrustflags = '-L lib'", true),
            ("[build]\nrustflags = ['-L', 'native=lib/x']", true),
            ("[build]\nrustflags = [\n  '-L',\n  'native=lib',\n]", true),
            ("[build]\nrustflags = ['-L', 'native']", true),
            ("[target.'cfg(unix)']\nrustflags = ['-Clink-arg=foo.o']", true),
            ("[target.x86_64-unknown-linux-gnu.foo]\nrustc-link-search = ['lib']", true),
            ("[target.x86_64-unknown-linux-gnu.foo]\nrustc-link-search = ['/lib']", false),
            ("[target.x86_64-unknown-linux-gnu.foo]\nrustc-flags = '-L lib'", true),
            ("[tool.maturin]\nrustc-args = ['-L', 'lib']", true),
            ("[target.x86_64-unknown-linux-gnu]\nlinker = 'tools/ld'", true),
            ("[target.'cfg(unix)']\nlinker = './ld'", true),
            ("[host]\nlinker = '../tools/ld'", true),
            ("[target.x86_64-unknown-linux-gnu]\nlinker = 'clang'", false),
            ("[target.x86_64-unknown-linux-gnu]\nlinker = '/usr/bin/clang'", false),
            ("[build]\nrustc = 'tools/rustc'", true),
            ("[build]\nrustc-wrapper = 'tools/wrapper'", true),
            ("[build]\nrustc-workspace-wrapper = 'tools/wrapper'", true),
            ("[build]\nrustc-wrapper = 'sccache'", false),
            // Only `cargo run` and `cargo test` start it.
            ("[target.x86_64-unknown-linux-gnu]\nrunner = 'tools/run'", false),
            ("[project]\nreadme = 'docs/README.md'\n[lib]\npath = 'src/lib.rs'", false),
        ] {
            assert_eq!(are_in(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
