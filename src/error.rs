//! The errors that a user can meet, and a hint for each.
//!
//! Wording: the field or path first, then the cause. The hint is separate (see [`Error::hint`]).

use std::fmt;
use std::path::{Path, PathBuf};

/// The result type of every module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed, in words. The error behind it is its source.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a hook or a command failed. Its text contains the text of its source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {cause}", path.display())]
    Path {
        path: PathBuf,
        #[source]
        cause: Cause,
    },

    /// `pyproject.toml` (or another TOML file) is missing, is not TOML, or has a value of a wrong
    /// type.
    #[error("{}{}: {}{cause}", path.display(), at(*position), before_cause(field.as_ref()))]
    Toml {
        path: PathBuf,
        /// Line and column, counted from one.
        position: Option<(u32, u32)>,
        field: Option<String>,
        cause: String,
        hint: Option<String>,
    },

    /// A wheelprint setting has an unknown name or value.
    #[error("{source_name}: {cause}")]
    Setting {
        /// The place of the setting, e.g. `pyproject.toml: tool.wheelprint.on-stal`.
        source_name: String,
        cause: String,
        hint: Option<String>,
    },

    /// A program or package that the build needs is missing.
    #[error("{name}: {cause}")]
    Missing { name: String, cause: String, hint: String },

    /// The sources cannot be built, and cargo named the cause: a Cargo.toml, or something that it
    /// refers to.
    #[error("{}{}: {cause}", path.display(), at(*position))]
    Sources {
        path: PathBuf,
        /// Line and column, counted from one.
        position: Option<(u32, u32)>,
        cause: String,
        hint: String,
    },

    /// maturin failed. Its own output, which ends with the compiler's, has been shown already.
    #[error("maturin: {hook} failed")]
    BuildFailed { hook: String },

    /// maturin returned a file that is no valid wheel.
    #[error("{}: {cause}", wheel.display())]
    Wheel {
        wheel: PathBuf,
        #[source]
        cause: Cause,
    },

    /// A file that the user named is not of the kind that the command needs.
    #[error("{}: {cause}", path.display())]
    Given {
        path: PathBuf,
        #[source]
        cause: Cause,
        hint: Option<String>,
    },

    /// A failure that should not happen. It is reported as an error instead of a panic.
    #[error("{0}")]
    Other(#[from] Cause),
}

impl Error {
    /// An I/O error with its path. `fs-err` puts the path into its own message, so it is removed
    /// from the cause here.
    pub fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        let inner = std::error::Error::source(error);
        let error = inner.and_then(|inner| inner.downcast_ref()).unwrap_or(error);
        let own = error.raw_os_error().map(std::io::Error::from_raw_os_error);
        Self::path(
            path,
            own.unwrap_or_else(|| std::io::Error::new(error.kind(), error.to_string())),
        )
    }

    /// A file or folder that could not be read or written.
    pub fn path(path: impl Into<PathBuf>, cause: impl Into<Cause>) -> Self {
        Self::Path { path: path.into(), cause: cause.into() }
    }

    /// A file that is no valid wheel (PEP 427).
    pub fn wheel(wheel: &Path, cause: impl Into<Cause>) -> Self {
        Self::Wheel { wheel: wheel.to_owned(), cause: cause.into() }
    }

    /// A file that the user named and that is not of the kind that the command needs.
    pub fn given(
        path: impl Into<PathBuf>,
        cause: impl Into<Cause>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Given { path: path.into(), cause: cause.into(), hint: Some(hint.into()) }
    }

    /// A setting, an argument or a name that is not valid.
    pub fn setting(
        source_name: impl Into<String>,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (source_name, cause) = (source_name.into(), cause.into());
        Self::Setting { source_name, cause, hint: Some(hint.into()) }
    }

    /// A file that is no TOML, or that has a value of a wrong type in a field.
    pub fn toml(path: &Path, text: &str, field: Option<String>, error: &toml::de::Error) -> Self {
        Self::Toml {
            path: path.to_owned(),
            position: error.span().map(|span| position(text, span.start)),
            field: field.filter(|field| field != "."),
            cause: error.message().trim().replace('\n', ": "),
            hint: None,
        }
    }

    /// A field of a TOML file, whose place in the text is not known.
    pub fn field(path: impl Into<PathBuf>, field: &str, cause: impl Into<String>) -> Self {
        let field = Some(field.to_owned());
        Self::Toml { path: path.into(), position: None, field, cause: cause.into(), hint: None }
    }

    /// The same error with this hint, if it can have one and has none.
    pub fn or_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Toml { hint, .. } | Self::Setting { hint, .. } | Self::Given { hint, .. } =
            &mut self
        {
            hint.get_or_insert_with(|| text.into());
        }
        self
    }

    /// cargo is needed, but it is not on PATH.
    pub fn missing_cargo() -> Self {
        Self::Missing {
            name: "cargo".to_owned(),
            cause: "not found on PATH".to_owned(),
            hint: "install Rust from https://rustup.rs, or: pip install puccinialin (with build \
                   isolation it is installed for the build unless MATURIN_NO_INSTALL_RUST is set)"
                .to_owned(),
        }
    }

    /// What the user can do about the error, if known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Toml { hint, .. } | Self::Setting { hint, .. } | Self::Given { hint, .. } => {
                hint.clone()
            }
            Self::Missing { hint, .. } | Self::Sources { hint, .. } => Some(hint.clone()),
            Self::Wheel { .. } => Some(
                "nothing was delivered; run the build again, and report it to maturin if it persists"
                    .to_owned(),
            ),
            Self::Path { .. } | Self::BuildFailed { .. } | Self::Other(_) => None,
        }
    }

    /// True if the user has already seen the cause. Nothing may be printed after it.
    pub fn already_shown(&self) -> bool {
        matches!(self, Self::BuildFailed { .. })
    }
}

