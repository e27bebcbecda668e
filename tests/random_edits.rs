//! Runs random sequences of edits, reverts, renames, changed timestamps and restored caches on a
//! small crate and its dependency. After each step a build runs through the hooks. The built
//! module must print the same as one from a clean build of the same sources. If the content is the
//! same as at an earlier build, no cargo process may run. The same with three trees of the project
//! that share a store.
//!
//! Needs an interpreter with maturin, named by `WHEELPRINT_TEST_PYTHON`: `nox -s freshness`.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests read the environment where they need it")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wheelprint::hooks::{self, Access, Call};
use wheelprint::request::{Artifact, Environment, Interpreter, Request};

const FILES: usize = 4;

/// One change of the tree. The files are numbered: two modules, an included text, and the crate
/// that the project depends on by path.
#[derive(Debug, Clone)]
enum Step {
    /// Write another value, with the current time.
    Edit(usize, u8),
    /// Write another value, and restore the file's old times (`rsync -t`, a restored cache).
    EditKeepingTime(usize, u8),
    /// Write another value, with a time long ago.
    EditDatedBack(usize, u8),
    Touch(usize),
    DateBack(usize),
    /// Move `one.rs` to `one/mod.rs`, or back.
    MoveModule,
    /// Restore the content that the whole tree had some steps ago.
    Revert(usize),
    /// Remove the target folder.
    RemoveTarget,
    /// Keep a copy of the target folder, as a CI cache does.
    KeepTarget,
    /// Restore that copy, with its old times or with times newer than all sources.
    RestoreTarget {
        keeping_times: bool,
    },
    /// Run cargo without wheelprint.
    CargoBuild,
    /// Delete everything that wheelprint stored.
    ForgetBuilds,
    /// Delete only the stored wheels. The notes about cargo's units stay.
    ForgetEntries,
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0..FILES;
    let value = 0..4_u8;
    prop_oneof![
        4 => (file.clone(), value.clone()).prop_map(|(file, value)| Step::Edit(file, value)),
        3 => (file.clone(), value.clone()).prop_map(|(file, value)| Step::EditKeepingTime(file, value)),
        3 => (file.clone(), value).prop_map(|(file, value)| Step::EditDatedBack(file, value)),
        1 => file.clone().prop_map(Step::Touch),
        1 => file.prop_map(Step::DateBack),
        2 => Just(Step::MoveModule),
        3 => (1..6_usize).prop_map(Step::Revert),
        1 => Just(Step::RemoveTarget),
        1 => Just(Step::KeepTarget),
        2 => any::<bool>().prop_map(|keeping_times| Step::RestoreTarget { keeping_times }),
        1 => Just(Step::CargoBuild),
        1 => Just(Step::ForgetBuilds),
        1 => Just(Step::ForgetEntries),
    ]
}

/// The content that determines the output of the module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    values: [u8; FILES],
    moved: bool,
}

impl Content {
    /// The output of a module from a clean build of this content.
    fn says(&self) -> String {
        self.values.map(|value| value.to_string()).join("-")
    }
}

/// The folder of everything, and the tools that all trees use.
struct Machine {
    folder: tempfile::TempDir,
    interpreter: Interpreter,
    environment: Environment,
}

impl Machine {
    fn new(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::current();
        let spy = folder.path().join("spy");
        fs::create_dir_all(&spy).unwrap();
        let cargo = environment.which("cargo").unwrap();
        let script = spy.join("cargo");
        let log = folder.path().join("cargo.log");
        let text = format!(
            "#!/bin/sh\necho called >> '{}'\nexec '{}' \"$@\"\n",
            log.display(),
            cargo.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let scripts = python.parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        environment.set("PATH", format!("{}:{}:{path}", scripts.display(), spy.display()));
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache").as_os_str());
        environment.set("WHEELPRINT_LOG", "off");
        Self { interpreter: describe(python), folder, environment }
    }

    /// Removes something from the folder, which may not be there.
    fn remove(&self, name: &str) {
        let _ = fs::remove_dir_all(self.folder.path().join(name));
    }
}

/// One tree of the project.
struct Bench<'a> {
    machine: &'a Machine,
    folder: PathBuf,
    content: Content,
}

