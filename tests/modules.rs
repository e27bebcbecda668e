//! Checks that the modules, and which module may call which, match the table in `docs/design.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;

/// The modules that every module may use.
const SHARED: [&str; 4] = ["digest", "publish", "error", "log"];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The texts between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The modules of the table from top to bottom, and the modules that each may call.
fn table(docs: &str) -> (Vec<String>, Edges) {
    let mut order = Vec::new();
    let mut edges = Edges::new();
    for line in docs.lines() {
        if !line.starts_with("| `") {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        for module in quoted(cells[0]) {
            order.push(module.clone());
            edges.insert(module, quoted(cells[2]).into_iter().collect());
        }
    }
    (order, edges)
}

/// The section of the design page that has the table.
fn modules_section() -> String {
    let page = fs::read_to_string("docs/design.md").unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Modules\n"));
    section.expect("docs/design.md has a section Modules").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix("src").unwrap().with_extension("");
            let module = name.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            found.push((module, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The modules that this text calls, outside of tests.
fn called(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

#[test]
fn data_goes_one_way() {
    let (order, allowed) = table(&modules_section());
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut used = Edges::new();
    for (module, text) in files.iter().filter(|(module, _)| module != "lib") {
        used.entry(module.clone()).or_default().extend(called(text));
    }
    let modules: BTreeSet<&String> = used.keys().collect();
    assert_eq!(modules, order.iter().collect(), "the table names every module, and no other");
    for (module, used) in &mut used {
        used.remove(module);
        used.retain(|other| !SHARED.contains(&other.as_str()));
        let place = order.iter().position(|other| other == module).unwrap();
        if module != "hooks" {
            assert_eq!(*used, allowed[module], "what {module} calls");
        }
        for other in used.iter() {
            assert!(
                order[place..].contains(other),
                "{module} calls {other}, which stands above it"
            );
        }
    }
}

/// The contract is in the module's documentation for contributors, and on a page for users.
#[test]
fn the_contract_is_the_same_in_both_places() {
    let lines = |text: &str, comment: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_start_matches(comment).trim().to_owned());
        lines.skip_while(|line| !line.starts_with("| input |")).collect()
    };
    let module = fs::read_to_string("src/fingerprint/mod.rs").unwrap();
    let docs: String = module
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| format!("{line}\n"))
        .collect();
    let page = fs::read_to_string("docs/what-counts.md").unwrap();
    assert_eq!(lines(&docs, "//!"), lines(&page, ""));
}
