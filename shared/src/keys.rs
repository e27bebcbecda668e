//! Ed25519 keys: `ed25519:<base64>` is a public key, `ed25519-secret:<base64>` the seed of a secret one.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use fs_err as fs;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::environment::{self, KEY, KEY_FILE};

const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";

/// A key that may verify records.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct PublicKey(VerifyingKey);

/// A key that signs records. Its seed is wiped from memory when it is dropped.
pub(crate) struct SecretKey(SigningKey);

/// Why a text or a file is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("not a public key; expected `ed25519:` and the base64 of 32 bytes")]
    NotPublic,
    #[error(
        "{0}: not a secret key; expected `ed25519-secret:` and the base64 of 32 bytes, as `wheelprint-shared keygen` writes it"
    )]
    NotSecret(String),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("no random numbers from the system: {0}")]
    Random(#[from] getrandom::Error),
}

impl PublicKey {
    /// Whether the signature is this key's over the message, by the strict rules (no weak points, no
    /// second form of the same signature).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = decode(text, PUBLIC).ok_or(KeyError::NotPublic)?;
        match VerifyingKey::from_bytes(&bytes) {
            // Everybody can sign for a weak key.
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(KeyError::NotPublic),
        }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PUBLIC}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl SecretKey {
    /// Reads the key's text; `origin` names the variable or file that it is from.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self, KeyError> {
        let seed = decode(text.trim(), SECRET).ok_or_else(|| KeyError::NotSecret(origin.into()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The key that the environment names, if it names one.
    pub(crate) fn configured() -> Result<Option<Self>, KeyError> {
        if let Some(path) = environment::variable(KEY_FILE) {
            let mut text = Zeroizing::new(String::new());
            fs::File::open(&path)?.take(4096).read_to_string(&mut text)?;
            return Self::parse(&text, &path).map(Some);
        }
        environment::variable(KEY).map(|text| Self::parse(&Zeroizing::new(text), KEY)).transpose()
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Makes a key pair. The secret key is written to a new file that only its owner may read.
pub(crate) fn generate(path: &Path) -> Result<PublicKey, KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = Zeroizing::new(format!("{SECRET}{}\n", STANDARD.encode(seed.as_slice())));
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(path);
        return Err(error.into());
    }
    Ok(SecretKey(SigningKey::from_bytes(&seed)).public())
}

fn decode(text: &str, prefix: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.strip_prefix(prefix)?).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    const SEED: &str = "ed25519-secret:TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=";
    const KEY_OF_SEED: &str = "ed25519:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";

    #[test]
    fn keys_and_signatures_are_those_of_rfc_8032() {
        let secret = SecretKey::parse(&format!("{SEED}\n"), "test").unwrap();
        assert_eq!(secret.public().to_string(), KEY_OF_SEED);
        assert_eq!(
            hex::encode(secret.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    #[test]
    fn a_signature_counts_for_its_key_and_message_only() {
        let secret = SecretKey::parse(SEED, "test").unwrap();
        let (public, mut signature) = (secret.public(), secret.sign(b"message"));
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!public.verifies(b"message", &signature[..63]));
        assert!(!public.verifies(b"message", &[]));
        let other = SecretKey(SigningKey::from_bytes(&[7; 32])).public();
        assert!(!other.verifies(b"message", &signature));
        signature[0] ^= 1;
        assert!(!public.verifies(b"message", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let weak = format!("{PUBLIC}{}", STANDARD.encode([[1].as_slice(), &[0; 31]].concat()));
        for text in ["", "ed25519:", "ed25519:AAAA", SEED, &KEY_OF_SEED[8..], &weak] {
            assert!(text.parse::<PublicKey>().is_err(), "{text:?}");
        }
        let error = SecretKey::parse(KEY_OF_SEED, "WHEELPRINT_SHARED_KEY").err().unwrap();
        assert!(error.to_string().starts_with("WHEELPRINT_SHARED_KEY: not a secret key;"));
    }

    #[test]
    fn a_made_key_is_the_owners_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let public = generate(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(SecretKey::parse(&text, "file").unwrap().public(), public);
        assert!(matches!(generate(&path), Err(KeyError::File(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
