//! Writing cache keys into pyproject.toml. Comments and formatting stay.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::CacheKey;
use crate::error::{self, Error, Result};
use crate::settings::KeyList;

/// The comment above the keys that wheelprint wrote and may replace.
const MARK: &str = "`wheelprint keys --write` replaces the lines below";
/// What the mark says after that in the short list.
const REST: &str = "; the import check sees what no key names";

/// `[tool.uv] cache-keys`, separated by author.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Keys {
    /// The keys above the mark, written by the user or another tool.
    pub theirs: Vec<CacheKey>,
    /// The keys below the mark, written by wheelprint.
    pub ours: Vec<CacheKey>,
}

/// Reads the keys of a project. `None` if the project has none, so that uv uses its defaults.
pub(crate) fn read(path: &Path, text: &str) -> Result<Option<Keys>> {
    let document = parse(path, text)?;
    let item = document.get("tool").and_then(|tool| tool.get("uv")?.get("cache-keys"));
    let Some(item) = item else { return Ok(None) };
    let array = item.as_array().ok_or_else(|| wrong(path, "expected a list"))?;
    let mut keys = Keys::default();
    let mut is_ours = false;
    for value in array {
        is_ours |= prefix(value).contains(MARK);
        let written = value.clone().decorated("", "").to_string();
        let key = written.parse::<toml::Value>().and_then(toml::Value::try_into);
        let key = key.map_err(|_| wrong(path, &format!("not a cache key of uv: {written}")))?;
        if is_ours { keys.ours.push(key) } else { keys.theirs.push(key) }
    }
    Ok(Some(keys))
}

/// Replaces the keys below the mark by `ours`. If `ours` is empty, the mark and the tables that
/// become empty are removed.
pub(crate) fn write(path: &Path, text: &str, ours: &[CacheKey], list: KeyList) -> Result<String> {
    let known = read(path, text)?;
    if known.as_ref().map_or(ours.is_empty(), |keys| keys.ours == ours) {
        return Ok(text.to_owned());
    }
    let rest = if list == KeyList::Short { REST } else { "" };
    replaced(path, text, ours, Some(&format!("{MARK}{rest}")))
}

/// Removes the keys below the mark.
pub(crate) fn without_ours(path: &Path, text: &str) -> Result<String> {
    write(path, text, &[], KeyList::Short)
}

/// Replaces the keys below the mark. Without a new mark the keys belong to the project.
pub(crate) fn replaced(
    path: &Path,
    text: &str,
    ours: &[CacheKey],
    mark: Option<&str>,
) -> Result<String> {
    let mut document = parse(path, text)?;
    let tool = table_in(document.as_table_mut(), "tool");
    let tool = tool.ok_or_else(|| wrong(path, "tool is no table"))?;
    let uv = table_in(tool, "uv").ok_or_else(|| wrong(path, "tool.uv is no table"))?;
    let item = uv.entry("cache-keys").or_insert(toml_edit::value(Array::new()));
    let array = item.as_array_mut().ok_or_else(|| wrong(path, "expected a list"))?;
    replace_ours(array, ours, mark);
    if array.is_empty() {
        uv.remove("cache-keys");
        if uv.is_empty() {
            tool.remove("uv");
        }
        if tool.is_empty() {
            document.remove("tool");
        }
    }
    Ok(document.to_string())
}

fn replace_ours(array: &mut Array, ours: &[CacheKey], mark: Option<&str>) {
    let start = array.iter().position(|value| prefix(value).contains(MARK));
    // A comment of the user after the last key of `theirs` belongs to the prefix of our first key,
    // before the mark.
    let mut head = match start {
        Some(start) => array.get(start).map(prefix).unwrap_or_default(),
        None => array.trailing().as_str().unwrap_or_default().to_owned(),
    };
    if let Some(mark) = head.find(MARK) {
        head.truncate(head[..mark].rfind('#').unwrap_or(mark));
    }
    let head = head.trim_end().to_owned();
    while start.is_some_and(|start| array.len() > start) {
        array.remove(array.len() - 1);
    }
    if start.is_none() || ours.is_empty() {
        let is_one_line =
            head.is_empty() && !array.iter().any(|value| prefix(value).contains('\n'));
        array.set_trailing(if is_one_line { String::new() } else { format!("{head}\n") });
        array.set_trailing_comma(array.trailing_comma() && !is_one_line);
    }
    for (index, key) in ours.iter().enumerate() {
        let mut value = key.to_toml();
        let before = match (index, mark) {
            (0, Some(mark)) => format!("{head}\n    # {mark}\n    "),
            (0, None) => format!("{head}\n    "),
            _ => "\n    ".to_owned(),
        };
        value.decor_mut().set_prefix(before);
        array.push_formatted(value);
    }
    if !ours.is_empty() {
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
}

/// The table of this name, which is made if it is missing; `None` if it is no table.
pub(crate) fn table_in<'a>(
    parent: &'a mut dyn TableLike,
    name: &str,
) -> Option<&'a mut dyn TableLike> {
    let mut new = Table::new();
    new.set_implicit(name == "tool");
    parent.entry(name).or_insert(Item::Table(new)).as_table_like_mut()
}

