//! Failures as the caller is told of them.

use std::error::Error;
use std::io;

use serde::Serialize;

use crate::transport::Transport;

/// What sort of failure it was: the caller decides by it whether to try another time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// No connection was made.
    Connect,
    /// The deadline of a request passed.
    Timeout,
    /// Credentials or rights are missing, or a rule of ours forbids it.
    Denied,
    /// The server or file system could not do it.
    Server,
    /// The caller, or the server's answer, did not keep to what was agreed.
    Protocol,
}

/// A failed request. The cause is one line: place, cause, what to do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) cause: String,
    pub(crate) kind: Kind,
}

impl Failure {
    pub(crate) fn new(kind: Kind, cause: impl AsRef<str>) -> Self {
        Self { cause: one_line(cause.as_ref()), kind }
    }

    pub(crate) fn protocol(cause: impl AsRef<str>) -> Self {
        Self::new(Kind::Protocol, cause)
    }

    /// A failure of a file on this machine; fs-err's errors name the path.
    pub(crate) fn file(error: &io::Error) -> Self {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        Self::new(if denied { Kind::Denied } else { Kind::Server }, error.to_string())
    }

    /// A failure of the store. `transport` is what the connection saw last. The texts of
    /// `object_store`'s errors are not used where that tells more: they hold whole answers and URLs.
    pub(crate) fn store(
        place: &str,
        error: &object_store::Error,
        transport: Option<Transport>,
    ) -> Self {
        use object_store::Error as E;
        let (kind, cause) = match (error, transport) {
            (_, Some(Transport::NoConnection { host, cause })) => {
                (Kind::Connect, format!("no connection to {host}: {cause}"))
            }
            (_, Some(Transport::NoMetadata)) => (Kind::Denied, NO_CREDENTIALS.to_owned()),
            (_, Some(Transport::PlainHttp { host })) => (Kind::Denied, plain_http(&host)),
            (_, Some(Transport::Status { status, code })) => {
                let code = code.map(|code| format!(", {code}")).unwrap_or_default();
                (
                    kind_of_status(status),
                    format!("the server answered {status}{code}{}", hint(status, place)),
                )
            }
            (E::PermissionDenied { .. } | E::Unauthenticated { .. }, None) => {
                (Kind::Denied, format!("permission denied: {}", root_cause(error)))
            }
            (_, Some(Transport::Broken { cause })) => {
                (Kind::Server, format!("the connection broke: {cause}"))
            }
            (E::NotFound { .. } | E::AlreadyExists { .. }, None) => {
                (Kind::Server, root_cause(error))
            }
            (error, None) => match io_kind(error) {
                Some(io::ErrorKind::PermissionDenied) => (Kind::Denied, root_cause(error)),
                Some(_) => (Kind::Server, root_cause(error)),
                None => (Kind::Protocol, root_cause(error)),
            },
        };
        Self::new(kind, format!("{place}: {cause}"))
    }
}

const NO_CREDENTIALS: &str = "no credentials: none are in the environment (for S3 \
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles are not read, use `aws configure \
    export-credentials --format env`), and this machine has no instance role";

/// What to say of plain HTTP that would carry unsigned records.
pub(crate) fn plain_http(host: &str) -> String {
    format!(
        "http://{host} can be changed on its way; use https, or list trusted keys and accept only \
         signed records"
    )
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 | 403 | 407 => Kind::Denied,
        _ => Kind::Server,
    }
}

/// What to do, for the store at this address.
fn hint(status: u16, place: &str) -> &'static str {
    let scheme = place.split("://").next().unwrap_or_default();
    match status {
        301 | 302 | 303 | 307 | 308 => {
            "; it leads elsewhere, where nothing is sent: name the address that it leads to (S3: \
             check the bucket's region and the endpoint)"
        }
        401 => "; check the credentials",
        403 => match scheme {
            "s3" => {
                "; check the credentials and their rights (a reader needs s3:GetObject and \
                 s3:ListBucket, a writer s3:PutObject as well)"
            }
            "az" => {
                "; check the credentials and their rights (a reader needs `rl` of a SAS token, or \
                 the role Storage Blob Data Reader)"
            }
            "gs" => {
                "; check the credentials and their rights (a reader needs storage.objects.get and \
                 storage.objects.list, a writer storage.objects.create as well)"
            }
            _ => "; check the credentials and their rights",
        },
        404 if scheme == "az" => "; check the container's name",
        404 => "; check the bucket's name",
        405 | 501 => "; the server does not offer this (PUT, or WebDAV's PROPFIND to list)",
        413 => "; raise the server's limit for bodies (nginx: client_max_body_size)",
        507 => "; the server's disk is full",
        _ => "",
    }
}

/// The kind of the I/O error that lies at the ground of this one.
pub(crate) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The innermost error's text: the outer ones repeat it with more around it.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'error>(
    error: &'error (dyn Error + 'static),
) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// One line of bounded length without control characters: parts of it may come from a server.
fn one_line(text: &str) -> String {
    const MAX: usize = 500;
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect();
    if text.chars().nth(MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_one_bounded_line() {
        let failure = Failure::protocol(format!("a\n\u{1b}[31m{}", "b".repeat(1000)));
        assert!(failure.cause.starts_with("a  [31mbbb"));
        assert_eq!(failure.cause.chars().count(), 501);
        assert_eq!(
            serde_json::to_string(&Failure::protocol("x")).unwrap(),
            r#"{"cause":"x","kind":"protocol"}"#
        );
    }

    #[test]
    fn the_connection_tells_more_than_the_engine() {
        let error = || object_store::Error::Generic {
            store: "S3",
            source: Box::new(io::Error::new(io::ErrorKind::PermissionDenied, "ground")),
        };
        let told = |transport| Failure::store("s3://b", &error(), transport);
        assert_eq!(told(None).kind, Kind::Denied);
        assert_eq!(told(None).cause, "s3://b: ground");
        let status = |status| told(Some(Transport::Status { status, code: Some("Code".into()) }));
        assert_eq!(status(403).kind, Kind::Denied);
        assert!(status(403).cause.starts_with("s3://b: the server answered 403, Code; check "));
        assert_eq!(status(500).kind, Kind::Server);
        assert!(status(413).cause.contains("client_max_body_size"));
        let none =
            told(Some(Transport::NoConnection { host: "h:1".into(), cause: "refused".into() }));
        assert_eq!(
            (none.kind, none.cause.as_str()),
            (Kind::Connect, "s3://b: no connection to h:1: refused")
        );
        assert_eq!(told(Some(Transport::NoMetadata)).kind, Kind::Denied);
        assert_eq!(told(Some(Transport::Broken { cause: "cut".into() })).kind, Kind::Server);
    }
}
