//! Why a build can serve only the tree that made it (docs/design.md, D17).
//!
//! A build is shared between the trees of a project if nothing in it depends on where its tree lies.
//! There are four ways to depend on that:
//!
//! 1. rustc read a path of the tree from a variable, such as `CARGO_MANIFEST_DIR`. Code can depend
//!    on such a path without containing it.
//! 2. A file that the build made contains a path of the tree: as text, as RPATH, as the place of a
//!    panic. Debug information is left out, because a program does not read its own.
//! 3. An input, a variable or a config setting contains a path of the tree. In another tree the
//!    same content would mean files of this one.
//! 4. A name leads out of the tree, relative to it. In another tree it leads elsewhere.
//!
//! A build that is tied without need is only not shared. One that is shared without right is wrong.
//! So in doubt it is tied.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Cause;
use crate::fingerprint::{Inputs, Value};
use crate::inputs::cargo::Told;
use crate::inputs::target::Target;
use crate::inputs::{self, Key, Kind, Root, Roots};
use crate::request::{Artifact, ConfigValue, Environment, Request};
use crate::wheel::{Content, Wheel, sbom};

mod flags;
mod native;
mod tree;

use tree::{Tree, around};

/// One reason why a build can serve only the tree that made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "tied", rename_all = "kebab-case")]
pub(crate) enum Tied {
    /// A variable with a path of the tree, which rustc read for a package.
    Read { package: String, variable: String },
    /// An instruction with a path of the tree, which a package's build script gave to cargo.
    Instruction { package: String, instruction: String },
    /// A file of the wheel that contains a path of the tree.
    Product { name: String },
    /// An input that contains a path of the tree, or a variable with such a value.
    Input { key: Key },
    /// A config setting with a path of the tree.
    Setting { name: String },
    /// An input outside of the tree that may have been named relative to the tree.
    Outside { key: Key },
    /// One of git's own files, in the tree or outside of it.
    Git { key: Key },
    /// A file that could not be searched.
    Unsearched { name: String, cause: String },
    /// The tree's own path is not UTF-8, so it can't be searched for.
    NotUtf8,
    /// A link leads to a folder of the tree, so its place relative to the project has two names.
    Linked,
}

impl Tied {
    /// Is this a reason about the content of an input?
    pub(crate) fn is_about(&self, input: &Key) -> bool {
        matches!(self, Self::Input { key } if key == input)
            || matches!(self, Self::Unsearched { name, .. } if *name == input.name)
    }
}

/// A finished build, and what is known of it.
pub(crate) struct Build<'a> {
    pub request: &'a Request,
    /// The variables that the build saw.
    pub environment: &'a Environment,
    /// Cargo's packages; `None` if cargo could not be asked.
    pub target: Option<&'a Target>,
    /// What rustc and build scripts said.
    pub told: &'a [Told],
    pub inputs: &'a Inputs,
    pub roots: &'a Roots,
    /// The files that maturin wrote into the tree, for an editable wheel, each with its name.
    pub products: &'a [(Content, &'a str)],
}

