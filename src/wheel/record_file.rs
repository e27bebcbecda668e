//! RECORD: the list of a wheel's files with digests and sizes (PEP 376, PEP 427).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;

use crate::error::Cause;

/// Limit of the number of lines.
const LINES: usize = 1_000_000;

/// The lines of a RECORD, in order.
#[derive(Debug, Clone, Default)]
pub struct RecordFile {
    lines: IndexMap<String, Line>,
}

/// One line of RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    /// Digest in hex; `None` for RECORD itself.
    pub sha256: Option<String>,
    pub size: Option<u64>,
}

impl RecordFile {
    /// Parses RECORD's CSV text.
    ///
    /// # Errors
    /// The text is not CSV, has a digest that is not SHA-256, a repeated name, or too many lines.
    pub fn parse(text: &str) -> Result<Self, Cause> {
        let mut record = Self::default();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        for line in reader.records() {
            let line = line?;
            let field = |index| line.get(index).filter(|field: &&str| !field.is_empty());
            let name = field(0).ok_or("a line without a name")?.to_owned();
            let sha256 = field(1).map(|digest| decode(&name, digest)).transpose()?;
            let size = field(2)
                .map(|size| size.parse().map_err(|_| format!("{name}: {size} is no size")))
                .transpose()?;
            if record.get(&name).is_some() {
                return Err(format!("{name} is in it twice").into());
            }
            record.lines.insert(name.clone(), Line { name, sha256, size });
            if record.lines.len() > LINES {
                return Err("there are more than a million lines in it".into());
            }
        }
        Ok(record)
    }

    /// The line of a file.
    pub fn get(&self, name: &str) -> Option<&Line> {
        self.lines.get(name)
    }

    /// All lines.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// Removes the lines of all names for which `which` is true.
    pub fn remove(&mut self, which: impl Fn(&str) -> bool) {
        self.lines.retain(|name, _| !which(name));
    }

    /// Adds a file, before RECORD's own line.
    pub fn add(&mut self, name: String, sha256: &str, size: u64) {
        let line = Line { name: name.clone(), sha256: Some(sha256.to_owned()), size: Some(size) };
        let own = self.lines.values().position(|line| line.sha256.is_none());
        self.lines.shift_insert(own.unwrap_or(self.lines.len()), name, line);
    }

    /// Adds RECORD's own line.
    #[cfg(test)]
    pub fn add_itself(&mut self, name: &str) {
        let line = Line { name: name.to_owned(), sha256: None, size: None };
        self.lines.insert(name.to_owned(), line);
    }

    /// The lines as CSV text.
    pub fn to_text(&self) -> String {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        for line in self.lines.values() {
            let digest = line.sha256.as_deref().map(encode).unwrap_or_default();
            let size = line.size.map(|size| size.to_string()).unwrap_or_default();
            // Writing to memory does not fail.
            let _ = writer.write_record([line.name.as_str(), &digest, &size]);
        }
        writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn decode(name: &str, digest: &str) -> Result<String, Cause> {
    let digest = digest
        .strip_prefix("sha256=")
        .ok_or_else(|| format!("{name}: its digest is not SHA-256"))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(digest)
        .ok()
        .filter(|bytes| bytes.len() == 32)
        .ok_or_else(|| format!("{name}: {digest} is no digest"))?;
    Ok(hex::encode(bytes))
}

fn encode(sha256: &str) -> String {
    format!("sha256={}", URL_SAFE_NO_PAD.encode(hex::decode(sha256).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_part_of_a_line() {
        let empty = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let text = format!("a.py,{empty},0\n\"b, c.py\",{empty},0\na.dist-info/RECORD,,\n");
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let record = RecordFile::parse(&text).unwrap();
            let lines: Vec<_> =
                record.lines().map(|line| (line.name.as_str(), line.size)).collect();
            let expected = [("a.py", Some(0)), ("b, c.py", Some(0)), ("a.dist-info/RECORD", None)];
            assert_eq!(lines, expected, "{text:?}");
        }
    }
}
