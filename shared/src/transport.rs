//! The layer below `object_store`'s clients: each HTTP request passes through here.
//!
//! It bounds what the clients themselves read whole (error pages, lists, tokens), tries to connect only
//! once, refuses plain HTTP where nothing proves what came over it, and remembers what went wrong,
//! because the clients' errors do not say it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Limited};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};

use crate::failure::root_cause;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
/// The most that is kept of an error's page.
const MAX_ERROR_PAGE: usize = 8 << 10;
/// How long an error's page may take: its status is known already.
const ERROR_PAGE: Duration = Duration::from_secs(2);

/// What a connection saw go wrong.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    NoConnection {
        host: String,
        cause: String,
    },
    /// The machine has no metadata service, where instance roles are asked for.
    NoMetadata,
    /// Plain HTTP was refused by us.
    PlainHttp {
        host: String,
    },
    /// The server answered with an error; `code` is S3's, Azure's or Google's word for it.
    Status {
        status: u16,
        code: Option<String>,
    },
    /// An established connection failed.
    Broken {
        cause: String,
    },
}

/// What the connections of one store share.
#[derive(Debug)]
pub(crate) struct Link {
    last: Mutex<Option<Transport>>,
    /// The most bytes that a body may have.
    limit: AtomicUsize,
    connect: Duration,
    /// Plain HTTP to other hosts is allowed: every record must be signed.
    plain_http: bool,
}

impl Link {
    /// The least of [`Link::begin`]'s limit: lists of objects may be that long.
    const MIN_LIMIT: usize = 64 << 20;

    pub(crate) fn new(connect: Duration, plain_http: bool) -> Arc<Self> {
        let limit = AtomicUsize::new(Self::MIN_LIMIT);
        Arc::new(Self { last: Mutex::new(None), limit, connect, plain_http })
    }

    /// Forgets what went wrong before, and sets how large an object may be.
    pub(crate) fn begin(&self, size: u64) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        self.limit.store(size.max(Self::MIN_LIMIT), Ordering::Relaxed);
    }

    /// What went wrong last since [`Link::begin`].
    pub(crate) fn last(&self) -> Option<Transport> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, seen: Transport) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

/// Makes clients whose requests pass through [`Link`].
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) link: Arc<Link>,
    /// The store itself is at an `http://` URL.
    pub(crate) http: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The clients allow HTTP by themselves where they ask the machine's metadata service. Where it is
        // not allowed here, no redirection leads from HTTPS to it.
        let asked = options.get_config_value(&ClientConfigKey::AllowHttp);
        let allow_http =
            self.http || self.link.plain_http || asked.is_some_and(|value| value == "true");
        // One deadline over the whole request takes the place of the clients' own.
        let inner = client(options, allow_http, self.link.connect).map_err(|source| {
            object_store::Error::Generic { store: "HTTP", source: Box::new(source) }
        })?;
        Ok(HttpClient::new(Service { inner: HttpClient::new(inner), link: self.link.clone() }))
    }
}

/// The client below, without redirections and Referer: either would carry an Azure's signature or an AWS
/// session's token to another host. `object_store` makes one that has both. Of its options those remain
/// that the environment can set and that are about the network.
fn client(
    options: &ClientOptions,
    allow_http: bool,
    connect: Duration,
) -> reqwest::Result<reqwest::Client> {
    use ClientConfigKey as Key;
    let option = |key| options.get_config_value(&key).filter(|value| !value.is_empty());
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .https_only(!allow_http)
        // A user and a password.
        .default_headers(options.get_default_headers().cloned().unwrap_or_default());
    if let Some(url) = option(Key::ProxyUrl) {
        let excludes = option(Key::ProxyExcludes);
        let excludes = excludes.and_then(|hosts| reqwest::NoProxy::from_string(&hosts));
        builder = builder.proxy(reqwest::Proxy::all(url)?.no_proxy(excludes));
        if let Some(certificate) = option(Key::ProxyCaCertificate) {
            let certificate = reqwest::Certificate::from_pem(certificate.as_bytes())?;
            builder = builder.tls_certs_merge([certificate]);
        }
    }
    if option(Key::Http1Only).as_deref() == Some("true") {
        builder = builder.http1_only();
    }
    builder.build()
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    link: Arc<Link>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri();
        let host = uri.host().unwrap_or_default().to_owned();
        let place = uri.authority().map(ToString::to_string).unwrap_or_default();
        let plain = uri.scheme_str() != Some("https");
        if plain && !self.link.plain_http && !is_loopback(&host) && !is_metadata(&host) {
            self.link.remember(Transport::PlainHttp { host: place });
            let refused = std::io::Error::other("plain HTTP is refused");
            return Err(HttpError::new(HttpErrorKind::Unknown, refused));
        }
        match self.inner.execute(request).await {
            Ok(response) if response.status().is_success() => Ok(self.bounded(response)),
            Ok(response) => Ok(self.error_page(response).await),
            Err(error) => Err(self.no_answer(error, host, place)),
        }
    }
}