/// The whitespace and comments before a value.
pub(crate) fn prefix(value: &Value) -> String {
    let prefix = value.decor().prefix().and_then(|prefix| prefix.as_str());
    prefix.unwrap_or_default().to_owned()
}

/// Parses the text into a document that can be edited. An error has path, line and column.
pub(crate) fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse::<DocumentMut>().map_err(|error| Error::Toml {
        path: path.to_owned(),
        position: error.span().map(|span| error::position(text, span.start)),
        field: None,
        cause: error.message().to_owned(),
        hint: None,
    })
}

fn wrong(path: &Path, cause: &str) -> Error {
    Error::field(path, "tool.uv.cache-keys", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(file: &str) -> CacheKey {
        CacheKey::File { file: file.to_owned() }
    }

    fn written(text: &str, ours: &[CacheKey]) -> String {
        write(Path::new("pyproject.toml"), text, ours, KeyList::Exhaustive).unwrap()
    }

    #[test]
    fn keys_of_people_stay_and_ours_are_replaced() {
        let text = "# top\n[tool.uv]\ncache-keys = [\n    { file = \"a\" }, # why\n    \"b\",\n    # end\n] # after\n\n[x]\n";
        let one = written(text, &[file("src/**/*.rs"), CacheKey::Environment { env: "X".into() }]);
        assert_eq!(
            one,
            format!(
                "# top\n[tool.uv]\ncache-keys = [\n    {{ file = \"a\" }}, # why\n    \"b\",\n    # end\n    # {MARK}\n    {{ file = \"src/**/*.rs\" }},\n    {{ env = \"X\" }},\n] # after\n\n[x]\n"
            )
        );
        let keys = read(Path::new("p"), &one).unwrap().unwrap();
        assert_eq!(keys.theirs, [file("a"), CacheKey::Path("b".into())]);
        assert_eq!(keys.ours.len(), 2);
        let two = written(&one, &[file("c")]);
        assert_eq!(
            two,
            one.replace("{ file = \"src/**/*.rs\" },\n    { env = \"X\" }", "{ file = \"c\" }")
        );
        assert_eq!(written(&two, &[file("c")]), two);
        assert_eq!(written(&two, &[]), text);
    }

    #[test]
    fn the_mark_of_the_short_list_says_what_it_leaves_out() {
        let path = Path::new("p");
        let short = write(path, "", &[file("a")], KeyList::Short).unwrap();
        assert!(short.contains(&format!("\n    # {MARK}{REST}\n    {{ file")), "{short}");
        let all = write(path, &short, &[file("b")], KeyList::Exhaustive).unwrap();
        assert!(all.contains(&format!("\n    # {MARK}\n    {{ file")), "{all}");
        assert_eq!(write(path, &all, &[file("a")], KeyList::Short).unwrap(), short);
    }

    #[test]
    fn what_was_not_there_is_made_and_taken_away_again() {
        for text in ["", "[project]\nname = \"x\"\n", "[tool.maturin]\nx = 1\n", "[tool.uv]\n"] {
            let one = written(text, &[file("a")]);
            assert!(one.starts_with(text), "{one}");
            assert!(one.contains("cache-keys = [\n    # "), "{one}");
            assert_eq!(read(Path::new("p"), &one).unwrap().unwrap().ours, [file("a")]);
            assert_eq!(written(&one, &[]).trim(), text.replace("[tool.uv]\n", "").trim());
        }
    }

    #[test]
    fn keys_on_one_line_are_read() {
        let text = "[tool.uv]\ncache-keys = [{ file = \"a\" }, { git = { commit = true } }]\n";
        let one = written(text, &[file("b")]);
        assert_eq!(
            one,
            format!(
                "[tool.uv]\ncache-keys = [{{ file = \"a\" }}, {{ git = {{ commit = true }} }},\n    # {MARK}\n    {{ file = \"b\" }},\n]\n"
            )
        );
        assert_eq!(written(&one, &[]), text);
    }

    #[test]
    fn what_uv_would_not_take_is_an_error() {
        for (text, cause) in [
            ("[tool.uv]\ncache-keys = 3\n", "expected a list"),
            (
                "[tool.uv]\ncache-keys = [{ fil = \"a\" }]\n",
                "not a cache key of uv: { fil = \"a\" }",
            ),
            ("[tool.uv\n", ":1:"),
        ] {
            let error = write(Path::new("pyproject.toml"), text, &[], KeyList::Short)
                .unwrap_err()
                .to_string();
            assert!(error.contains(cause), "{error}");
        }
    }
}
