//! Checks that the modules, and which module may call which, match the table in `docs/design.md`.
//! Inside a module, checks the length of files, and that files do not call each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;

/// The modules that every module may use.
const SHARED: [&str; 4] = ["digest", "publish", "error", "log"];

/// How many lines a file may have without its tests.
const LONGEST: usize = 400;

type Edges = BTreeMap<String, BTreeSet<String>>;

/// A path in the crate, like `store::prune`, part by part.
type Module = Vec<String>;

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

/// A file of the crate, without its tests and comments.
struct Source {
    /// Relative to `src`, with `/`.
    name: String,
    module: Module,
    /// Its lines, without tests.
    lines: usize,
    code: String,
}

/// All files except `lib.rs`.
fn sources(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix("src").unwrap();
            let parts = name.with_extension("");
            let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
            let mut module: Module = parts.collect();
            if module == ["lib"] {
                continue;
            }
            let name = format!("{}.rs", module.join("/"));
            module.pop_if(|last| last == "mod");
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            found.push(Source { name, module, lines: text.lines().count(), code });
        }
    }
}

fn all_sources() -> Vec<Source> {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    found
}

/// The modules that this code calls.
fn called(code: &str) -> BTreeSet<String> {
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

/// All paths that the file names with `crate::` or `super::`.
fn paths(source: &Source) -> Vec<Module> {
    let mut found = Vec::new();
    for (start, base) in [("crate::", Module::new()), ("super::", source.module.clone())] {
        for (at, _) in source.code.match_indices(start) {
            // The second `super` of `super::super::` is read with the first.
            let before = source.code[..at].chars().next_back();
            if !before.is_some_and(|char| char.is_alphanumeric() || "_:".contains(char)) {
                let from = if start == "super::" { at } else { at + start.len() };
                read_path(&source.code[from..], base.clone(), &mut found);
            }
        }
    }
    found
}

/// Reads a path, or a tree of paths with braces, below `path`. Gives the rest of the text.
fn read_path<'a>(mut text: &'a str, mut path: Module, found: &mut Vec<Module>) -> &'a str {
    loop {
        text = text.trim_start();
        if let Some(mut rest) = text.strip_prefix('{') {
            loop {
                rest = read_path(rest, path.clone(), found);
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                match rest[end..].strip_prefix(',') {
                    Some(next) => rest = next,
                    None => return rest.get(end + 1..).unwrap_or_default(),
                }
            }
        }
        let end = text.find(|char: char| !char.is_alphanumeric() && char != '_');
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        match name {
            "super" => drop(path.pop()),
            _ => path.push(name.to_owned()),
        }
        match rest.strip_prefix("::") {
            Some(rest) => text = rest,
            None => {
                found.push(path);
                return rest;
            }
        }
    }
}

/// Which files of one module call which others there. A module may call its own files, and they may
/// use what it defines, so such calls are left out.
fn calls_of_siblings(files: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut calls: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for file in files {
        for path in paths(file) {
            let shared = file.module.iter().zip(&path).take_while(|(one, other)| one == other);
            let depth = shared.count();
            // Calls of top-level modules are in the table.
            if depth == 0 || depth == file.module.len() || depth == path.len() {
                continue;
            }
            let called = path[..=depth].to_vec();
            if files.iter().any(|file| file.module == called) {
                calls.entry(file.module[..=depth].to_vec()).or_default().insert(called);
            }
        }
    }
    calls
}

#[test]
fn files_of_a_module_call_each_other_in_no_circle() {
    let calls = calls_of_siblings(&all_sources());
    let is_in_a_circle = |module: &&Module| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = calls[*module].iter().collect();
        while let Some(one) = next.pop() {
            if reached.insert(one) {
                next.extend(calls.get(one).into_iter().flatten());
            }
        }
        reached.contains(*module)
    };
    let found: Vec<String> =
        calls.keys().filter(is_in_a_circle).map(|module| module.join("::")).collect();
    assert!(found.is_empty(), "{found:?} call each other");
}

#[test]
fn files_are_short() {
    let files = all_sources();
    let long = files.iter().filter(|file| file.lines > LONGEST);
    let long: Vec<&str> = long.map(|file| file.name.as_str()).collect();
    assert!(long.is_empty(), "files with more than {LONGEST} lines without tests: {long:?}");
}

#[test]
fn data_goes_one_way() {
    let (order, allowed) = table(&modules_section());
    let mut used = Edges::new();
    for file in all_sources() {
        used.entry(file.module[0].clone()).or_default().extend(called(&file.code));
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
