//! A record's payload. wheelprint makes and reads it; the program reads only the fields here.

use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;

const VERSION: u64 = 1;

/// The fields that the program checks.
pub(crate) struct Payload {
    /// The wheel that the record describes.
    pub(crate) wheel: Wheel,
}

#[derive(Deserialize)]
pub(crate) struct Wheel {
    pub(crate) sha256: Digest,
    /// In bytes.
    pub(crate) size: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize)]
struct Fields {
    request: Digest,
    wheel: Wheel,
}

impl Payload {
    /// The wheel that any payload names.
    pub(crate) fn wheel_of(value: &Value) -> Option<Digest> {
        Wheel::deserialize(value.get("wheel")?).ok().map(|wheel| wheel.sha256)
    }

    /// Checks that the payload is one for the request.
    pub(crate) fn check(value: &Value, request: &Digest) -> Result<Self, String> {
        let Version { version } = read(value)?;
        if version != VERSION {
            return Err(format!("the record's version is {version}, not {VERSION}"));
        }
        let fields: Fields = read(value)?;
        if fields.request != *request {
            return Err(format!("the record is for the request {}", fields.request));
        }
        let name = &fields.wheel.file_name;
        let plain = name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'!')
        });
        if !plain || name.starts_with('.') || !name.ends_with(".whl") || name.len() > 255 {
            return Err("wheel.file_name: not a wheel's name".to_owned());
        }
        Ok(Self { wheel: fields.wheel })
    }
}

fn read<'value, T: Deserialize<'value>>(value: &'value Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| format!("not a record's payload: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(request: &Digest) -> Value {
        json!({
            "version": 1,
            "request": request,
            "wheel": {"sha256": Digest::of(b"wheel"), "size": 5, "file_name": "a-1-py3-none-any.whl"},
            "anything": {"else": [1, 2.5, null]},
        })
    }

    #[test]
    fn a_payload_is_for_one_request() {
        let request = Digest::of(b"request");
        let wheel = Payload::check(&payload(&request), &request).unwrap().wheel;
        assert_eq!((wheel.sha256, wheel.size), (Digest::of(b"wheel"), 5));
        let error = Payload::check(&payload(&request), &Digest::of(b"another")).err().unwrap();
        assert_eq!(error, format!("the record is for the request {request}"));
    }

    #[test]
    fn fields_that_the_program_relies_on_are_checked() {
        let request = Digest::of(b"request");
        for (path, value) in [
            ("/version", json!(2)),
            ("/version", json!("1")),
            ("/request", json!("../../etc")),
            ("/wheel", json!(null)),
            ("/wheel/sha256", json!("..")),
            ("/wheel/size", json!(-1)),
            ("/wheel/size", json!(1.5)),
            ("/wheel/file_name", json!("../a.whl")),
            ("/wheel/file_name", json!("a/b.whl")),
            ("/wheel/file_name", json!("C:\\a.whl")),
            ("/wheel/file_name", json!(".whl")),
            ("/wheel/file_name", json!("a.zip")),
            ("/wheel/file_name", json!("a\u{1b}[31m.whl")),
        ] {
            let mut changed = payload(&request);
            *changed.pointer_mut(path).unwrap() = value;
            assert!(Payload::check(&changed, &request).is_err(), "{changed}");
        }
        for value in [json!(null), json!([]), json!({})] {
            assert!(Payload::check(&value, &request).is_err(), "{value}");
        }
    }
}
