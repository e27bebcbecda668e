//! Publishing a build by the program `wheelprint-shared`, which goes on after a hook has ended.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Payload;
use super::program::{Answer, Failure, GRACE, PROGRAM, Published, settings, unexpected};
use crate::request::Environment;
use crate::settings::Shared;

/// In a folder that goes out: the lines of a session that publishes a build, and the answers.
pub(crate) const LINES: &str = "lines";
const ANSWERS: &str = "answers";
/// The program answers in two lines.
const ANSWERS_SIZE: u64 = 64 << 10;

/// The lines of a session that publishes a build.
pub(crate) fn publishing(
    shared: &Shared,
    lists: &[String],
    request: &str,
    payload: &Payload,
    wheel: &Path,
) -> String {
    let publish = json!({"lists": lists, "request": request, "payload": payload, "wheel": wheel});
    format!("{}\n{}\n", settings(shared, None), json!({ "publish": publish }))
}

/// Publishes a build by the session in a folder. The program goes on after the end of this process. Relative
/// paths in variables are those of the folder `from`.
///
/// # Errors
/// The program can't be run.
pub(crate) fn start_publishing(
    program: &Path,
    folder: &Path,
    from: &Path,
    environment: &Environment,
) -> std::io::Result<Child> {
    let mut command = environment.command(program, from);
    command.arg("session").stdin(fs_err::File::open(folder.join(LINES))?.into_parts().0);
    command.stdout(fs_err::File::create(folder.join(ANSWERS))?.into_parts().0);
    command.stderr(Stdio::null());
    // An interrupt of the frontend is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // CREATE_NEW_PROCESS_GROUP and CREATE_NO_WINDOW.
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(&mut command, 0x0800_0200);
    command.spawn()
}

/// Waits until a build is published.
///
/// # Errors
/// It was not.
pub(crate) fn wait_until_published(
    mut child: Child,
    folder: &Path,
    shared: &Shared,
) -> Result<Published, Failure> {
    let deadline = Instant::now() + Duration::from_secs(shared.timeout) + GRACE;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) => break,
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break;
            }
        }
    }
    published(folder)?.ok_or_else(|| Failure(format!("{PROGRAM} ended without an answer")))
}

/// What became of a build that went out. `None` if the program has not answered.
///
/// # Errors
/// It was not published.
pub(crate) fn published(folder: &Path) -> Result<Option<Published>, Failure> {
    let path = folder.join(ANSWERS);
    // Anything else could block.
    if !fs_err::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
        return Ok(None);
    }
    let mut answers = String::new();
    let file = fs_err::File::open(&path).map_err(|error| Failure(error.to_string()))?;
    let read = file.take(ANSWERS_SIZE).read_to_string(&mut answers);
    read.map_err(|error| Failure(error.to_string()))?;
    for line in answers.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        match serde_json::from_str(line).map_err(|error| Failure(error.to_string()))? {
            Answer::Ready(true) => {}
            Answer::Published(published) if published.list == "written" => {
                return Ok(Some(published));
            }
            Answer::Published(_) => {
                return Err(Failure("other writers of its list were faster".to_owned()));
            }
            other => return Err(unexpected(&other)),
        }
    }
    Ok(None)
}
