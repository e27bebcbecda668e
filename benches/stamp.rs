//! Stamps a wheel, packs it and copies it, in turn: `cargo bench --bench stamp -- MEGABYTES ROUNDS`.
//! Prints JSON with the seconds of each round, and the memory of a process that only stamps the wheel
//! (on Linux).

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fs_err as fs;
use wheelprint::digest;
use wheelprint::publish;
use wheelprint::wheel::record_file::RecordFile;
use wheelprint::wheel::{Edit, Wheel};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const DIST_INFO: &str = "large-1.0.dist-info";
const NAME: &str = "large-1.0-py3-none-any.whl";
/// The first argument of the process whose memory is measured.
const ALONE: &str = "alone";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    // Cargo adds the argument `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut out = std::io::stdout().lock();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [ALONE, source, target] => {
            stamp(Path::new(source), Path::new(target))?;
            write!(out, "{}", peak().unwrap_or("null".into()))?;
        }
        [megabytes, rounds] => writeln!(out, "{}", measure(megabytes.parse()?, rounds.parse()?)?)?,
        // `cargo test` and a bare `cargo bench` only check that the benchmark works.
        _ => writeln!(out, "{}", measure(1, 1)?)?,
    }
    Ok(())
}

fn measure(megabytes: usize, rounds: usize) -> Outcome<String> {
    let folder = tempfile::tempdir()?;
    let made = folder.path().join("made");
    fs::create_dir(&made)?;
    let (source, target) = (made.join(NAME), folder.path().join(NAME));
    // Machine code compresses to about two fifths.
    let (code, size) = (fs::read(std::env::current_exe()?)?, (megabytes << 20) / 2 * 5);
    let module: Vec<u8> = code.iter().copied().cycle().take(size).collect();
    pack(&source, &module)?;
    let mut seconds = [const { Vec::new() }; 4];
    for round in 0..rounds {
        for turn in 0..seconds.len() {
            let which = (round + turn) % seconds.len();
            let _ = fs::remove_file(&target);
            let began = Instant::now();
            match which {
                0 => stamp(&source, &target)?,
                1 => drop(Wheel::open(&source)?),
                2 => pack(&target, &module)?,
                _ => drop(fs::copy(&source, &target)?),
            }
            seconds[which].push(began.elapsed().as_secs_f64());
        }
    }
    let [stamps, checks, packs, copies] = seconds;
    let alone =
        Command::new(std::env::current_exe()?).arg(ALONE).args([&source, &target]).output()?;
    let peak = String::from_utf8(alone.stdout)?;
    Ok(format!(
        "{{\"stamp\": {stamps:?}, \"check\": {checks:?}, \"pack\": {packs:?}, \"copy\": {copies:?}, \
         \"peak KiB\": {peak}}}"
    ))
}

/// The peak memory of this process, in KiB.
fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.to_owned())
}

/// The same steps as in `hooks`: check RECORD, add one file, publish the result.
fn stamp(source: &Path, target: &Path) -> Outcome<()> {
    let mut wheel = Wheel::open(source)?;
    let record = vec![b'r'; 20_000];
    let edit =
        Edit { add_to_dist_info: vec![("wheelprint.json".into(), record)], ..Edit::default() };
    let mut file = publish::beside(target)?;
    wheel.rewrite(file.as_file_mut(), target, edit)?;
    publish::share(&file)?;
    publish::persist_synced(file, target)?;
    Ok(())
}

/// Packs a wheel with this module as maturin does: deflated at the default level, with the digest of
/// each file.
fn pack(path: &Path, module: &[u8]) -> Outcome<()> {
    let mut writer = ZipWriter::new(fs::File::create(path)?);
    let mut record = RecordFile::default();
    let metadata = b"Metadata-Version: 2.1\nName: large\nVersion: 1.0\n";
    let wheel = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n";
    for (name, bytes) in [
        ("large/_module.so".to_owned(), module),
        (format!("{DIST_INFO}/METADATA"), metadata),
        (format!("{DIST_INFO}/WHEEL"), wheel),
    ] {
        writer.start_file(&name, SimpleFileOptions::default())?;
        writer.write_all(bytes)?;
        record.add(name, &digest::bytes(bytes), bytes.len() as u64);
    }
    let name = format!("{DIST_INFO}/RECORD");
    writer.start_file(&name, SimpleFileOptions::default())?;
    writeln!(writer, "{}{name},,", record.to_text())?;
    writer.finish()?;
    Ok(())
}
