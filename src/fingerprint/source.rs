//! The source digest: one digest over all files of the project that its sdist holds
//! (docs/design.md, D13).
//!
//! It is the same in the tree, in the sdist, in a wheel made from either, and in a clone. Files are
//! named as seen from the project and digested as they are in the tree, even where maturin moves or
//! rewrites them for the sdist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;

/// The files that make up the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The digest of `files`.
    pub sha256: String,
    /// SHA-256 by path, relative to the project with `/`; `../` leads out of its folder.
    pub files: BTreeMap<String, String>,
}

impl Source {
    /// The sources made of these files.
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self { sha256: digest(&files), files }
    }

    /// Is the digest that of the files?
    pub fn is_consistent(&self) -> bool {
        self.sha256 == digest(&self.files)
    }
}

fn digest(files: &BTreeMap<String, String>) -> String {
    let mut tagged = Tagged::new("wheelprint source 1");
    for (path, sha256) in files {
        tagged.field("path", path);
        tagged.field("sha256", sha256);
    }
    tagged.finish()
}

/// A file of an sdist that is not what and where it is in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// Inside the archive, without its top folder.
    pub path: String,
    /// What it is in the archive.
    pub sha256: String,
    /// The file of the tree that it was made from; none if maturin made it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The text of that file, where maturin wrote another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_content_of_every_file_count() {
        let of = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, sha)| ((*name).into(), (*sha).into()));
            Source::new(files.collect()).sha256
        };
        let base = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(base, of(&[("b", "2"), ("a", "1")]));
        for other in [&[("a", "2"), ("b", "1")][..], &[("a", "1")], &[("a", "1"), ("c", "2")]] {
            assert_ne!(base, of(other));
        }
    }
}
