//! From a URL to a store.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, HeaderMap, HeaderValue, ObjectStore, RetryConfig,
};
use url::Url;

use crate::environment::{self, HTTP_PASSWORD, HTTP_TOKEN, HTTP_USER};
use crate::failure::{Failure, Kind, plain_http, root_cause};
use crate::transport::{Connector, Link, is_loopback};

/// A store's URL, checked.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    url: Url,
    pub(crate) scheme: Scheme,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    S3,
    Google,
    Azure,
    /// Plain GET and PUT, over TLS or not.
    Http,
    File,
}

impl Location {
    /// Parses the URL. `signed_only` says whether only signed records are accepted: otherwise plain HTTP
    /// to another host is refused.
    pub(crate) fn parse(text: &str, signed_only: bool) -> Result<Self, Failure> {
        let refuse = |cause: String| Failure::new(Kind::Denied, format!("url: {cause}"));
        let url = Url::parse(text).map_err(|error| refuse(format!("{error}; {EXPECTED}")))?;
        // `az://container@account/prefix` has a name there that is no secret.
        let scheme = match url.scheme() {
            "s3" => Scheme::S3,
            "gs" => Scheme::Google,
            "az" => Scheme::Azure,
            "http" | "https" => Scheme::Http,
            "file" => Scheme::File,
            other => return Err(refuse(format!("{other}: is no kind of store; {EXPECTED}"))),
        };
        if url.password().is_some() || (!url.username().is_empty() && scheme != Scheme::Azure) {
            return Err(refuse(format!(
                "it holds a user or password; take them out and set {HTTP_USER} and {HTTP_PASSWORD}"
            )));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or fragment; take it out".into()));
        }
        let host = url.host_str().unwrap_or_default();
        if (scheme == Scheme::File) != host.is_empty() {
            return Err(refuse(EXPECTED.into()));
        }
        if url.scheme() == "http" && !signed_only && !is_loopback(host) {
            return Err(refuse(plain_http(host)));
        }
        Ok(Self { url, scheme })
    }

    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The engine, and the prefix of our objects in it.
    pub(crate) fn open(
        &self,
        link: &Arc<Link>,
        total: Duration,
    ) -> Result<(Arc<dyn ObjectStore>, Path), Failure> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: total,
        };
        let connector = |http| Connector { link: link.clone(), http };
        let url = self.as_str();
        let engine: object_store::Result<Arc<dyn ObjectStore>> = match self.scheme {
            Scheme::S3 => {
                let builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry);
                let endpoints = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
                let http = endpoints.iter().any(|key| {
                    builder.get_config_value(key).is_some_and(|url| url.starts_with("http://"))
                });
                let engine = builder.with_http_connector(connector(http)).build();
                engine.map(|engine| Arc::new(engine) as _)
            }
            Scheme::Google => GoogleCloudStorageBuilder::from_env()
                .with_url(url)
                .with_retry(retry)
                .with_http_connector(connector(false))
                .build()
                .map(|engine| Arc::new(engine) as _),
            Scheme::Azure => MicrosoftAzureBuilder::from_env()
                .with_url(url)
                .with_retry(retry)
                .with_http_connector(connector(false))
                .build()
                .map(|engine| Arc::new(engine) as _),
            Scheme::Http => HttpBuilder::new()
                .with_url(url)
                .with_retry(retry)
                .with_client_options(self.http_options()?)
                .with_http_connector(connector(self.url.scheme() == "http"))
                .build()
                .map(|engine| Arc::new(engine) as _),
            Scheme::File => Ok(Arc::new(LocalFileSystem::new())),
        };
        let engine = engine.map_err(|error| {
            let cause = root_cause(&error);
            let certificates = cause.contains("No CA certificates");
            self.refused(&if certificates { format!("{cause}; {NO_CERTIFICATES}") } else { cause })
        })?;
        Ok((engine, self.prefix()?))
    }

    /// The options with a plain HTTP server's credentials. They are not sent where anybody can read them.
    fn http_options(&self) -> Result<ClientOptions, Failure> {
        let Some(headers) = http_credentials()? else { return Ok(ClientOptions::new()) };
        if self.url.scheme() == "http" && !is_loopback(self.url.host_str().unwrap_or_default()) {
            return Err(self.refused("user and password are not sent over http; use https"));
        }
        Ok(ClientOptions::new().with_default_headers(headers))
    }

    fn prefix(&self) -> Result<Path, Failure> {
        let path = match self.scheme {
            // The HTTP engine puts its URL's path before all names.
            Scheme::Http => Ok(Path::ROOT),
            Scheme::File => {
                let folder = self.url.to_file_path().map_err(|()| self.refused(EXPECTED))?;
                Path::from_absolute_path(folder)
            }
            Scheme::S3 | Scheme::Google | Scheme::Azure => Path::from_url_path(self.url.path()),
        };
        path.map_err(|error| self.refused(&root_cause(&error)))
    }

    fn refused(&self, cause: &str) -> Failure {
        Failure::new(Kind::Denied, format!("{}: {cause}", self.as_str()))
    }
}