impl Build<'_> {
    /// Why the build can serve only this tree, sorted; empty if it can serve any tree of the
    /// project. `wheel` is the wheel that maturin made. Inputs for which `is_known` are not
    /// searched: an earlier build of this tree, with the same roots and the same content, was not
    /// tied by them.
    pub(crate) fn reasons(
        &self,
        wheel: &mut Wheel,
        is_known: impl Fn(&Key, &Value) -> bool + Sync,
    ) -> Vec<Tied> {
        let tree = Tree::of(&self.request.root, self.target, self.told);
        if !tree.is_utf8 {
            return vec![Tied::NotUtf8];
        }
        let mut found: BTreeSet<Tied> = units(&tree, self.told);
        found.extend(outside(&tree, &self.request.root, self.told, self.inputs, self.roots));
        found.extend(of_git(self.inputs, self.roots));
        found.extend((!self.roots.can_move()).then_some(Tied::Linked));
        found.extend(self.texts(&tree));
        found.extend(files(&tree, &self.request.root, self.roots, self.inputs, is_known));
        found.extend(self.made(&tree, wheel));
        found.into_iter().collect()
    }

    /// Variables that count, and config settings.
    fn texts(&self, tree: &Tree) -> Vec<Tied> {
        let variables = self.inputs.keys().filter(|key| key.kind == Kind::Variable);
        let named = variables.filter(|key| {
            let value = self.environment.get(&key.name);
            value.is_some_and(|value| tree.is_in_sources(value.as_encoded_bytes()))
        });
        let settings = self.request.config_settings.iter().filter(|(_, value)| match value {
            ConfigValue::Text(text) => tree.is_in_sources(text.as_bytes()),
            ConfigValue::List(texts) => {
                texts.iter().any(|text| tree.is_in_sources(text.as_bytes()))
            }
            ConfigValue::Flag(_) => false,
        });
        let settings = settings.map(|(name, _)| Tied::Setting { name: name.clone() });
        let variables = self.inputs.keys().filter(|key| key.kind == Kind::Variable);
        let flags = variables.filter(|key| {
            let value = self.environment.get(&key.name);
            value.is_some_and(|it| flags::are_in_variable(&key.name, &it.to_string_lossy()))
        });
        let named = named.chain(flags).map(|key| Tied::Input { key: key.clone() });
        named.chain(settings).collect()
    }

    /// The files that the build made.
    fn made(&self, tree: &Tree, wheel: &mut Wheel) -> Vec<Tied> {
        let names: Vec<String> = wheel.files().map(|(name, _)| name.to_owned()).collect();
        let dist_info = format!("{}/", wheel.dist_info);
        let place = |folder: &str| inputs::relative(&self.request.root, Path::new(folder));
        let is_editable = self.request.artifact == Artifact::Editable;
        let mut found = Vec::new();
        for name in names {
            // The shell of an editable wheel is made anew for each tree.
            if is_debug_information(&name) || (is_editable && is_path_file(&name)) {
                continue;
            }
            let read = wheel.read(&name).map_err(|error| error.to_string()).map(|bytes| match name
                .strip_prefix(&dist_info)
                .is_some_and(sbom::is_generated)
            {
                true => sbom::settled(&bytes, place).unwrap_or(bytes),
                false => bytes,
            });
            found.extend(product(tree, name, read.map(Cow::from)));
        }
        for (content, name) in self.products.iter().filter(|(_, name)| !is_debug_information(name))
        {
            let read = content.read().map_err(|error| error.to_string());
            found.extend(product(tree, (*name).to_owned(), read));
        }
        found
    }
}

fn product(tree: &Tree, name: String, read: Result<Cow<'_, [u8]>, String>) -> Option<Tied> {
    match read {
        Ok(bytes) if tree.is_in_product(&bytes) => Some(Tied::Product { name }),
        Ok(_) => None,
        Err(cause) => Some(Tied::Unsearched { name, cause }),
    }
}

/// Debug information in a file of its own.
fn is_debug_information(name: &str) -> bool {
    name.ends_with(".pdb") || name.ends_with(".dwp") || name.contains(".dSYM/")
}

/// A `.pth` that Python reads at its start.
pub(crate) fn is_path_file(name: &str) -> bool {
    name.ends_with(".pth") && !name.contains('/')
}

/// What the units in use were told of the tree's place.
fn units(tree: &Tree, told: &[Told]) -> BTreeSet<Tied> {
    /// Variables that cargo sets to paths of the package and its target folder.
    const PLACES: [&str; 4] =
        ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_TARGET_TMPDIR", "OUT_DIR"];
    let mut found = BTreeSet::new();
    for unit in told {
        for (variable, value) in &unit.variables {
            let value = value.as_bytes();
            // A package of the registry includes its generated code from OUT_DIR. This code follows
            // from pinned sources, and paths that reach the module are found there.
            let is_tied = match unit.is_local {
                true => PLACES.contains(&variable.as_str()) || tree.is_anywhere_in(value),
                false => tree.is_outside_products_in(value),
            };
            if is_tied {
                let (package, variable) = (unit.package.clone(), variable.clone());
                found.insert(Tied::Read { package, variable });
            }
        }
        for (instruction, value) in &unit.instructions {
            let is_tied = tree.is_outside_products_in(value.as_bytes())
                || (unit.is_local && flags::is_relative(instruction, value));
            if is_tied && !["warning", "error"].contains(&instruction.as_str()) {
                let (package, instruction) = (unit.package.clone(), instruction.clone());
                found.insert(Tied::Instruction { package, instruction });
            }
        }
    }
    found
}

