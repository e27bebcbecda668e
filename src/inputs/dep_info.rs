//! Readers for dep-info files and for the output of build scripts.
//!
//! The formats are described in cargo's `core/compiler/output_depinfo.rs` and
//! `fingerprint/dep_info.rs` (Makefile rules, `\ ` for a space in a name,
//! `# env-dep:NAME[=VALUE]`), and in the cargo book (build script instructions). The readers accept
//! any bytes: they skip everything they do not understand, and never panic.

use std::collections::HashSet;
use std::path::PathBuf;

/// The dependencies of all rules in a cargo dep-info file, in order, without repetition.
pub fn parse_rules(text: &str) -> Vec<PathBuf> {
    let (mut paths, mut known) = (Vec::new(), HashSet::new());
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        // The colon of a Windows drive has no space after it.
        let Some(rest) = line.split_once(": ").map(|(_, rest)| rest) else { continue };
        for name in split_names(rest) {
            let path = PathBuf::from(name);
            if known.insert(path.clone()) {
                paths.push(path);
            }
        }
    }
    paths
}

/// The targets of the rules: the files that rustc wrote. Rules without dependencies, which rustc
/// adds for the files it read, are skipped.
pub fn parse_targets(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(": ")?.0.replace("\\ ", " ")))
        .collect()
}

/// Splits at spaces, except at a space after a backslash. Such spaces become NUL before the split
/// and spaces again after it, because no name contains a NUL.
fn split_names(text: &str) -> Vec<String> {
    let text = text.replace("\\ ", "\0");
    let names = text.split([' ', '\t', '\r']).filter(|name| !name.is_empty());
    names.map(|name| name.replace('\0', " ")).collect()
}

/// The variables that `env!` and `option_env!` read, from a rustc dep-info file, with their values.
/// A variable that is not set has no value.
pub fn parse_env_deps(text: &str) -> Vec<(String, Option<String>)> {
    let parse = |line: &str| match line.split_once('=') {
        Some((name, value)) => (unescape(name), Some(unescape(value))),
        None => (unescape(line), None),
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("# env-dep:"))
        .map(parse)
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

/// rustc escapes backslash, newline and carriage return in names and values.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some('\\') | None => plain.push('\\'),
                Some(other) => plain.extend(['\\', other]),
            },
            _ => plain.push(char),
        }
    }
    plain
}

/// The files and variables that a build script told cargo to watch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BuildScript {
    /// `rerun-if-changed`, as written. Relative paths are relative to the package.
    pub paths: Vec<PathBuf>,
    /// `rerun-if-env-changed`.
    pub variables: Vec<String>,
    /// All other instructions, such as `rustc-link-search`, with their values.
    pub others: Vec<(String, String)>,
}

impl BuildScript {
    /// Reads a build script's recorded output. Both spellings, `cargo:` and `cargo::`, count.
    pub fn parse(output: &str) -> Self {
        let mut script = Self::default();
        for line in output.lines() {
            // Cargo trims each line, so an indented line is an instruction too.
            let Some(rest) = line.trim().strip_prefix("cargo:") else { continue };
            let rest = rest.strip_prefix(':').unwrap_or(rest);
            match rest.split_once('=') {
                Some(("rerun-if-changed", path)) => script.paths.push(PathBuf::from(path.trim())),
                Some(("rerun-if-env-changed", name)) => {
                    script.variables.push(name.trim().to_owned());
                }
                Some((name, value)) => script.others.push((name.to_owned(), value.to_owned())),
                None => {}
            }
        }
        script
    }

    /// Whether the script names nothing to watch. Cargo then watches the whole package.
    pub fn names_nothing(&self) -> bool {
        self.paths.is_empty() && self.variables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_take_no_time() {
        // A comparison of each name with all earlier names took minutes.
        let names: Vec<String> = (0..200_000).map(|number| format!("d/{number}")).collect();
        let text = format!("t: {}\nt: {}\n", names.join(" "), names.join(" "));
        assert_eq!(parse_rules(&text).len(), names.len());
    }

    #[test]
    fn rules_keep_spaces_and_drives() {
        let text =
            "/t/lib.so: /p/src/lib.rs /p/my\\ dir/a.rs\n\nC:\\t\\x.d: C:\\p\\lib.rs\n/p/lib.rs:\n";
        assert_eq!(
            parse_rules(text),
            [
                PathBuf::from("/p/src/lib.rs"),
                PathBuf::from("/p/my dir/a.rs"),
                PathBuf::from("C:\\p\\lib.rs")
            ]
        );
    }

    #[test]
    fn line_ends_are_no_part_of_a_name() {
        let rules = "t.dll: C:\\p\\lib.rs C:\\p\\a\\ b.rs\n\nC:\\p\\lib.rs:\n# env-dep:ONE\n# env-dep:TWO=2\n";
        let script = "cargo:rerun-if-changed=proto\ncargo::rerun-if-env-changed=X\n";
        for (rules, script) in [
            (rules.into(), script.into()),
            (rules.replace('\n', "\r\n"), script.replace('\n', "\r\n")),
        ] {
            let (rules, script): (String, String) = (rules, script);
            let paths = ["C:\\p\\lib.rs", "C:\\p\\a b.rs"].map(PathBuf::from);
            assert_eq!(parse_rules(&rules), paths, "{rules:?}");
            assert_eq!(parse_targets(&rules), ["t.dll"], "{rules:?}");
            let variables = [("ONE".to_owned(), None), ("TWO".to_owned(), Some("2".to_owned()))];
            assert_eq!(parse_env_deps(&rules), variables, "{rules:?}");
            let script = BuildScript::parse(&script);
            assert_eq!(script.paths, [PathBuf::from("proto")]);
            assert_eq!(script.variables, ["X"]);
        }
    }

    #[test]
    fn env_deps_are_names_with_their_values() {
        for (line, name, value) in [
            ("# env-dep:SET=some=value", "SET", Some("some=value")),
            ("# env-dep:EMPTY=", "EMPTY", Some("")),
            ("# env-dep:UNSET", "UNSET", None),
            (r"# env-dep:LINES=a\nb\rc", "LINES", Some("a\nb\rc")),
            // A backslash before an `n` is no line.
            (r"# env-dep:FOLDER=C:\\new\\tree", "FOLDER", Some(r"C:\new\tree")),
            (r"# env-dep:ODD=a\b\", "ODD", Some(r"a\b\")),
        ] {
            let text = format!("x.d: a.rs\n\n{line}\n# other\n");
            let expected = [(name.to_owned(), value.map(str::to_owned))];
            assert_eq!(parse_env_deps(&text), expected, "{line}");
        }
    }

    #[test]
    fn build_scripts_speak_both_dialects() {
        let script = BuildScript::parse(
            "  cargo:rerun-if-changed=proto\ncargo::rerun-if-env-changed=X\nhello\ncargo:rustc-cfg=a\n",
        );
        assert_eq!(script.paths, [PathBuf::from("proto")]);
        assert_eq!(script.variables, ["X"]);
        assert!(BuildScript::parse("cargo:rustc-link-lib=z\n").names_nothing());
    }
}
