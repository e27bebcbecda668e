//! Any bytes as a record: refused, or read and written back to the same record. One that was
//! accepted is fresh when compared with itself, unless it says otherwise; changed, it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wheelprint::error::Cause;
use wheelprint::fingerprint::record::VERSION;
use wheelprint::fingerprint::{Fingerprint, Record, Value};
use wheelprint::freshness::{Verdict, compare};

fuzz_target!(|bytes: &[u8]| {
    check(Record::from_json(bytes));
    // Nobody guesses a digest: the same once more, with the right one put in.
    if let Ok(mut record) = serde_json::from_slice::<Record>(bytes) {
        record.wheelprint = VERSION;
        record.fingerprint = Fingerprint::of(&record.inputs());
        check(Record::from_json(&record.to_json()));
        if let Some(input) = record.inputs.first_mut() {
            input.key.name.push('x');
            assert!(Record::from_json(&record.to_json()).is_err());
        }
    }
});

fn check(record: Result<Record, Cause>) {
    let Ok(record) = record else { return };
    assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
    let inputs = record.inputs();
    let unreliable = !record.untrusted.is_empty()
        || inputs.values().any(|value| matches!(value, Value::Unreadable(_)));
    let verdict = compare(&inputs, &record.untrusted, &inputs);
    assert_eq!(matches!(verdict, Verdict::Fresh { .. }), !unreliable);
}
