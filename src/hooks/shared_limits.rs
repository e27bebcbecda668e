//! Which builds can be shared (see [`crate::shared`]), and what is noted of a build for that.

use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::call::Call;
use crate::fingerprint::Record;
use crate::inputs::{Key, Kind, Root, Roots, environment};
use crate::log;
use crate::report;
use crate::settings;
use crate::shared::{Made, c_compiler, is_of_c, untold};
use crate::stat_cache;
use crate::store::Entry;

/// What a build that was just made is to be shared with. Without a shared store nothing is looked at.
pub(super) fn made(call: &Call, record: &Record, roots: &Roots) -> Made {
    let nanoseconds = |time: i128| Duration::from_nanos(time.max(0).cast_unsigned() as u64);
    let seconds = Some(nanoseconds(stat_cache::now() - call.began).as_secs_f64());
    if call.settings.shared.is_none() {
        return Made { seconds, ..Made::default() };
    }
    let c_compiler = compiles_c(record, roots)
        .then(|| c_compiler(&call.plan.environment, &call.project.root))
        .flatten();
    let began = SystemTime::UNIX_EPOCH + nanoseconds(call.began);
    let (untold, is_known) = match untold(roots, Some(began)) {
        Ok(untold) => (untold, true),
        Err(cause) => {
            log::debug(format_args!("this build can't be shared: {cause}"));
            (None, false)
        }
    };
    let job = settings::job(&call.request.environment);
    Made { seconds, job, c_compiler, untold, is_known }
}

/// Why this build can't be shared. Whether other machines have what it needs is another question
/// ([`crate::shared::Machine`]).
pub(super) fn obstacle(call: &Call, entry: &Entry) -> Option<String> {
    let record = &entry.record;
    if let Some(tied) = entry.tied.first() {
        let why = report::tied(tied, &record.roots);
        return Some(format!("it depends on where its tree lies ({why})"));
    }
    // It was made before the shared store was set up, or of an unpacked archive.
    let runs_nothing = || matches!(untold(&entry.roots, None), Ok(None));
    if !entry.made.is_known && (compiles_c(record, &entry.roots) || !runs_nothing()) {
        let cause = "it is not known what its build scripts read";
        return Some(format!("{cause}; with WHEELPRINT_REUSE=never the next build is made anew"));
    }
    let mut roots = record.watches.iter().filter_map(|watch| watch.root());
    if roots.any(|root| matches!(root, Root::Outside(_))) {
        return Some("it has inputs outside of its tree".to_owned());
    }
    if !cfg!(windows) && compiles_c(record, &entry.roots) && entry.made.c_compiler.is_none() {
        return Some("it compiled C code, and no C compiler told its version".to_owned());
    }
    let settings = serde_json::to_string(&call.request.config_settings).unwrap_or_default();
    let texts = record.pairs().filter_map(|(key, _)| Some((key, text_of(call, entry, key)?)));
    for (key, text) in texts.collect::<Vec<_>>() {
        if let Some(flag) = native_flag(&text) {
            return Some(format!("`{flag}` compiles for this machine alone"));
        }
        if key.kind == Kind::Variable
            && is_about_compilers(&key.name)
            && let Some(path) = path_outside(&key.name, &text)
        {
            return Some(format!("{} names {path}, which is no input", key.name));
        }
        if sets_c(key, &text) {
            return Some(format!("{} sets variables of the C compiler", key.name));
        }
    }
    native_flag(&settings).map(|flag| format!("`{flag}` compiles for this machine alone"))
}

/// Did the build compile C or C++? Build scripts that use the crate `cc` name its variables. The crates
/// `cmake` and `autotools` name nothing.
fn compiles_c(record: &Record, roots: &Roots) -> bool {
    let names_c = |key: &Key| key.kind == Kind::Variable && is_of_c(&key.name);
    let locks = roots.iter().filter(|(root, _)| root.is_of_sources());
    let has_builder = |folder: &Path| {
        let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap_or_default();
        ["cmake", "autotools"].iter().any(|name| lock.contains(&format!("name = \"{name}\"\n")))
    };
    record.pairs().any(|(key, _)| names_c(key)) || locks.map(|(_, folder)| folder).any(has_builder)
}

