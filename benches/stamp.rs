//! Stamps a wheel and copies it, in turn: `cargo bench --bench stamp -- MEGABYTES ROUNDS`. Prints
//! JSON with the seconds of each round, and the memory of a process that only stamps the wheel (on
//! Linux).

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
    make(&source, megabytes << 20)?;
    let mut seconds = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for turn in 0..seconds.len() {
            let which = (round + turn) % seconds.len();
            let _ = fs::remove_file(&target);
            let began = Instant::now();
            match which {
                0 => stamp(&source, &target)?,
                1 => drop(Wheel::open(&source)?),
                _ => drop(fs::copy(&source, &target)?),
            }
            seconds[which].push(began.elapsed().as_secs_f64());
        }
    }
    let [stamps, checks, copies] = seconds;
    let alone =
        Command::new(std::env::current_exe()?).arg(ALONE).args([&source, &target]).output()?;
    let peak = String::from_utf8(alone.stdout)?;
    Ok(format!(
        "{{\"stamp\": {stamps:?}, \"check\": {checks:?}, \"copy\": {copies:?}, \"peak KiB\": {peak}}}"
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

/// Makes a compressed wheel of about this size. Its modules compress as well as machine code, to
/// two fifths.
fn make(path: &Path, size: usize) -> Outcome<()> {
    let mut writer = ZipWriter::new(fs::File::create(path)?);
    let mut record = RecordFile::default();
    let mut random = Random(1);
    let words: Vec<u32> = (0..4096).map(|_| random.next()).collect();
    let unpacked = size / 2 * 5;
    let modules = 4;
    for number in 0..modules {
        let mut bytes = Vec::with_capacity(unpacked / modules);
        while bytes.len() < unpacked / modules {
            let word = words[(random.next() >> 20) as usize];
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let name = format!("large/_module{number}.so");
        writer.start_file(&name, SimpleFileOptions::default())?;
        writer.write_all(&bytes)?;
        record.add(name, &digest::bytes(&bytes), bytes.len() as u64);
    }
    for (name, text) in [
        ("METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n"),
        ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"),
    ] {
        let name = format!("{DIST_INFO}/{name}");
        writer.start_file(&name, SimpleFileOptions::default())?;
        writer.write_all(text.as_bytes())?;
        record.add(name, &digest::bytes(text.as_bytes()), text.len() as u64);
    }
    let name = format!("{DIST_INFO}/RECORD");
    writer.start_file(&name, SimpleFileOptions::default())?;
    writeln!(writer, "{}{name},,", record.to_text())?;
    writer.finish()?;
    Ok(())
}

/// xorshift, with the same numbers in each run.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