impl<'a> Bench<'a> {
    fn new(machine: &'a Machine, name: &str, content: Content) -> Self {
        let bench = Self { machine, folder: machine.folder.path().join(name), content };
        let root = bench.root();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(
            root.join("pyproject.toml"),
            "[project]\nname = \"random\"\nversion = \"1\"\n[tool.maturin]\nbindings = \"pyo3\"\n\
             [build-system]\nrequires = [\"wheelprint\"]\nbuild-backend = \"wheelprint\"\n",
        )
        .unwrap();
        fs::write(
            root.join("Cargo.toml"),
            "[package]\nname = \"random\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
             [lib]\ncrate-type = [\"cdylib\"]\n\
             [dependencies]\ncore_part = { path = \"../core\" }\n\
             pyo3 = { path = \"../pyo3\", features = [\"extension-module\"] }\n\
             [profile.release]\nopt-level = 0\n[workspace]\n",
        )
        .unwrap();
        fs::write(
            root.join("Cargo.lock"),
            "# This file is automatically @generated by Cargo.\n\
             # It is not intended for manual editing.\nversion = 4\n\n\
             [[package]]\nname = \"core_part\"\nversion = \"1.0.0\"\n\n\
             [[package]]\nname = \"pyo3\"\nversion = \"0.28.0\"\n\n[[package]]\n\
             name = \"random\"\nversion = \"1.0.0\"\ndependencies = [\n \"core_part\",\n \"pyo3\",\n]\n",
        )
        .unwrap();
        fs::write(
            root.join("src/lib.rs"),
            "mod one;\nmod two;\n\
             #[no_mangle]\npub extern \"C\" fn PyInit_random() -> usize {\n    0\n}\n\
             #[no_mangle]\npub extern \"C\" fn say() {\n    \
             println!(\n        \"{}-{}-{}-{}\", one::VALUE, two::VALUE, include_str!(\"three.txt\"),\n        \
             core_part::VALUE\n    );\n}\n",
        )
        .unwrap();
        let core = bench.folder.join("core");
        fs::create_dir_all(core.join("src")).unwrap();
        fs::write(
            core.join("Cargo.toml"),
            "[package]\nname = \"core_part\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
        )
        .unwrap();
        // maturin looks for a package of this name. The real one takes long to compile.
        let pyo3 = bench.folder.join("pyo3");
        fs::create_dir_all(pyo3.join("src")).unwrap();
        fs::write(
            pyo3.join("Cargo.toml"),
            "[package]\nname = \"pyo3\"\nversion = \"0.28.0\"\nedition = \"2021\"\n\
             [features]\nextension-module = []\n",
        )
        .unwrap();
        fs::write(pyo3.join("src/lib.rs"), "").unwrap();
        for file in 0..FILES {
            bench.write(file);
        }
        bench
    }

    fn root(&self) -> PathBuf {
        self.folder.join("project")
    }

    fn path(&self, file: usize) -> PathBuf {
        let src = self.root().join("src");
        match (file, self.content.moved) {
            (0, false) => src.join("one.rs"),
            (0, true) => src.join("one/mod.rs"),
            (1, _) => src.join("two.rs"),
            (3, _) => self.folder.join("core/src/lib.rs"),
            _ => src.join("three.txt"),
        }
    }

    fn write(&self, file: usize) {
        let value = self.content.values[file];
        let text = match file {
            2 => value.to_string(),
            _ => format!("pub const VALUE: u8 = {value};\n"),
        };
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn set_time(&self, file: usize, time: SystemTime) {
        let path = self.path(file);
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn time(&self, file: usize) -> SystemTime {
        fs::metadata(self.path(file)).unwrap().modified().unwrap()
    }

    fn move_module(&mut self) {
        let from = self.path(0);
        self.content.moved = !self.content.moved;
        let to = self.path(0);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(from, to).unwrap();
    }

    /// Writes other content, as `git checkout` does.
    fn check_out(&mut self, content: Content) {
        if content.moved != self.content.moved {
            self.move_module();
        }
        self.content = content;
        for file in 0..FILES {
            self.write(file);
        }
    }

    fn apply(&mut self, step: &Step, history: &[Content]) {
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        match *step {
            Step::Edit(file, value) => {
                self.content.values[file] = value;
                self.write(file);
            }
            Step::EditKeepingTime(file, value) => {
                let time = self.time(file);
                self.content.values[file] = value;
                self.write(file);
                self.set_time(file, time);
            }
            Step::EditDatedBack(file, value) => {
                self.content.values[file] = value;
                self.write(file);
                self.set_time(file, long_ago);
            }
            Step::Touch(file) => self.set_time(file, SystemTime::now()),
            Step::DateBack(file) => self.set_time(file, long_ago),
            Step::MoveModule => self.move_module(),
            Step::Revert(steps) => {
                self.check_out(history[history.len().saturating_sub(steps)].clone());
            }
            Step::RemoveTarget => {
                let _ = fs::remove_dir_all(self.root().join("target"));
            }
            Step::KeepTarget => self.copy("project/target", "kept", "-a"),
            Step::RestoreTarget { keeping_times } => {
                self.copy("kept", "project/target", if keeping_times { "-a" } else { "-r" });
            }
            Step::CargoBuild => {
                let mut cargo = Command::new("cargo");
                cargo.args(["build", "--quiet", "--release"]).current_dir(self.root());
                assert!(cargo.status().unwrap().success());
            }
            Step::ForgetBuilds => self.machine.remove("cache"),
            Step::ForgetEntries => {
                let projects = self.machine.folder.path().join("cache/wheelprint-v1/projects");
                for project in fs::read_dir(projects).unwrap() {
                    let _ = fs::remove_dir_all(project.unwrap().path().join("entries"));
                }
            }
        }
    }

    fn copy(&self, from: &str, to: &str, how: &str) {
        if self.folder.join(from).is_dir() {
            let _ = fs::remove_dir_all(self.folder.join(to));
            let mut copy = Command::new("cp");
            copy.args([how, from, to]).current_dir(&self.folder);
            assert!(copy.status().unwrap().success());
        }
    }

    /// Builds. Returns the output of the module's function, and whether cargo ran.
    fn build(&self) -> (String, bool) {
        let log = self.machine.folder.path().join("cargo.log");
        let _ = fs::remove_file(&log);
        let out = tempfile::tempdir().unwrap();
        let request = Request {
            artifact: Artifact::Editable,
            root: self.root(),
            config_settings: BTreeMap::new(),
            interpreter: self.machine.interpreter.clone(),
            environment: self.machine.environment.clone(),
        };
        let call = Call::open(request, false, Access::All).unwrap();
        let name = hooks::build_wheel(&call, out.path(), None).unwrap();
        let unpacked = out.path().join("unpacked");
        let mut wheel =
            zip::ZipArchive::new(fs::File::open(out.path().join(name)).unwrap()).unwrap();
        wheel.extract(&unpacked).unwrap();
        let inside = fs::read_dir(unpacked.join("random")).unwrap().flatten();
        let mut paths = inside.map(|entry| entry.path());
        let module = paths.find(|path| path.extension().is_some_and(|suffix| suffix == "so"));
        let say = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).say()";
        let mut python = Command::new(&self.machine.interpreter.executable);
        let said = python.args(["-I", "-c", say]).arg(module.unwrap()).output().unwrap();
        (String::from_utf8(said.stdout).unwrap().trim().to_owned(), log.exists())
    }
}

fn describe(python: &Path) -> Interpreter {
    let code = "import sys, json; from importlib.machinery import EXTENSION_SUFFIXES as s\n\
                print(json.dumps([sys.prefix, sys.implementation.name, s[0], sys.platform,\n\
                '.'.join(map(str, sys.version_info[:3])), [e for e in sys.path if e],\n\
                getattr(sys, '_base_executable', sys.executable)]))";
    let output = Command::new(python).args(["-I", "-c", code]).output().unwrap();
    let said: (PathBuf, String, String, String, String, Vec<PathBuf>, PathBuf) =
        serde_json::from_slice(&output.stdout).unwrap();
    let (prefix, implementation, extension_suffix, platform, version, sys_path, base) = said;
    Interpreter {
        executable: python.to_owned(),
        base_executable: base,
        prefix,
        implementation,
        version,
        extension_suffix,
        platform,
        libc: String::new(),
        sys_path,
        backend: None,
    }
}

/// The start of every tree.
const FIRST: Content = Content { values: [0; FILES], moved: false };

fn python() -> PathBuf {
    std::env::var_os("WHEELPRINT_TEST_PYTHON").expect("an interpreter").into()
}

fn config(cases: u32) -> Config {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: wanted.unwrap_or(cases),
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    }
}

/// Shows in the log how many builds were tried.
fn say(builds: usize, known: usize) {
    let mut stdout = std::io::stdout();
    let text = format_args!("{builds} builds, {known} of them of known content\n");
    std::io::Write::write_fmt(&mut stdout, text).unwrap();
}

#[test]
#[ignore = "builds for minutes; needs WHEELPRINT_TEST_PYTHON (nox -s freshness)"]
fn no_sequence_of_edits_gives_another_module_than_a_clean_build() {
    let steps = prop::collection::vec(step(), 6..16);
    let (builds, known) = (Cell::new(0), Cell::new(0));
    TestRunner::new(config(40))
        .run(&steps, |steps| {
            let machine = Machine::new(&python());
            let mut bench = Bench::new(&machine, "tree", FIRST);
            let mut built = BTreeSet::new();
            let mut history = vec![bench.content.clone()];
            let (said, _) = bench.build();
            prop_assert_eq!(said, bench.content.says());
            built.insert(bench.content.clone());
            for step in &steps {
                bench.apply(step, &history);
                history.push(bench.content.clone());
                if matches!(step, Step::ForgetBuilds | Step::ForgetEntries) {
                    built.clear();
                }
                let (said, cargo_ran) = bench.build();
                prop_assert_eq!(said, bench.content.says(), "after {:?}", step);
                if !built.insert(bench.content.clone()) {
                    prop_assert!(!cargo_ran, "cargo ran for known content, after {:?}", step);
                    known.set(known.get() + 1);
                }
                builds.set(builds.get() + 1);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    say(builds.get(), known.get());
}

const TREES: usize = 3;
/// What the branches have.
const BRANCHES: [Content; 3] = [
    FIRST,
    Content { values: [1, 0, 2, 0], moved: false },
    Content { values: [1, 3, 0, 1], moved: true },
];

/// One change of one of several trees that share a store.
#[derive(Debug, Clone)]
enum Move {
    /// A change as in a single tree.
    Step(Step),
    /// Check out the branch of that number.
    Switch(usize),
    /// Take the content of another tree, as a merge does.
    TakeFrom(usize),
    /// Remove the tree with its target folder, and make it again, as `git worktree` does.
    MakeAgain,
    /// Change nothing: only build.
    Nothing,
}

fn moves() -> impl Strategy<Value = Vec<(usize, Move)>> {
    let one = prop_oneof![
        6 => step().prop_map(Move::Step),
        4 => (0..BRANCHES.len()).prop_map(Move::Switch),
        3 => (0..TREES).prop_map(Move::TakeFrom),
        1 => Just(Move::MakeAgain),
        2 => Just(Move::Nothing),
    ];
    prop::collection::vec((0..TREES, one), 8..20)
}

/// Three trees of one project share a store. A build in one of them must give the module of that
/// tree's content, and runs no cargo if any tree has built the same content before.
#[test]
#[ignore = "builds for minutes; needs WHEELPRINT_TEST_PYTHON (nox -s freshness)"]
fn no_tree_shows_the_content_of_another() {
    let (builds, known) = (Cell::new(0), Cell::new(0));
    TestRunner::new(config(25))
        .run(&moves(), |moves| {
            let machine = Machine::new(&python());
            let names: [String; TREES] = std::array::from_fn(|number| format!("tree{number}"));
            let mut trees = names.each_ref().map(|name| Bench::new(&machine, name, FIRST));
            let mut histories = [(); TREES].map(|()| vec![FIRST]);
            let mut built = BTreeSet::from([FIRST]);
            for (number, tree) in trees.iter().enumerate() {
                let (said, cargo_ran) = tree.build();
                prop_assert_eq!(said, FIRST.says());
                prop_assert_eq!(cargo_ran, number == 0, "the first build of tree {}", number);
            }
            for (number, change) in &moves {
                let others = trees.each_ref().map(|tree| tree.content.clone());
                let tree = &mut trees[*number];
                match change {
                    Move::Step(step) => tree.apply(step, &histories[*number]),
                    Move::Switch(branch) => tree.check_out(BRANCHES[*branch].clone()),
                    Move::TakeFrom(other) => tree.check_out(others[*other].clone()),
                    Move::MakeAgain => {
                        machine.remove(&names[*number]);
                        *tree = Bench::new(&machine, &names[*number], tree.content.clone());
                    }
                    Move::Nothing => {}
                }
                histories[*number].push(tree.content.clone());
                if matches!(change, Move::Step(Step::ForgetBuilds | Step::ForgetEntries)) {
                    built.clear();
                }
                let (said, cargo_ran) = tree.build();
                prop_assert_eq!(said, tree.content.says(), "tree {} after {:?}", number, change);
                if !built.insert(tree.content.clone()) {
                    prop_assert!(
                        !cargo_ran,
                        "cargo ran for known content in tree {}, after {:?}",
                        number,
                        change
                    );
                    known.set(known.get() + 1);
                }
                builds.set(builds.get() + 1);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    say(builds.get(), known.get());
}
