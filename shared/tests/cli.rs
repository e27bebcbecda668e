//! The commands besides the session.

mod support;

use fs_err as fs;
use support::{Folder, Key, program};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_key_pair_is_made_once_and_never_overwritten() {
    let folder = Folder::new();
    let path = folder.path("key");
    let made = program().arg("keygen").arg(&path).output().unwrap();
    assert!(made.status.success());
    let public = text(&made.stdout).trim_end();
    assert!(public.starts_with("ed25519:") && public.len() == 8 + 44);
    let secret = fs::read_to_string(&path).unwrap();
    assert!(secret.starts_with("ed25519-secret:") && secret.ends_with('\n'));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    for (name, value) in [
        ("WHEELPRINT_SHARED_KEY_FILE", path.to_str().unwrap()),
        ("WHEELPRINT_SHARED_KEY", secret.trim_end()),
    ] {
        let shown = program().arg("public-key").env(name, value).output().unwrap();
        assert_eq!(text(&shown.stdout).trim_end(), public);
    }

    let again = program().arg("keygen").arg(&path).output().unwrap();
    assert!(!again.status.success() && again.stdout.is_empty());
    assert!(text(&again.stderr).contains(path.to_str().unwrap()));
    assert_eq!(fs::read_to_string(&path).unwrap(), secret);

    let other = folder.path("other");
    let made = program().arg("keygen").arg(&other).output().unwrap();
    assert_ne!(text(&made.stdout).trim_end(), public);
}

#[cfg(unix)]
#[test]
fn a_key_is_not_written_through_a_link() {
    let folder = Folder::new();
    let link = folder.path("link");
    fs_err::os::unix::fs::symlink(folder.path("target"), &link).unwrap();
    assert!(!program().arg("keygen").arg(&link).output().unwrap().status.success());
    assert!(!folder.path("target").exists());
}

#[test]
fn the_public_key_of_a_seed_is_the_usual_one() {
    let key = Key::new(7);
    let shown =
        program().arg("public-key").env("WHEELPRINT_SHARED_KEY", key.secret()).output().unwrap();
    assert_eq!(text(&shown.stdout).trim_end(), key.public());
    let without = program().arg("public-key").output().unwrap();
    assert!(!without.status.success());
    assert!(text(&without.stderr).contains("WHEELPRINT_SHARED_KEY_FILE"));
}

#[test]
fn help_and_version_are_there_and_other_words_are_errors() {
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && text(&help.stdout).contains("keygen FILE"));
    let version = program().arg("--version").output().unwrap();
    assert_eq!(text(&version.stdout), format!("wheelprint-shared {}\n", env!("CARGO_PKG_VERSION")));
    for words in [&[] as &[&str], &["keygen"], &["keygen", "a", "b"], &["sessions"], &["--versio"]]
    {
        let output = program().args(words).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}");
        assert!(text(&output.stderr).contains("Usage: "), "{words:?}");
    }
}
