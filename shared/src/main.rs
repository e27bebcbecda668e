//! `wheelprint-shared`: reads and writes a store of wheels that a team shares.
//!
//! wheelprint starts it where a store is configured, and talks to it over stdin and stdout (`session`).
//! Nothing that a server sends is trusted: it is bounded in size and time, names are checked before they
//! become paths, records count only with a signature of a trusted key, wheels only with the digest that
//! such a record states.

mod digest;
mod envelope;
mod environment;
mod failure;
mod fetch;
mod find;
mod gc;
mod keys;
mod location;
mod payload;
mod protocol;
mod publish;
mod session;
mod store;
mod transport;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::environment::{KEY, KEY_FILE};
use crate::keys::SecretKey;

const HELP: &str = "\
Reads and writes a store of wheels that a team shares.

Usage: wheelprint-shared COMMAND

Commands:
  session      Serve wheelprint over stdin and stdout: one line of JSON for each request and answer
  keygen FILE  Make a key pair: the secret key into FILE, which must not be there, the public one to stdout
  public-key   Print the public key of the configured secret key

Options:
  --version    Print the version
  --help       Print this help

Variables:
  WHEELPRINT_SHARED_KEY_FILE       The file with the secret key that signs what is published
  WHEELPRINT_SHARED_KEY            The secret key itself
  WHEELPRINT_SHARED_HTTP_USER      Name and password for a store at https://
  WHEELPRINT_SHARED_HTTP_PASSWORD
  WHEELPRINT_SHARED_HTTP_TOKEN     Or a bearer token
  AWS_*, GOOGLE_*, AZURE_*         Credentials and settings of s3://, gs:// and az://
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            let _ = writeln!(std::io::stderr(), "error: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), String> {
    let words: Vec<_> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let text = match words.as_slice() {
        ["session"] => return session::run().map_err(|error| error.to_string()),
        ["keygen", _] => {
            let key = keys::generate(Path::new(&arguments[1]));
            format!("{}\n", key.map_err(|error| error.to_string())?)
        }
        ["public-key"] => match SecretKey::configured().map_err(|error| error.to_string())? {
            Some(key) => format!("{}\n", key.public()),
            None => return Err(format!("no secret key: set {KEY_FILE} or {KEY}")),
        },
        ["--version" | "-V"] => format!("wheelprint-shared {}\n", env!("CARGO_PKG_VERSION")),
        ["--help" | "-h"] => HELP.to_owned(),
        _ => return Err(format!("unknown arguments\n\n{HELP}")),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
