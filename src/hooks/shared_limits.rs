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
use crate::shared::{SharingFacts, c_compiler, is_of_c, untold};
use crate::stat_cache;
use crate::store::Entry;

/// The facts that are noted about a new build. All except its duration are needed only for
/// publishing, so they are found only where builds are published.
pub(super) fn made(call: &Call, record: &Record, roots: &Roots) -> SharingFacts {
    let nanoseconds = |time: i128| Duration::from_nanos(time.max(0).cast_unsigned() as u64);
    let seconds = Some(nanoseconds(stat_cache::now() - call.began).as_secs_f64());
    if !call.settings.shared.as_ref().is_some_and(|shared| shared.may_write) {
        return SharingFacts { seconds, ..SharingFacts::default() };
    }
    let c_compiler = compiles_c(record, roots)
        .then(|| c_compiler(&call.plan.environment, &call.project.root))
        .flatten();
    let began = SystemTime::UNIX_EPOCH + nanoseconds(call.began);
    let (untold, is_known) = match untold(roots, &record.roots, Some(began)) {
        Ok(untold) => (untold, true),
        Err(cause) => {
            log::debug(format_args!("this build can't be shared: {cause}"));
            (None, false)
        }
    };
    let job = settings::job(&call.request.environment);
    SharingFacts { seconds, job, c_compiler, untold, is_known }
}

/// Why this build can't be shared. Whether other machines have what it needs is another question
/// ([`crate::shared::Machine`]).
pub(super) fn obstacle(call: &Call, entry: &Entry) -> Option<String> {
    let record = &entry.record;
    if let Some(tied) = entry.tied.first() {
        let why = report::tied(tied, &record.roots);
        return Some(format!("it depends on where its tree lies ({why})"));
    }
    // `is_known` is false if the shared store could not be written to at the build, if a file that
    // a build script may read was written during the build, or for a build of an unpacked archive.
    let runs_nothing = || matches!(untold(&entry.roots, &record.roots, None), Ok(None));
    if !entry.made.is_known && (compiles_c(record, &entry.roots) || !runs_nothing()) {
        let cause = "it is not known what its build scripts read";
        return Some(format!("{cause}; with WHEELPRINT_REUSE=never the next build is made anew"));
    }
    let mut roots = record.watches.iter().filter_map(|watch| watch.root());
    if roots.any(|root| matches!(root, Root::Outside(_))) {
        return Some("it has inputs outside of its tree".to_owned());
    }
    if compiles_c(record, &entry.roots) && entry.made.c_compiler.is_none() {
        return Some("it compiled C code, and no C compiler told its version".to_owned());
    }
    let settings = serde_json::to_string(&call.request.config_settings).unwrap_or_default();
    let of_inputs = record.pairs().find_map(|(key, _)| {
        let name = &key.name;
        let text = match text_of(call, entry, key) {
            Ok(text) => text?,
            Err(error) => return Some(error.to_string()),
        };
        if let Some(flag) = native_flag(&text) {
            return Some(format!("`{flag}` in {name} compiles for this machine alone"));
        }
        if key.kind == Kind::Variable && is_about_compilers(name) {
            return path_outside(name, &text).map(|path| no_input(name, path));
        }
        is_toml(key).then(|| of_configuration(name, &text)).flatten()
    });
    of_inputs.or_else(|| {
        let flag = native_flag(&settings)?;
        Some(format!("`{flag}` in a config setting compiles for this machine alone"))
    })
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
/// value is the same. `None` for what is not there, for a folder, and for other inputs.
///
/// # Errors
/// The file can't be read.
fn text_of(call: &Call, entry: &Entry, key: &Key) -> std::io::Result<Option<String>> {
    use std::io::ErrorKind as E;
    let path = match (&key.root, key.kind) {
        (None, Kind::Variable) => {
            let value = call.plan.environment.get(&key.name);
            return Ok(value.map(|value| value.to_string_lossy().into_owned()));
        }
        (Some(Root::Above), _) => Some(call.project.root.join(&key.name)),
        (Some(_), _) => entry.roots.path_of(key),
        _ => None,
    };
    let Some(path) = path.filter(|path| !path.is_dir()) else { return Ok(None) };
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if matches!(error.kind(), E::NotFound | E::NotADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    let table = is_toml(key).then(|| text.parse::<toml::Table>().ok()).flatten();
    Ok(Some(table.map_or(text, |table| table.to_string())))
}

/// Cargo reads `config` without an ending, too.
fn is_toml(key: &Key) -> bool {
    let name = key.name.rsplit('/').next().unwrap_or_default();
    name.ends_with(".toml") || name == "config"
}

fn no_input(place: &str, path: &str) -> String {
    format!("{place} names {path}, which is no input")
}

/// Why a build with this configuration of cargo can't be shared.
fn of_configuration(name: &str, text: &str) -> Option<String> {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let variables = table.get("env").and_then(toml::Value::as_table);
    if variables.is_some_and(|table| table.keys().any(|name| is_of_c(name))) {
        return Some(format!("{name} sets variables of the C compiler"));
    }
    let path = path_in(&table)?;
    Some(no_input(name, &path))
}

/// A path in flags or wrappers, in this table or one in it.
fn path_in(table: &toml::Table) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let variable = match key.as_str() {
            "rustflags" => "RUSTFLAGS",
            "rustc-wrapper" | "rustc-workspace-wrapper" => "RUSTC_WRAPPER",
            _ => return path_in(value.as_table()?),
        };
        let words = match value {
            toml::Value::String(text) => vec![text.as_str()],
            value => value.as_array()?.iter().filter_map(toml::Value::as_str).collect(),
        };
        words.into_iter().find_map(|word| path_outside(variable, word)).map(str::to_owned)
    })
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
fn path_outside<'a>(variable: &str, value: &'a str) -> Option<&'a str> {
    const CACHES: [&str; 4] = ["sccache", "kache", "ccache", "cachepot"];
    let is_program = variable.ends_with("_WRAPPER") || !variable.contains("FLAGS");
    let path = value.split([' ', '\u{1f}', ';']).find_map(absolute_in)?;
    let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let is_compared = is_program && (is_of_c(variable) || CACHES.contains(&name.as_str()));
    (!is_compared).then_some(path)
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
    fn configuration_of_cargo_that_cannot_be_shared() {
        for text in [
            "[env]\nCC = 'mycc'",
            "[env]\nCFLAGS_x = { value = '-O2', force = true }",
            "[build]\nrustflags = ['-L', '/opt/lib']",
            "[build]\nrustflags = '-L native=/opt/lib'",
            "[target.'cfg(unix)']\nrustflags = ['-Clink-arg=/opt/x.o']",
            "[build]\nrustc-wrapper = '/opt/bin/wrapper'",
        ] {
            assert!(of_configuration("config.toml", text).is_some(), "{text}");
        }
        for text in [
            "[env]\nOTHER = '/opt'",
            "[build]\nrustflags = ['-C', 'opt-level=3']\nrustc-wrapper = '/usr/bin/sccache'",
            "no TOML",
        ] {
            assert_eq!(of_configuration("config.toml", text), None, "{text}");
        }
        let key = |name: &str| Key::named(crate::inputs::Part::Rust, Kind::Value, name);
        // Cargo's home has its configuration beside other files.
        assert!(["config.toml", "config", ".cargo/config"].iter().all(|name| is_toml(&key(name))));
        assert!(!is_toml(&key("src/lib.rs")));
    }
}