/// Inputs outside of the tree, unless rustc or a build script named them by an absolute path, and
/// they lie far from the tree. A build script may find a path near the tree by the tree's own.
fn outside(
    tree: &Tree,
    project: &Path,
    told: &[Told],
    inputs: &Inputs,
    roots: &Roots,
) -> Vec<Tied> {
    let near: Vec<&Path> = around(project).collect();
    let mut absolute: BTreeSet<&Path> = BTreeSet::new();
    let mut relative: BTreeSet<&Path> = BTreeSet::new();
    for (path, name) in told.iter().flat_map(|unit| &unit.outside) {
        let is_absolute =
            name.is_absolute() && !tree.is_anywhere_in(name.as_os_str().as_encoded_bytes());
        if is_absolute {
            absolute.insert(path)
        } else {
            relative.insert(path)
        };
    }
    let is_below = |path: &Path, named: &BTreeSet<&Path>| {
        path.ancestors().any(|folder| named.contains(folder))
    };
    let is_tied = |key: &&Key| {
        let is_free = |path: PathBuf| {
            is_below(&path, &absolute)
                && !is_below(&path, &relative)
                && !near.iter().any(|folder| path.starts_with(folder))
                && !is_in_repository(&path)
        };
        matches!(key.root, Some(Root::Outside(_)))
            && !is_of_git(key, roots)
            && !roots.path_of(key).is_some_and(is_free)
    };
    inputs.keys().filter(is_tied).map(|key| Tied::Outside { key: key.clone() }).collect()
}

/// Git's own files, also absent ones: a build script that watches them asks git, and each clone and
/// worktree has other answers.
fn of_git(inputs: &Inputs, roots: &Roots) -> Vec<Tied> {
    let found = inputs.keys().filter(|key| is_of_git(key, roots));
    found.map(|key| Tied::Git { key: key.clone() }).collect()
}

fn is_of_git(key: &Key, roots: &Roots) -> bool {
    let is_outside = matches!(key.root, Some(Root::Outside(_)));
    let path = if is_outside { roots.path_of(key) } else { None };
    key.name.split('/').any(|name| name == ".git")
        || path.is_some_and(|path| path.iter().any(|name| name == ".git"))
}

/// Whether the path is in git's folder of a repository. A build script asks git for it, and each
/// worktree has another one (gitrepository-layout(5)).
fn is_in_repository(path: &Path) -> bool {
    path.iter().any(|name| name.as_encoded_bytes().ends_with(b".git"))
}

/// Files among the inputs.
fn files(
    tree: &Tree,
    project: &Path,
    roots: &Roots,
    inputs: &Inputs,
    is_known: impl Fn(&Key, &Value) -> bool + Sync,
) -> Vec<Tied> {
    let files: Vec<(&Key, &Value)> = inputs
        .iter()
        .filter(|(key, value)| {
            matches!(key.kind, Kind::File | Kind::Toml) && matches!(value, Value::Sha256(_))
        })
        .collect();
    let search = |(key, value): (&Key, &Value)| {
        if is_known(key, value) {
            return None;
        }
        let path = match key.root {
            Some(Root::Above) => Some(project.join(&key.name)),
            _ => roots.path_of(key),
        };
        let unsearched = |cause: String| Tied::Unsearched { name: key.name.clone(), cause };
        let Some(path) = path else { return Some(unsearched("its folder is not known".into())) };
        match is_about_the_tree(tree, key.kind, &path) {
            Ok(true) => Some(Tied::Input { key: key.clone() }),
            Ok(false) => None,
            Err(error) => Some(unsearched(error.to_string())),
        }
    };
    files.into_par_iter().filter_map(search).collect()
}

