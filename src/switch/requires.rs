//! `[build-system] requires`: replacing maturin by wheelprint and back, and keeping every other
//! requirement.

use toml_edit::{Array, Value};

use super::{OURS, REQUIREMENT, THEIRS, in_place_of};
use crate::maturin;
use crate::project::requirement_name;
use crate::uv::edit;

/// Whether `requires` has a requirement for this package.
pub(super) fn names(requires: &Array, package: &str) -> bool {
    requires.iter().any(|value| is(value, package))
}

/// The requirements with which a project pins its own maturin.
pub(super) fn choices(requires: &Array) -> Vec<String> {
    let own = requires.iter().filter(|value| is(value, THEIRS) && pins(text(value)));
    own.map(|value| text(value).to_owned()).collect()
}

/// Replaces maturin by wheelprint. A requirement that pins maturin stays, and wheelprint is
/// inserted before it. Returns the removed requirements.
pub(super) fn switch(requires: &mut Array) -> Vec<String> {
    let plain = |value: &Value| is(value, THEIRS) && !pins(text(value));
    let gone = requires.iter().filter(|value| plain(value));
    let gone = gone.map(|value| text(value).to_owned()).collect();
    if !names(requires, OURS) {
        if let Some(index) = position(requires, plain) {
            replace(requires, index, REQUIREMENT);
        } else {
            let index = position(requires, |value| is(value, THEIRS)).unwrap_or(0);
            insert(requires, index, REQUIREMENT);
        }
    }
    while let Some(index) = position(requires, plain) {
        remove(requires, index);
    }
    gone
}

/// The inverse of [`switch`]: replaces wheelprint by the requirements in `gone`. If `gone` is not
/// known and maturin is not required, the usual requirement for maturin is used.
pub(super) fn switch_back(requires: &mut Array, gone: Option<&[String]>) {
    let usual = [maturin::REQUIREMENT.to_owned()];
    let back = match gone {
        Some(gone) => gone,
        None if names(requires, THEIRS) => &[],
        None => &usual,
    };
    for (nth, requirement) in back.iter().enumerate() {
        match position(requires, |value| is(value, OURS)) {
            Some(index) if nth + 1 == back.len() => replace(requires, index, requirement),
            Some(index) => insert(requires, index, requirement),
            None => insert(requires, 0, requirement),
        }
    }
    while let Some(index) = position(requires, |value| is(value, OURS)) {
        remove(requires, index);
    }
}

/// Whether a requirement for maturin (PEP 508) says more than "a maturin that works". Such a
/// requirement is the project's own choice, so it stays.
fn pins(requirement: &str) -> bool {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    let rest = requirement.trim().trim_start_matches(is_of_name).trim();
    // Parentheses are an old spelling that PEP 508 still allows.
    let rest = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest);
    rest.split(',').map(str::trim).filter(|clause| !clause.is_empty()).any(is_a_choice)
}

fn is_a_choice(clause: &str) -> bool {
    let end = clause.find(|char| !"<>=!~".contains(char)).unwrap_or(clause.len());
    let (operator, version) = clause.split_at(end);
    let version = version.trim();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let is_version = version.chars().all(|char| char.is_ascii_alphanumeric() || char == '.');
    match (operator, major) {
        _ if !is_version => true,
        // A project that asks for a major version unknown to wheelprint chose it on purpose.
        (">" | ">=", Some(major)) => major >= 2,
        ("<" | "<=", Some(major)) => major < 2,
        _ => true,
    }
}

fn position(requires: &Array, wanted: impl Fn(&Value) -> bool) -> Option<usize> {
    requires.iter().position(wanted)
}

