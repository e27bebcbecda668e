//! Any bytes as an sdist, packed or as the tar in it: refused, or read; what was read is unpacked to
//! the names it gave, and a record put into it is found again.
#![no_main]

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;
use wheelprint::sdist::Archive;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), bytes);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    check(folder.path(), &packed.finish().unwrap());
});

fn check(folder: &std::path::Path, bytes: &[u8]) {
    let path = folder.join("a-1.tar.gz");
    std::fs::write(&path, bytes).unwrap();
    let Ok(archive) = Archive::open(&path) else { return };
    for name in archive.files.keys() {
        assert!(!name.split('/').any(|part| ["", ".", ".."].contains(&part)), "{name:?}");
    }
    let mut stamped = Vec::new();
    if archive.write_with(b"{}", &mut stamped).is_ok() {
        std::fs::write(&path, &stamped).unwrap();
        let again = Archive::open(&path).unwrap();
        assert_eq!(again.record.as_deref(), Some(&b"{}"[..]));
    }
}
