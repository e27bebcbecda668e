//! Any bytes as a wheel: refused, or read, and rewritten to one that is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wheelprint::wheel::audit::Audit;
use wheelprint::wheel::{Edit, Wheel};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a-1-py3-none-any.whl");
    std::fs::write(&path, bytes).unwrap();
    if let Ok(mut audit) = Audit::open(&path) {
        let _ = audit.read("METADATA", 1 << 16);
        let _ = audit.damage();
    }
    let Ok(mut wheel) = Wheel::open(&path) else { return };
    let target = folder.path().join("b-1-py3-none-any.whl");
    let edit =
        Edit { add_to_dist_info: vec![("x.json".into(), b"{}".to_vec())], ..Edit::default() };
    let file = std::fs::File::create(&target).unwrap();
    if wheel.rewrite(file, &target, edit).is_ok() {
        assert!(Wheel::open(&target).is_ok());
    }
});