const NO_CERTIFICATES: &str =
    "install the package ca-certificates, or name a file of certificates in SSL_CERT_FILE";
const EXPECTED: &str = "expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, https://HOST/PATH or \
     file:///FOLDER";

/// A plain HTTP server's credentials, from the environment.
fn http_credentials() -> Result<Option<HeaderMap>, Failure> {
    let token = environment::variable(HTTP_TOKEN);
    let user = environment::variable(HTTP_USER);
    let password = environment::variable(HTTP_PASSWORD);
    let value = match (token, user, password) {
        (Some(token), ..) => format!("Bearer {token}"),
        (None, Some(user), password) => {
            let pair = format!("{user}:{}", password.unwrap_or_default());
            format!("Basic {}", STANDARD.encode(pair))
        }
        (None, None, Some(_)) => {
            return Err(Failure::new(
                Kind::Denied,
                format!("{HTTP_PASSWORD}: set {HTTP_USER}, too"),
            ));
        }
        (None, None, None) => return Ok(None),
    };
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        Failure::new(Kind::Denied, format!("{HTTP_TOKEN}: has characters that no HTTP header may"))
    })?;
    // Not for any text about the request.
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", value);
    Ok(Some(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Location::parse(url, false).unwrap_err().cause
    }

    #[test]
    fn urls_of_stores_are_accepted() {
        for (url, scheme) in [
            ("s3://bucket/prefix/", Scheme::S3),
            ("gs://bucket", Scheme::Google),
            ("az://container/a/b", Scheme::Azure),
            ("az://container@account/a", Scheme::Azure),
            ("https://example.com/cache", Scheme::Http),
            ("http://127.0.0.1:8080/cache", Scheme::Http),
            ("http://[::1]/cache", Scheme::Http),
            ("file:///srv/cache", Scheme::File),
        ] {
            assert_eq!(Location::parse(url, false).unwrap().scheme, scheme, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "bucket",
            "ftp://host/",
            "memory:///",
            "s3:///prefix",
            "file://host/share",
            "https:///",
        ] {
            assert!(refusal(url).contains("expected s3://"), "{url}");
        }
        for url in [
            "https://user:secret@host/",
            "https://user@host/",
            "s3://key:secret@bucket/",
            "az://container:secret@account/a",
        ] {
            let cause = refusal(url);
            assert!(
                cause.contains("holds a user or password") && !cause.contains("secret"),
                "{cause}"
            );
        }
        assert!(refusal("az://container/a?sig=secret").contains("has a query"));
        assert!(refusal("https://host/#a").contains("has a query or fragment"));
    }

    #[test]
    fn plain_http_to_another_host_needs_signatures() {
        assert!(refusal("http://example.com/cache").contains("use https, or list trusted keys"));
        assert!(Location::parse("http://example.com/cache", true).is_ok());
    }

    #[test]
    fn a_prefix_cannot_leave_its_bucket() {
        let prefix =
            |url| Location::parse(url, false).unwrap().prefix().map(|path| path.to_string());
        assert_eq!(prefix("s3://bucket/a%20b/c/").unwrap(), "a b/c");
        assert_eq!(prefix("s3://bucket").unwrap(), "");
        assert_eq!(prefix("s3://bucket/a/../../b").unwrap(), "b");
        assert!(prefix("s3://bucket/a%2f..%2fb").is_err());
        assert!(prefix("s3://bucket/a//b").is_err());
    }
}