fn is(value: &Value, package: &str) -> bool {
    requirement_name(text(value)) == package
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn set_prefix(requires: &mut Array, index: usize, prefix: String) {
    if let Some(value) = requires.get_mut(index) {
        value.decor_mut().set_prefix(prefix);
    }
}

fn replace(requires: &mut Array, index: usize, requirement: &str) {
    if let Some(value) = requires.get_mut(index) {
        *value = in_place_of(value, requirement);
    }
}

/// Inserts a requirement, on its own line if the others have their own lines. Comments stay with
/// their requirements. In toml_edit, a comment after an item belongs to the prefix of the next
/// item.
fn insert(requires: &mut Array, index: usize, requirement: &str) {
    let next = requires.get(index);
    let mut value = next.map_or_else(|| requirement.into(), |next| in_place_of(next, requirement));
    let prefix = requires.get(index).map(edit::prefix).unwrap_or_default();
    let (before, next) = match (prefix.find('\n'), prefix.rfind('\n')) {
        (Some(first), Some(last)) => {
            (format!("{}{}", &prefix[..first], &prefix[last..]), prefix[first..].to_owned())
        }
        _ => (prefix, " ".to_owned()),
    };
    value.decor_mut().set_prefix(before);
    value.decor_mut().set_suffix("");
    requires.insert_formatted(index, value);
    set_prefix(requires, index + 1, next);
}

/// Removes a requirement. Its comments stay.
fn remove(requires: &mut Array, index: usize) {
    let own = requires.get(index).map(edit::prefix).unwrap_or_default();
    let next = requires.get(index + 1).map(edit::prefix);
    let has_next = next.is_some();
    let behind =
        next.unwrap_or_else(|| requires.trailing().as_str().unwrap_or_default().to_owned());
    requires.remove(index);
    let begins_a_line = behind.trim_start_matches([' ', '\t']).starts_with('\n');
    if has_next && behind.contains('#') {
        let own = if begins_a_line { own.trim_end() } else { &own };
        let behind = if begins_a_line { &behind } else { behind.trim_start() };
        set_prefix(requires, index, format!("{own}{behind}"));
    } else if has_next {
        set_prefix(requires, index, own);
    } else if own.contains('#') {
        let newline = if begins_a_line { "" } else { "\n" };
        requires.set_trailing(format!("{}{newline}{behind}", own.trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(text: &str) -> Array {
        text.parse::<Value>().unwrap().as_array().unwrap().clone()
    }

    fn there(text: &str) -> String {
        let mut array = array(text);
        switch(&mut array);
        array.to_string()
    }

    fn back(text: &str) -> String {
        let mut array = array(text);
        switch_back(&mut array, None);
        array.to_string()
    }

    #[test]
    fn what_pins() {
        for plain in [
            "maturin",
            "maturin>=1.0,<2.0",
            "Maturin >= 1.9 , < 2",
            "maturin (>=1.0,<2.0)",
            "maturin<3",
            "maturin>1.2",
            "maturin>=1.9,<=2",
            "maturin>=1.9,<2.0a1",
        ] {
            assert!(!pins(plain), "{plain}");
        }
        for pin in [
            "maturin==1.9.4",
            "maturin===1.9.4",
            "maturin~=1.9",
            "maturin!=1.10.0,>=1.9",
            "maturin[zig]>=1.9,<2",
            "maturin>=1.9;python_version>'3'",
            "maturin @ https://example.com/maturin.whl",
            "maturin>=1.9,<1.12",
            "maturin<=1.9",
            "maturin==1.*",
            "maturin>=2",
            "maturin<1!1",
            "maturin what",
        ] {
            assert!(pins(pin), "{pin}");
        }
    }

    #[test]
    fn there_and_back() {
        let ours = REQUIREMENT;
        for (before, after) in [
            ("[\"maturin>=1.9,<2\"]", format!("[\"{ours}\"]")),
            ("['cffi', 'maturin>=1.9,<2', ]", format!("['cffi', '{ours}', ]")),
            ("[\"maturin==1.9.4\"]", format!("[\"{ours}\", \"maturin==1.9.4\"]")),
            ("['a', 'maturin[zig]']", format!("['a', '{ours}', 'maturin[zig]']")),
            (
                "[\n  'a', # of a\n  # of maturin\n  'maturin~=1.9', # more\n]",
                format!(
                    "[\n  'a', # of a\n  '{ours}',\n  # of maturin\n  'maturin~=1.9', # more\n]"
                ),
            ),
        ] {
            assert_eq!(there(before), after);
            assert_eq!(there(&after), after);
            assert_eq!(back(&after), before);
        }
    }

    #[test]
    fn one_way_only() {
        let ours = REQUIREMENT;
        assert_eq!(there("[]"), format!("[\"{ours}\"]"));
        assert_eq!(there("['a']"), format!("['{ours}', 'a']"));
        assert_eq!(there("['maturin', 'maturin>=1', 'b']"), format!("['{ours}', 'b']"));
        assert_eq!(
            there("[\n 'maturin==1.9.4',\n # why\n 'maturin', # so\n]"),
            format!("[\n 'maturin==1.9.4',\n # why\n '{ours}', # so\n]")
        );
        assert_eq!(there("['wheelprint', # us\n 'maturin',# x\n]"), "['wheelprint', # us\n# x\n]");
        assert_eq!(back("['a']"), "['maturin>=1.9,<2', 'a']");
        assert_eq!(
            back("[\n # us\n 'wheelprint', # so\n 'maturin'\n]"),
            "[\n # us\n # so\n 'maturin'\n]"
        );
    }
}