impl Service {
    /// Bounds the body, and remembers if it breaks off.
    fn bounded(&self, response: HttpResponse) -> HttpResponse {
        let link = self.link.clone();
        let limit = link.limit.load(Ordering::Relaxed);
        response.map(|body| {
            HttpResponseBody::new(Limited::new(body, limit).map_err(move |error| {
                link.remember(Transport::Broken { cause: root_cause(&*error) });
                match error.downcast::<HttpError>() {
                    Ok(error) => *error,
                    Err(error) => HttpError::new_boxed(HttpErrorKind::Decode, error),
                }
            }))
        })
    }

    /// Reads the start of an error's page, and gives that on as the whole.
    async fn error_page(&self, response: HttpResponse) -> HttpResponse {
        let (parts, body) = response.into_parts();
        let mut page = Vec::new();
        let mut body = body.bytes_stream();
        let read = async {
            while page.len() < MAX_ERROR_PAGE
                && let Some(Ok(bytes)) = body.next().await
            {
                page.extend_from_slice(&bytes[..bytes.len().min(MAX_ERROR_PAGE)]);
            }
        };
        // Without its page an error is an error, too.
        let _ = tokio::time::timeout(ERROR_PAGE, read).await;
        let page = String::from_utf8_lossy(&page).into_owned();
        let (status, code) = (parts.status.as_u16(), error_code(&page));
        // These are answers to what was asked: not there, not changed, there already.
        let answer = match status {
            304 | 409 | 412 => true,
            404 => !matches!(code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound")),
            _ => false,
        };
        if !answer {
            self.link.remember(Transport::Status { status, code });
        }
        HttpResponse::from_parts(parts, page.into())
    }

    fn no_answer(&self, error: HttpError, host: String, place: String) -> HttpError {
        let cause = root_cause(&error);
        // Only connecting has a time limit of its own, so a timeout is one of connecting.
        if !matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout) {
            self.link.remember(Transport::Broken { cause });
            return error;
        }
        self.link.remember(if is_metadata(&host) {
            Transport::NoMetadata
        } else {
            Transport::NoConnection { host: place, cause }
        });
        // A kind that the clients do not try again: a server that is away must not cost more than one
        // attempt.
        HttpError::new(HttpErrorKind::Unknown, error)
    }
}

/// The text of `<Code>`, if it is a plain word.
fn error_code(page: &str) -> Option<String> {
    let (code, _) = page.split_once("<Code>")?.1.split_once("</Code>")?;
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a URL's host is the metadata service of a cloud's machine, which has no TLS.
fn is_metadata(host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
        Err(_) => host.eq_ignore_ascii_case("metadata.google.internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
        for host in
            ["169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "metadata.google.internal"]
        {
            assert!(is_metadata(host), "{host}");
        }
        for host in ["168.254.169.254", "metadata.google.internal.example.com", "[fd00::1]"] {
            assert!(!is_metadata(host), "{host}");
        }
    }

    #[test]
    fn an_errors_code_is_a_plain_word() {
        let page = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message/></Error>";
        assert_eq!(error_code(page).as_deref(), Some("AccessDenied"));
        for page in ["", "<Code>", "<Code>a b</Code>", "<Code>\u{1b}</Code>", "</Code><Code>"] {
            assert_eq!(error_code(page), None, "{page}");
        }
    }

    #[test]
    fn a_limit_is_the_objects_size_or_a_lists() {
        let link = Link::new(Duration::from_secs(1), false);
        link.remember(Transport::NoMetadata);
        link.begin(100 << 20);
        assert_eq!(link.limit.load(Ordering::Relaxed), (100 << 20) + 1);
        assert!(link.last().is_none());
        link.begin(u64::MAX);
        link.begin(5);
        assert_eq!(link.limit.load(Ordering::Relaxed), Link::MIN_LIMIT);
    }
}
