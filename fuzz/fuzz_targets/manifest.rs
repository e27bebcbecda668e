//! Any bytes as a manifest: every view has a digest, and a comment behind it changes none that
//! goes by meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wheelprint::inputs::View;

fuzz_target!(|bytes: &[u8]| {
    let is_toml = std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<toml::Table>().is_ok());
    for view in [View::Package, View::Workspace, View::Whole, View::Build, View::Project] {
        let digest = view.digest(bytes);
        assert_eq!(digest.len(), 64);
        if is_toml {
            let mut commented = bytes.to_vec();
            commented.extend_from_slice(b"\n# a comment\n");
            assert_eq!(view.digest(&commented), digest);
        }
    }
});
