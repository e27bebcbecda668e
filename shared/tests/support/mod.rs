//! What the tests share: a session with the program, keys and records of our own making, a folder.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(unreachable_pub, reason = "shared by several tests")]

pub mod server;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use fs_err as fs;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_wheelprint-shared");

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The program without any setting of the machine's own.
pub fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().to_ascii_uppercase();
        let prefixes = ["WHEELPRINT_", "AWS_", "AZURE_", "GOOGLE_"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
}

/// A running session.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// Starts the program and sends the first line; returns its answer, too.
    pub fn start(open: &Value, variables: &[(&str, &str)]) -> (Self, Value) {
        let mut child = program()
            .arg("session")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut session = Self { child, stdin, stdout };
        let answer = session.ask(open);
        (session, answer)
    }

    pub fn open(open: &Value, variables: &[(&str, &str)]) -> Self {
        let (session, answer) = Self::start(open, variables);
        assert_eq!(answer, json!({"ready": true}));
        session
    }

    /// The most memory that the program has had, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub fn ask(&mut self, request: &Value) -> Value {
        self.ask_text(&request.to_string())
    }

    pub fn ask_text(&mut self, line: &str) -> Value {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// Ends the input; the program must end with success, and say nothing more.
    pub fn end(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_line(&mut rest).unwrap();
        assert_eq!(rest, "");
        assert!(self.child.wait().unwrap().success());
    }

    pub fn find(&mut self, request: &str) -> Value {
        self.ask(&json!({"find": {"list": request, "request": request, "limit": 16}}))["found"]
            .clone()
    }

    /// The ids that `find` accepts.
    pub fn found(&mut self, request: &str) -> Vec<String> {
        let found = self.find(request);
        let records = found["records"].as_array().unwrap_or_else(|| panic!("{found}"));
        records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The causes that `find` refuses for.
    pub fn refused(&mut self, request: &str) -> Vec<String> {
        let found = self.find(request);
        assert_eq!(found["records"], json!([]), "{found}");
        let refused = found["refused"].as_array().unwrap();
        refused.iter().map(|refusal| refusal["cause"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key, and envelopes made without the program's code.
pub struct Key(SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn public(&self) -> String {
        format!("ed25519:{}", STANDARD.encode(self.0.verifying_key().as_bytes()))
    }

    pub fn secret(&self) -> String {
        format!("ed25519-secret:{}", STANDARD.encode(self.0.as_bytes()))
    }

    /// The signature over DSSE's encoding of the payload.
    pub fn sign(&self, payload: &[u8]) -> String {
        let kind = "application/vnd.wheelprint.record+json";
        let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        message.extend_from_slice(payload);
        STANDARD.encode(self.0.sign(&message).to_bytes())
    }

    pub fn envelope(&self, payload: &Value) -> Vec<u8> {
        let payload = payload.to_string();
        let sig = self.sign(payload.as_bytes());
        envelope(payload.as_bytes(), &json!([{"keyid": self.public(), "sig": sig}]))
    }
}

pub fn envelope(payload: &[u8], signatures: &Value) -> Vec<u8> {
    json!({
        "payloadType": "application/vnd.wheelprint.record+json",
        "payload": STANDARD.encode(payload),
        "signatures": signatures,
    })
    .to_string()
    .into_bytes()
}

pub fn request(name: &str) -> String {
    sha256(name.as_bytes())
}

pub fn payload(request: &str, wheel: &[u8]) -> Value {
    json!({
        "version": 1,
        "request": request,
        "wheel": {
            "sha256": sha256(wheel),
            "size": wheel.len(),
            "file_name": "demo-1.0-cp39-abi3-linux_x86_64.whl",
        },
        "inputs": {"src/lib.rs": "…"},
    })
}

/// A folder with a store in `store`, a wheel in `wheel`, and room for what is fetched and kept.
pub struct Folder(TempDir);

pub const WHEEL: &[u8] = b"PK\x03\x04 the bytes of a wheel";

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wheel"), WHEEL).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn url(&self) -> String {
        url::Url::from_file_path(self.path("store")).unwrap().into()
    }

    /// The first line of a session over this folder's store.
    pub fn open(&self, trusted: &[&Key], accept_unsigned: bool) -> Value {
        open(&self.url(), trusted, accept_unsigned)
    }

    pub fn publish(&self, request: &str) -> Value {
        let payload = payload(request, WHEEL);
        json!({"publish": {"lists": [request], "request": request, "payload": payload, "wheel": self.path("wheel")}})
    }

    pub fn fetch(&self, to: &Path) -> Value {
        json!({"fetch": {"sha256": sha256(WHEEL), "size": WHEEL.len(), "to": to}})
    }

    /// Puts an object into the store behind the program's back.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path("store").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Puts a record and its list into the store; returns its id.
    pub fn put_record(&self, request: &str, bytes: &[u8]) -> String {
        let id = sha256(bytes);
        self.put(&format!("records/{id}"), bytes);
        self.put(&format!("lists/{request}"), format!("{id}\n").as_bytes());
        id
    }
}

pub fn open(url: &str, trusted: &[&Key], accept_unsigned: bool) -> Value {
    let keys: Vec<_> = trusted.iter().map(|key| key.public()).collect();
    json!({
        "url": url,
        "trusted_keys": keys,
        "accept_unsigned": accept_unsigned,
        "connect_ms": 500,
        "total_ms": 20_000,
        "keep": null,
    })
}

pub fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

/// The kind and cause of a failure.
pub fn failed(answer: &Value) -> (String, String) {
    let text = |field: &str| {
        answer["failed"][field].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    (text("kind"), text("cause"))
}
