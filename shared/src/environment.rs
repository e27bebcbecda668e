//! Variables that the program itself reads. `object_store`'s clients read their own (`AWS_*`,
//! `GOOGLE_*`, `AZURE_*`, proxies).

/// The file that holds the secret key.
pub(crate) const KEY_FILE: &str = "WHEELPRINT_SHARED_KEY_FILE";
/// The secret key itself, as CI systems hand it over.
pub(crate) const KEY: &str = "WHEELPRINT_SHARED_KEY";
/// Name for basic authentication with a plain HTTP server.
pub(crate) const HTTP_USER: &str = "WHEELPRINT_SHARED_HTTP_USER";
/// Password for basic authentication with a plain HTTP server.
pub(crate) const HTTP_PASSWORD: &str = "WHEELPRINT_SHARED_HTTP_PASSWORD";
/// Bearer token for a plain HTTP server.
pub(crate) const HTTP_TOKEN: &str = "WHEELPRINT_SHARED_HTTP_TOKEN";

/// The variable's text; an empty one counts as not set, as CI systems set variables without a value.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