/// The value of a variable, or the content of a file. TOML is written anew, so that each spelling of a
/// value is the same.
fn text_of(call: &Call, entry: &Entry, key: &Key) -> Option<String> {
    let path = match (&key.root, key.kind) {
        (None, Kind::Variable) => {
            return Some(call.plan.environment.get(&key.name)?.to_string_lossy().into_owned());
        }
        (Some(Root::Above), _) => call.project.root.join(&key.name),
        (Some(_), _) => entry.roots.path_of(key)?,
        _ => return None,
    };
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let table = is_config(key).then(|| text.parse::<toml::Table>().ok()).flatten();
    Some(table.map_or(text, |table| table.to_string()))
}

fn is_config(key: &Key) -> bool {
    let name = key.name.rsplit('/').next().unwrap_or_default();
    name.ends_with(".toml") || (name == "config" && key.name.ends_with(".cargo/config"))
}

/// A flag by which the compiler uses what only this machine's processor has.
fn native_flag(text: &str) -> Option<&'static str> {
    const FLAGS: [&str; 4] =
        ["target-cpu=native", "-march=native", "-mcpu=native", "-mtune=native"];
    FLAGS.into_iter().find(|flag| text.contains(flag))
}

fn is_about_compilers(variable: &str) -> bool {
    variable.contains("RUSTFLAGS") || environment::is_of_the_compilers(variable)
}

/// An absolute path in a value, except for the compiler itself, whose version is compared, and for programs
/// that only keep what compilers write.
fn path_outside(variable: &str, value: &str) -> Option<String> {
    const CACHES: [&str; 4] = ["sccache", "kache", "ccache", "cachepot"];
    let is_program = variable.ends_with("_WRAPPER") || !variable.contains("FLAGS");
    let path = value.split([' ', '\u{1f}', ';']).find_map(absolute_in)?;
    let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let is_compared = is_program && (is_of_c(variable) || CACHES.contains(&name.as_str()));
    (!is_compared).then(|| path.to_owned())
}

/// An absolute path in a word: alone, after an option's letter, or after a sign.
fn absolute_in(word: &str) -> Option<&str> {
    const OPTIONS: [&str; 4] = ["-B", "-F", "-I", "-L"];
    let starts = |at: usize| {
        let before = &word[..at];
        before.is_empty() || before.ends_with(['=', ':', ',']) || OPTIONS.contains(&before)
    };
    let at = word.match_indices(['/', '\\']).map(|(at, _)| at).find(|at| starts(*at))?;
    Some(&word[at..])
}

/// Whether cargo's configuration sets what [`c_compiler`] would have to ask.
fn sets_c(key: &Key, text: &str) -> bool {
    if !is_config(key) || !key.name.contains(".cargo/") {
        return false;
    }
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let variables = table.get("env").and_then(toml::Value::as_table);
    variables.is_some_and(|table| table.keys().any(|name| is_of_c(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_nobody_compares() {
        for (variable, value) in [
            ("RUSTFLAGS", "-L native=/opt/lib"),
            ("CARGO_ENCODED_RUSTFLAGS", "-C\u{1f}link-arg=/opt/x.o"),
            ("CFLAGS", "-O2 -I/opt/include"),
            ("CFLAGS_x86_64", "-isystem /opt/include"),
            ("PKG_CONFIG_PATH", "/opt/lib/pkgconfig"),
            ("RUSTC_WRAPPER", "/opt/bin/wrapper"),
            ("LDFLAGS", "-Wl,-rpath=/opt/lib"),
        ] {
            assert!(path_outside(variable, value).is_some(), "{variable}={value}");
        }
        for (variable, value) in [
            ("RUSTFLAGS", "-C opt-level=3 --cfg a"),
            ("CC", "/usr/bin/clang"),
            ("CC", "/usr/bin/ccache gcc"),
            ("RUSTC_WRAPPER", "/home/me/.cargo/bin/sccache"),
            ("CFLAGS", "-O2 -Iinclude/x"),
        ] {
            assert_eq!(path_outside(variable, value), None, "{variable}={value}");
        }
    }

    #[test]
    fn configuration_that_sets_the_c_compiler() {
        let key = |name: &str| Key::named(crate::inputs::Part::Rust, Kind::Value, name);
        let config = key(".cargo/config.toml");
        assert!(sets_c(&config, "[env]\nCC = 'mycc'"));
        assert!(sets_c(&config, "[env]\nCFLAGS_x = { value = '-O2', force = true }"));
        assert!(!sets_c(&config, "[env]\nOTHER = 'x'"));
        assert!(!sets_c(&key("data.toml"), "[env]\nCC = 'mycc'"));
    }
}