/// Whether a file contains a path of the tree, or flags or a program with a relative one.
///
/// # Errors
/// The file can't be read, or is no TOML and should be.
fn is_about_the_tree(tree: &Tree, kind: Kind, path: &Path) -> Result<bool, Cause> {
    if tree.is_in_file(path)? {
        return Ok(true);
    }
    Ok(kind == Kind::Toml && flags::are_in(&fs_err::read_to_string(path)?.parse()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::inputs::{Part, Place, dep_info};

    fn words(tied: impl IntoIterator<Item = Tied>) -> Vec<String> {
        let words = |tied: Tied| match tied {
            Tied::Read { package, variable } => format!("{package} {variable}"),
            Tied::Instruction { package, instruction } => format!("{package} {instruction}"),
            other => format!("{other:?}"),
        };
        tied.into_iter().map(words).collect()
    }

    #[test]
    fn what_units_were_told() {
        let tree = Tree::new(vec!["/w/t".into()], vec!["/w/t/target".into()]);
        let variable = |is_local, name: &str, value: &str| Told {
            package: "p".into(),
            is_local,
            variables: BTreeSet::from([(name.into(), value.into())]),
            ..Told::default()
        };
        let script = |is_local, name: &str, value: &str| Told {
            package: "p".into(),
            is_local,
            instructions: vec![(name.into(), value.into())],
            ..Told::default()
        };
        const OUT: &str = "/w/t/target/release/build/p/out";
        for (told, expected) in [
            (variable(true, "CARGO_PKG_VERSION", "1.0"), None),
            (variable(true, "CARGO_MANIFEST_DIR", "/w/t"), Some("p CARGO_MANIFEST_DIR")),
            (variable(true, "CARGO_MANIFEST_DIR", "/other"), Some("p CARGO_MANIFEST_DIR")),
            (variable(true, "OUT_DIR", OUT), Some("p OUT_DIR")),
            (variable(true, "DATA", "/w/t/data"), Some("p DATA")),
            (variable(true, "DATA", "/usr/share"), None),
            (variable(false, "OUT_DIR", OUT), None),
            (variable(false, "CARGO_MANIFEST_DIR", "/h/.cargo/registry/src/p"), None),
            (variable(false, "DATA", "/w/t/data"), Some("p DATA")),
            (script(true, "rustc-link-search", "native=/w/t/lib"), Some("p rustc-link-search")),
            (script(true, "rustc-link-search", "native=lib"), Some("p rustc-link-search")),
            (script(true, "rustc-link-search", "native=/usr/lib"), None),
            (script(true, "rustc-flags", "-L lib"), Some("p rustc-flags")),
            (script(true, "rustc-link-arg-cdylib", "foo.o"), Some("p rustc-link-arg-cdylib")),
            (script(false, "rustc-link-arg", "foo.o"), None),
            (script(true, "rustc-link-search", &format!("native={OUT}")), None),
            (script(false, "root", "/w/t/include"), Some("p root")),
            (script(true, "warning", "/w/t/include"), None),
        ] {
            let found = words(units(&tree, std::slice::from_ref(&told)));
            assert_eq!(found, Vec::from_iter(expected), "{told:?}");
        }
    }

    #[test]
    fn files_of_git() {
        let key = |name: &str| {
            let place = Place { root: Root::Project, path: name.into() };
            Inputs::from([(Key::place(Part::Rust, Kind::File, place), Value::Absent)])
        };
        for name in [".git/HEAD", ".git", "../.git/index", "vendor/a/.git/HEAD"] {
            let inputs = key(name);
            let git = inputs.keys().map(|key| Tied::Git { key: key.clone() });
            assert_eq!(of_git(&inputs, &Roots::default()), Vec::from_iter(git), "{name}");
        }
        for name in ["src/a.git.rs", "x.git/a", ".gitignore", ".github/a.rs"] {
            assert!(of_git(&key(name), &Roots::default()).is_empty(), "{name}");
        }
    }

    #[test]
    fn inputs_outside_of_the_tree() {
        let tree = Tree::new(vec!["/w/t".into()], Vec::new());
        let mut roots = Roots::default();
        roots.add(Root::Project, "/w/t");
        let free: fn(Key) -> Option<Tied> = |_| None;
        let outside_of: fn(Key) -> Option<Tied> = |key| Some(Tied::Outside { key });
        let git: fn(Key) -> Option<Tied> = |key| Some(Tied::Git { key });
        for (file, names, expected) in [
            ("/usr/x/a.h", &["/usr/x/a.h"][..], free),
            ("/usr/x/a.h", &["/usr/x"], free),
            ("/usr/x/a.h", &["../../usr/x/a.h"], outside_of),
            ("/usr/x/a.h", &["/w/t/../../usr/x/a.h"], outside_of),
            ("/usr/x/a.h", &["/usr/x/a.h", "../../usr/x/a.h"], outside_of),
            // Named by a manifest, say.
            ("/usr/x/a.h", &[], outside_of),
            // A build script may have found it by the place of the tree.
            ("/w/x/a.h", &["/w/x/a.h"], outside_of),
            ("/repo.git/worktrees/t/HEAD", &["/repo.git/worktrees/t/HEAD"], outside_of),
            ("/usr/main/.git/worktrees/t/HEAD", &["/usr/main/.git/worktrees/t/HEAD"], git),
            ("/usr/main/.git/HEAD", &["/usr/main/.git"], git),
        ] {
            let place = roots.name(Path::new(file)).unwrap();
            let key = Key::place(Part::Rust, Kind::File, place);
            let inputs = Inputs::from([(key.clone(), Value::Sha256("aa".into()))]);
            let path = |name: &str| inputs::normalize(&Path::new("/w/t").join(name));
            let named = names.iter().map(|name| (path(name), name.into()));
            let told = Told { outside: named.collect(), ..Told::default() };
            let mut found = outside(&tree, Path::new("/w/t"), &[told], &inputs, &roots);
            found.extend(of_git(&inputs, &roots));
            assert_eq!(found, Vec::from_iter(expected(key)), "{file} {names:?}");
        }
    }

    #[test]
    fn variables_with_a_path_of_the_tree() {
        let variable = |name: &str| Key::named(Part::Environment, Kind::Variable, name);
        let mut environment = Environment::default();
        let mut inputs = Inputs::new();
        for (name, value) in [
            ("CFLAGS", "-I/w/t/include"),
            ("RUSTFLAGS", "-L native=lib"),
            ("CARGO_ENCODED_RUSTFLAGS", "-C\u{1f}target-cpu=native\u{1f}-Copt-level=3"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-Clink-arg=foo.o"),
            // No flags.
            ("CC", "tools/cc.o"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "tools/ld"),
            ("CARGO_HOST_LINKER", "/usr/bin/clang"),
            ("RUSTC_WORKSPACE_WRAPPER", "./wrapper"),
            ("RUSTC_WRAPPER", "sccache"),
            ("RUSTC", "tools/rustc"),
            ("CARGO", "cargo"),
        ] {
            environment.set(name, value);
            inputs.insert(variable(name), Value::Sha256("aa".into()));
        }
        let request = Request {
            artifact: Artifact::Editable,
            root: "/w/t".into(),
            config_settings: [("a", "/w/t/x"), ("b", "/usr/x")]
                .map(|(name, value)| (name.to_owned(), ConfigValue::Text(value.into())))
                .into(),
            interpreter: Default::default(),
            environment: Environment::default(),
        };
        let build = Build {
            request: &request,
            environment: &environment,
            target: None,
            told: &[],
            inputs: &inputs,
            roots: &Roots::default(),
            products: &[],
        };
        let found = build.texts(&Tree::new(vec!["/w/t".into()], Vec::new()));
        let tied = |name: &str| Tied::Input { key: variable(name) };
        let expected = [
            tied("CFLAGS"),
            tied("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER"),
            tied("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS"),
            tied("RUSTC"),
            tied("RUSTC_WORKSPACE_WRAPPER"),
            tied("RUSTFLAGS"),
            Tied::Setting { name: "a".into() },
        ];
        assert_eq!(BTreeSet::from_iter(found), BTreeSet::from(expected));
    }

    #[test]
    fn files_with_a_path_of_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(vec!["/w/t".into()], Vec::new());
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        const CONFIG: &str = "[build]\nrustflags = [\n  '-L',\n  'native=lib',\n]\n";
        let input = |key| Some(Tied::Input { key });
        let unsearched = |Key { name, .. }| Some(Tied::Unsearched { name, cause: String::new() });
        type Case<'a> = (&'a str, Kind, Option<&'a [u8]>, &'a dyn Fn(Key) -> Option<Tied>);
        let cases: [Case<'_>; 10] = [
            ("a.txt", Kind::File, Some(b"/w/tree"), &|_| None),
            ("b.txt", Kind::File, Some(b"/w/t/x"), &input),
            ("gone.txt", Kind::File, None, &unsearched),
            ("c.toml", Kind::Toml, Some(b"a = '/w/t/x'"), &input),
            ("d.toml", Kind::Toml, Some(CONFIG.as_bytes()), &input),
            ("e.toml", Kind::Toml, Some(b"rustflags = ['-Ctarget-cpu=native']"), &|_| None),
            ("gone.toml", Kind::Toml, None, &unsearched),
            ("broken.toml", Kind::Toml, Some(b"rustflags = ["), &unsearched),
            ("latin1.toml", Kind::Toml, Some(b"# caf\xe9\n"), &unsearched),
            // Only cargo's configuration has flags.
            ("f.rs", Kind::File, Some(CONFIG.as_bytes()), &|_| None),
        ];
        for (name, kind, content, expected) in cases {
            if let Some(content) = content {
                fs_err::write(folder.path().join(name), content).unwrap();
            }
            let place = Place { root: Root::Project, path: name.into() };
            let key = Key::place(Part::Manifest, kind, place);
            let inputs = Inputs::from([(key.clone(), Value::Sha256("aa".into()))]);
            let mut found = files(&tree, folder.path(), &roots, &inputs, |_, _| false);
            for tied in &mut found {
                if let Tied::Unsearched { cause, .. } = tied {
                    assert!(!std::mem::take(cause).is_empty(), "{name}");
                }
            }
            assert_eq!(found, Vec::from_iter(expected(key)), "{name}");
            assert!(files(&tree, folder.path(), &roots, &inputs, |_, _| true).is_empty());
        }
    }

    /// Compiles a module in a tree. Gives what rustc told, and whether the module has a path.
    fn compile(tree: &Path, source: &str, arguments: &[&str]) -> (Told, bool) {
        let module = tree.join("target/module.bin");
        let generated = tree.join("target/build/out");
        fs_err::create_dir_all(&generated).unwrap();
        fs_err::write(generated.join("code.rs"), "pub const N: i32 = 1;").unwrap();
        fs_err::write(tree.join("lib.rs"), source).unwrap();
        let emit = format!("--emit=link={},dep-info=target/module.d", module.display());
        let output = Command::new("rustc")
            .args(["--crate-type=cdylib", "--crate-name=module", "lib.rs", &emit])
            .args(arguments)
            .current_dir(tree)
            .env("CARGO_MANIFEST_DIR", tree)
            .env("OUT_DIR", &generated)
            .env("PLACE", tree.join("data"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs_err::read_to_string(tree.join("target/module.d")).unwrap();
        let variables = dep_info::parse_env_deps(&text).into_iter();
        let variables = variables.filter_map(|(name, value)| Some((name, value?))).collect();
        let told = Told { package: "p".into(), is_local: true, variables, ..Told::default() };
        let paths = Tree::new(vec![tree.to_owned()], vec![tree.join("target")]);
        (told, paths.is_in_product(&fs_err::read(module).unwrap()))
    }

    #[test]
    fn real_modules() {
        let folder = tempfile::tempdir().unwrap();
        let tree = dunce::canonicalize(folder.path()).unwrap();
        let rpath = format!("-Clink-arg=-Wl,-rpath,{}", tree.join("lib").display());
        let plain = "#[unsafe(no_mangle)] pub extern \"C\" fn f(at: usize) -> u8 { b\"ab\"[at] }";
        let text = |variable: &str| {
            format!(
                "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> *const u8 {{ \
                 env!(\"{variable}\").as_ptr() }}"
            )
        };
        let length = "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> usize { \
                      const { env!(\"CARGO_MANIFEST_DIR\").len() } }";
        let generated = "include!(concat!(env!(\"OUT_DIR\"), \"/code.rs\"));\n\
                         #[unsafe(no_mangle)] pub extern \"C\" fn f() -> i32 { N }";
        let mut cases = vec![
            (plain.to_owned(), vec![], vec![], false),
            // The folder of the sources is in the debug information only.
            (plain.to_owned(), vec!["-g"], vec![], false),
            (text("CARGO_MANIFEST_DIR"), vec![], vec!["p CARGO_MANIFEST_DIR"], true),
            (length.to_owned(), vec![], vec!["p CARGO_MANIFEST_DIR"], false),
            (generated.to_owned(), vec![], vec!["p OUT_DIR"], false),
            (text("PLACE"), vec!["-g"], vec!["p PLACE"], true),
        ];
        if cfg!(unix) {
            cases.push((plain.to_owned(), vec![&rpath], vec![], true));
        }
        let paths = Tree::new(vec![tree.clone()], vec![tree.join("target")]);
        for (source, arguments, reads, is_in_module) in cases {
            let (told, found) = compile(&tree, &source, &arguments);
            assert_eq!(words(units(&paths, &[told])), reads, "{source} {arguments:?}");
            assert_eq!(found, is_in_module, "{source} {arguments:?}");
            if arguments == ["-g"] && cfg!(target_os = "linux") && !is_in_module {
                let bytes = fs_err::read(tree.join("target/module.bin")).unwrap();
                let whole = tree.to_str().unwrap().as_bytes();
                assert!(memchr::memmem::find(&bytes, whole).is_some(), "no debug information");
            }
        }
    }
}
