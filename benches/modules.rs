//! Benchmarks of single modules: `cargo bench --bench modules`. `nox -s bench` measures whole
//! commands and compares them with other tools.

use std::collections::BTreeSet;
use std::path::Path;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use fs_err as fs;
use wheelprint::digest;
use wheelprint::fingerprint::Inputs;
use wheelprint::fingerprint::observe::Observer;
use wheelprint::freshness;
use wheelprint::inputs::{Part, Root, Roots, Watch};
use wheelprint::log::Level;
use wheelprint::request::{Artifact, Environment, Interpreter, Request};
use wheelprint::settings::{OnStale, Reuse, Settings};
use wheelprint::stat_cache::Digests;
use wheelprint::toolchain::Toolchain;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = [1 << 10, 1 << 20, 64 << 20])]
fn digest_of_a_file(bencher: Bencher<'_, '_>, size: usize) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("file");
    if fs::write(&path, vec![7; size]).is_err() {
        return;
    }
    bencher.counter(BytesCount::new(size)).bench(|| digest::file(&path));
}

/// Finds names and reads stat values. No content is read, because every digest is remembered.
#[divan::bench(args = SIZES, sample_count = 20)]
fn verdict_warm(bencher: Bencher<'_, '_>, files: usize) {
    let Ok(folder) = tree(files) else { return };
    let memory = folder.path().join("stat.bin");
    let look = Look::at(folder.path());
    // The digest of a file is not remembered until the file is 2 seconds old.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let digests = Digests::load(memory.clone());
    let recorded = look.observe(&digests);
    digests.save();
    bencher.counter(ItemsCount::new(files)).bench_local(|| {
        let digests = Digests::load(memory.clone());
        let observed = look.observe(&digests);
        digests.save();
        freshness::compare(&recorded, &[], &observed)
    });
}

/// Reads and hashes every file.
#[divan::bench(args = SIZES, sample_count = 20)]
fn verdict_cold(bencher: Bencher<'_, '_>, files: usize) {
    let Ok(folder) = tree(files) else { return };
    let look = Look::at(folder.path());
    let recorded = look.observe(&Digests::default());
    bencher
        .counter(ItemsCount::new(files))
        .bench_local(|| freshness::compare(&recorded, &[], &look.observe(&Digests::default())));
}

/// Compares recorded and observed inputs in memory.
#[divan::bench(args = SIZES)]
fn comparison_alone(bencher: Bencher<'_, '_>, files: usize) {
    let Ok(folder) = tree(files) else { return };
    let inputs = Look::at(folder.path()).observe(&Digests::default());
    bencher.counter(ItemsCount::new(files)).bench(|| freshness::compare(&inputs, &[], &inputs));
}

/// A project with this number of input files.
fn tree(files: usize) -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for number in 0..files {
        let part = folder.path().join("many").join((number / 50).to_string());
        fs::create_dir_all(&part)?;
        let text = format!("number {number}\n").repeat(40);
        fs::write(part.join(format!("{number}.txt")), text)?;
    }
    Ok(folder)
}

struct Look {
    request: Request,
    settings: Settings,
    environment: Environment,
    toolchain: Toolchain,
    watches: BTreeSet<Watch>,
    roots: Roots,
}

impl Look {
    fn at(folder: &Path) -> Self {
        let request = Request {
            artifact: Artifact::Editable,
            root: folder.to_owned(),
            config_settings: Default::default(),
            interpreter: Interpreter::default(),
            environment: Environment::default(),
        };
        let settings = Settings {
            on_stale: OnStale::Rebuild,
            reuse: Reuse::Editable,
            extra_inputs: Vec::new(),
            remap_paths: false,
            direct_cargo: true,
            shared: None,
            cache_keys: None,
            log: Level::Info,
        };
        let mut roots = Roots::default();
        roots.add(Root::Project, folder);
        let glob = "many/**/*.txt".to_owned();
        let watches = [Watch::glob(Part::Rust, Root::Project, glob)].into();
        let toolchain = Toolchain::load(folder.to_owned(), None);
        Self { request, settings, environment: Environment::default(), toolchain, watches, roots }
    }

    fn observe(&self, digests: &Digests) -> Inputs {
        let (environment, toolchain) = (&self.environment, &self.toolchain);
        Observer::new(&self.request, &self.settings, environment, environment, digests, toolchain)
            .observe(&self.watches, &self.roots)
    }
}