/// A file in a wheel or sdist that does not match the archive's list of files.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    pub name: String,
    pub cause: String,
}

impl Damage {
    /// Damage of this file.
    pub fn new(name: &str, cause: impl ToString) -> Self {
        Self { name: name.to_owned(), cause: cause.to_string() }
    }
}

/// Adds the path to an I/O result.
pub trait PathContext<T> {
    /// # Errors
    /// The I/O error, as [`Error::Path`].
    fn at(self, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> PathContext<T> for std::io::Result<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|error| Error::io(path, &error))
    }
}

/// Puts words in front of an error, which becomes the source.
pub trait Because<T> {
    /// # Errors
    /// The same error, with these words.
    fn because(self, words: impl fmt::Display) -> Result<T, Cause>;
}

impl<T, E: Into<Cause>> Because<T> for Result<T, E> {
    fn because(self, words: impl fmt::Display) -> Result<T, Cause> {
        self.map_err(|error| because(words, error))
    }
}

/// The same error, with these words in front.
pub fn because(words: impl fmt::Display, error: impl Into<Cause>) -> Cause {
    Explained { words: words.to_string(), source: error.into() }.into()
}

#[derive(Debug, thiserror::Error)]
#[error("{words}: {source}")]
struct Explained {
    words: String,
    source: Cause,
}

/// The line and column of an offset in a text, counted from one.
pub fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let counted = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    (counted(before.matches('\n').count()), counted(line.chars().count()))
}

fn at(position: Option<(u32, u32)>) -> String {
    position.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default()
}

fn before_cause(field: Option<&String>) -> String {
    field.map(|field| format!("{field}: ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_io_error_says_its_path_once() {
        let error = fs_err::read("/nowhere/at/all").unwrap_err();
        let text = Error::io("/nowhere/at/all", &error).to_string();
        assert_eq!(text.matches("/nowhere/at/all").count(), 1, "{text}");
        // The rest is the system's own text.
        assert!(text.starts_with("/nowhere/at/all: "), "{text}");
    }

    #[test]
    fn the_system_s_error_is_the_source() {
        let failed = fs_err::read("/nowhere/at/all").at("/nowhere").because("the reason");
        let error = Error::from(failed.unwrap_err());
        let chain = std::iter::successors(error.source(), |error| (*error).source());
        let io = chain.filter_map(|error| error.downcast_ref::<std::io::Error>()).next().unwrap();
        assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), format!("the reason: /nowhere: {io}"));
    }

    #[test]
    fn a_toml_error_says_path_then_position_then_field_then_cause() {
        let error = Error::Toml {
            path: "pyproject.toml".into(),
            position: Some((3, 8)),
            field: Some("project.name".into()),
            cause: "expected a string".into(),
            hint: None,
        };
        assert_eq!(error.to_string(), "pyproject.toml:3:8: project.name: expected a string");
    }
}
