//! Any bytes as a record: refused, or read and written back to the same record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wheelprint::fingerprint::Record;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::from_json(bytes) {
        assert_eq!(Record::from_json(&record.to_json()), Ok(record));
    }
});
