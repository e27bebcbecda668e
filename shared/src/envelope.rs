//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse>, JSON form): a payload with signatures
//! over it.
//!
//! The signature covers the payload's type and bytes in DSSE's pre-authentication encoding. `keyid` only
//! chooses which trusted key to try.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::keys::{PublicKey, SecretKey};

const PAYLOAD_TYPE: &str = "application/vnd.wheelprint.record+json";
/// More signatures than this are not looked at: each costs a computation.
const MAX_SIGNATURES: usize = 16;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize, Serialize)]
struct Signature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// Whose records are accepted.
pub(crate) struct Trust {
    pub(crate) keys: Vec<PublicKey>,
    /// Records without a trusted signature are accepted as well.
    pub(crate) accept_unsigned: bool,
}

/// An accepted envelope.
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
    /// The trusted key that signed it; `None` if it was accepted without.
    pub(crate) key: Option<PublicKey>,
}

/// Puts the payload into an envelope, signed if there is a key.
pub(crate) fn make(payload: &[u8], key: Option<&SecretKey>) -> Vec<u8> {
    let signature = key.map(|key| Signature {
        keyid: key.public().to_string(),
        sig: STANDARD.encode(key.sign(&encode(PAYLOAD_TYPE, payload))),
    });
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.into(),
        payload: STANDARD.encode(payload),
        signatures: signature.into_iter().collect(),
    };
    serde_json::to_vec(&envelope).expect("an envelope of texts")
}

/// Opens an envelope if it can be trusted; otherwise says why it can't.
pub(crate) fn open(bytes: &[u8], trust: &Trust) -> Result<Opened, String> {
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|_| "not a DSSE envelope".to_owned())?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(format!("the payload's type is not {PAYLOAD_TYPE}"));
    }
    let payload =
        STANDARD.decode(&envelope.payload).map_err(|_| "the payload is not base64".to_owned())?;
    let message = encode(PAYLOAD_TYPE, &payload);
    let mut wrong = None;
    let mut unknown = None;
    for signature in envelope.signatures.iter().take(MAX_SIGNATURES) {
        let Ok(key) = signature.keyid.parse::<PublicKey>() else { continue };
        if !trust.keys.contains(&key) {
            unknown.get_or_insert(key);
        } else if STANDARD.decode(&signature.sig).is_ok_and(|sig| key.verifies(&message, &sig)) {
            return Ok(Opened { payload, key: Some(key) });
        } else {
            wrong.get_or_insert(key);
        }
    }
    match (wrong, unknown) {
        (Some(key), _) => Err(format!("the signature of {key} is wrong")),
        // Whoever could add an unknown signature could have left it out.
        _ if trust.accept_unsigned => Ok(Opened { payload, key: None }),
        (None, Some(key)) => Err(format!("signed by {key}, which is not among the trusted keys")),
        (None, None) => Err("not signed".to_owned()),
    }
}

/// DSSE's pre-authentication encoding.
fn encode(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> SecretKey {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        crate::keys::generate(&path).unwrap();
        SecretKey::parse(&fs_err::read_to_string(path).unwrap(), name).unwrap()
    }

    fn trusting(keys: &[&SecretKey]) -> Trust {
        Trust { keys: keys.iter().map(|key| key.public()).collect(), accept_unsigned: false }
    }

    fn change(bytes: &[u8], change: impl FnOnce(&mut Envelope)) -> Vec<u8> {
        let mut envelope: Envelope = serde_json::from_slice(bytes).unwrap();
        change(&mut envelope);
        serde_json::to_vec(&envelope).unwrap()
    }

    fn refusal(bytes: &[u8], trust: &Trust) -> String {
        open(bytes, trust).err().expect("refused")
    }

    #[test]
    fn the_encoding_is_that_of_the_dsse_protocol() {
        assert_eq!(
            encode("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_trusted_signature_opens_an_envelope() {
        let (ours, other) = (secret("ours"), secret("other"));
        let bytes = make(b"{}", Some(&ours));
        let opened = open(&bytes, &trusting(&[&other, &ours])).unwrap();
        assert_eq!(
            (opened.payload.as_slice(), opened.key),
            (b"{}".as_slice(), Some(ours.public()))
        );
        // The same key and payload give the same record.
        assert_eq!(make(b"{}", Some(&ours)), bytes);
    }

    #[test]
    fn whatever_else_is_refused() {
        let (ours, other) = (secret("ours"), secret("other"));
        let trust = trusting(&[&ours]);
        let bytes = make(b"{}", Some(&ours));
        assert_eq!(refusal(&make(b"{}", None), &trust), "not signed");
        assert!(refusal(&make(b"{}", Some(&other)), &trust).contains("not among the trusted keys"));
        assert!(refusal(&bytes, &trusting(&[])).contains("not among the trusted keys"));
        let tampered = change(&bytes, |envelope| envelope.payload = STANDARD.encode(b"[]"));
        assert!(refusal(&tampered, &trust).ends_with("is wrong"));
        let typed = change(&bytes, |envelope| envelope.payload_type.push('2'));
        assert!(refusal(&typed, &trust).starts_with("the payload's type is not "));
        // The other key's signature under our key's name.
        let renamed = change(&make(b"{}", Some(&other)), |envelope| {
            envelope.signatures[0].keyid = ours.public().to_string();
        });
        assert!(refusal(&renamed, &trust).ends_with("is wrong"));
        let nameless = change(&bytes, |envelope| envelope.signatures[0].keyid.clear());
        assert_eq!(refusal(&nameless, &trust), "not signed");
        for garbage in [b"".as_slice(), b"{}", b"[[[[", b"\xff\xfe", b"null"] {
            assert_eq!(refusal(garbage, &trust), "not a DSSE envelope");
        }
    }

    #[test]
    fn one_good_signature_is_enough_but_a_crowd_is_not_searched() {
        let (ours, other) = (secret("ours"), secret("other"));
        let good = make(b"{}", Some(&ours));
        let crowd = |count| {
            change(&good, |envelope| {
                for _ in 0..count {
                    let signature =
                        Signature { keyid: other.public().to_string(), sig: "AAAA".into() };
                    envelope.signatures.insert(0, signature);
                }
            })
        };
        assert!(open(&crowd(MAX_SIGNATURES - 1), &trusting(&[&ours])).is_ok());
        assert!(open(&crowd(MAX_SIGNATURES), &trusting(&[&ours])).is_err());
    }

    #[test]
    fn without_keys_unsigned_is_accepted_but_a_wrong_signature_never() {
        let (ours, other) = (secret("ours"), secret("other"));
        let trust = Trust { keys: vec![ours.public()], accept_unsigned: true };
        assert!(open(&make(b"{}", None), &trust).unwrap().key.is_none());
        assert!(open(&make(b"{}", Some(&other)), &trust).unwrap().key.is_none());
        assert_eq!(open(&make(b"{}", Some(&ours)), &trust).unwrap().key, Some(ours.public()));
        let tampered = change(&make(b"{}", Some(&ours)), |envelope| {
            envelope.payload = STANDARD.encode(b"[]");
        });
        assert!(refusal(&tampered, &trust).ends_with("is wrong"));
    }
}
