//! The source digest: one digest over all files of the project that are in its sdist
//! (docs/design.md, D13). It is the same for the tree, the sdist, a wheel made from either, and a
//! clone: files count by their path and content in the tree, even if maturin moves or rewrites them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub sha256: String,
    /// SHA-256 by path. Paths are relative to the project, with `/`; `../` leads out of its folder.
    pub files: BTreeMap<String, String>,
}

impl Source {
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self { sha256: digest(&files), files }
    }

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

/// A file of an sdist whose place or content differs from the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// The path inside the archive, without its top folder.
    pub path: String,
    pub sha256: String,
    /// The file of the tree that this file was made from; `None` if maturin generated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The text of the file in the tree, if maturin rewrote it.
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
