//! Who built: the fields `builder` and `metadata` of SLSA's `runDetails`.

use serde_json::{Value as Json, json};

use crate::request::Environment;

/// Names the one who runs `wheelprint provenance`, whoever that is. docs/provenance.md says what it
/// claims: Build L1.
pub(crate) const BUILDER: &str = "https://pypi.org/project/wheelprint/#builder-v1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Builder {
    /// `builder.id`.
    pub(crate) id: String,
    /// `metadata.invocationId`: the address of the run in a workflow.
    pub(crate) invocation: Option<String>,
}

impl Builder {
    /// The builder that the user named, or ours. A run of GitHub Actions is named by its address.
    pub(crate) fn new(named: Option<&str>, environment: &Environment) -> Self {
        let value = |name| environment.non_empty(name).and_then(|value| value.to_str());
        let run = || {
            let (server, run) = (value("GITHUB_SERVER_URL")?, value("GITHUB_RUN_ID")?);
            let attempt = value("GITHUB_RUN_ATTEMPT").unwrap_or("1");
            let repository = value("GITHUB_REPOSITORY")?;
            Some(format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}"))
        };
        Self { id: named.unwrap_or(BUILDER).to_owned(), invocation: run() }
    }

    pub(super) fn json(&self) -> Json {
        json!({ "id": self.id, "version": { "wheelprint": env!("CARGO_PKG_VERSION") } })
    }

    pub(super) fn metadata(&self) -> Json {
        match &self.invocation {
            Some(invocation) => json!({ "invocationId": invocation }),
            None => json!({}),
        }
    }
}

/// The repository of a workflow's run, as the URI of its source, if the run is of this commit.
pub(crate) fn repository_of_run(commit: &str, environment: &Environment) -> Option<String> {
    let value = |name| environment.non_empty(name).and_then(|value| value.to_str());
    if value("GITHUB_SHA")? != commit {
        return None;
    }
    let (server, repository) = (value("GITHUB_SERVER_URL")?, value("GITHUB_REPOSITORY")?);
    Some(format!("git+{server}/{repository}@{}", value("GITHUB_REF").unwrap_or(commit)))
}

/// A remote of git as the URI of a source; `None` for one that is no address of a server. Names and
/// passwords are left out.
pub(crate) fn repository_of_remote(remote: &str, commit: &str) -> Option<String> {
    let (scheme, rest) = match remote.split_once("://") {
        Some((scheme @ ("https" | "http" | "ssh" | "git"), rest)) => (scheme, rest),
        Some(_) => return None,
        // `git@example.org:owner/name.git`
        None => {
            let (host, path) = remote.split_once(':')?;
            let host = host.rsplit_once('@').map(|(_, host)| host)?;
            return Some(format!("git+ssh://{host}/{}@{commit}", path.trim_start_matches('/')));
        }
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    Some(format!("git+{scheme}://{host}/{path}@{commit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_becomes_an_address_without_secrets() {
        for (remote, expected) in [
            ("https://example.org/a/b", Some("git+https://example.org/a/b@9")),
            ("https://me:secret@example.org/a/b.git", Some("git+https://example.org/a/b.git@9")),
            ("https://example.org/a/b?token=secret", Some("git+https://example.org/a/b@9")),
            ("git@example.org:a/b.git", Some("git+ssh://example.org/a/b.git@9")),
            ("ssh://git@example.org:22/a/b", Some("git+ssh://example.org:22/a/b@9")),
            ("/home/me/a", None),
            ("../a", None),
            ("C:/a/b", None),
            ("file:///home/me/a", None),
            ("https://", None),
        ] {
            assert_eq!(repository_of_remote(remote, "9").as_deref(), expected, "{remote}");
        }
    }

    #[test]
    fn a_run_is_named_only_for_its_own_commit() {
        let mut environment = Environment::default();
        assert_eq!(Builder::new(None, &environment).id, BUILDER);
        for (name, value) in [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "me/it"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_REF", "refs/tags/v1"),
        ] {
            environment.set(name, value);
        }
        let builder = Builder::new(Some("https://example.org/b"), &environment);
        assert_eq!(builder.id, "https://example.org/b");
        let run = "https://github.com/me/it/actions/runs/7/attempts/1";
        assert_eq!(builder.invocation.as_deref(), Some(run));
        let own = repository_of_run("abc", &environment);
        assert_eq!(own.as_deref(), Some("git+https://github.com/me/it@refs/tags/v1"));
        assert_eq!(repository_of_run("abd", &environment), None);
    }
}
