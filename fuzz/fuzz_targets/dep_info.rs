//! Any bytes in a dep-info file or a build script's output: no panic, and no name out of nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wheelprint::inputs::dep_info::{BuildScript, parse_env_deps, parse_rules, parse_targets};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for path in parse_rules(&text) {
        assert!(!path.as_os_str().is_empty());
    }
    for (name, _) in parse_env_deps(&text) {
        assert!(!name.is_empty());
    }
    assert!(parse_targets(&text).len() <= text.lines().count());
    let script = BuildScript::parse(&text);
    assert!(script.paths.len() + script.variables.len() + script.others.len() <= text.lines().count());
});
