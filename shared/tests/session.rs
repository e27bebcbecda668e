//! Sessions over a folder: the requests, and what is no request.

mod support;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use fs_err as fs;
use serde_json::{Value, json};
use support::{Folder, Key, Session, WHEEL, failed, open, payload, program, request, sha256, with};

#[test]
fn what_is_published_is_found_and_fetched() {
    let folder = Folder::new();
    let key = Key::new(1);
    let mut session =
        Session::open(&folder.open(&[&key], false), &[("WHEELPRINT_SHARED_KEY", &key.secret())]);
    let request = request("a");
    assert_eq!(session.find(&request), json!({"records": [], "refused": []}));

    let published = session.ask(&folder.publish(&request))["published"].clone();
    let id = published["record"].as_str().unwrap().to_owned();
    assert_eq!(
        published,
        json!({"record": id, "wheel": "created", "record_was": "created", "list": "written"})
    );
    let record = fs::read(folder.path("store/records").join(&id)).unwrap();
    assert_eq!(sha256(&record), id);
    assert_eq!(fs::read(folder.path("store/wheels").join(sha256(WHEEL))).unwrap(), WHEEL);
    assert_eq!(
        fs::read_to_string(folder.path("store/lists").join(&request)).unwrap(),
        format!("{id}\n")
    );
    // DSSE as others would make it: the same key and payload give the same object.
    assert_eq!(
        serde_json::from_slice::<Value>(&record).unwrap(),
        serde_json::from_slice::<Value>(&key.envelope(&payload(&request, WHEEL))).unwrap()
    );

    let found = session.find(&request);
    assert_eq!(
        found,
        json!({
            "records": [{"id": id, "payload": payload(&request, WHEEL), "key": key.public()}],
            "refused": [],
        })
    );
    let to = folder.path("fetched");
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
    assert_eq!(fs::read(&to).unwrap(), WHEEL);
    // A file that is there is not touched.
    fs::write(&to, "mine").unwrap();
    assert_eq!(failed(&session.ask(&folder.fetch(&to))).0, "server");
    assert_eq!(fs::read_to_string(&to).unwrap(), "mine");

    let again = session.ask(&folder.publish(&request))["published"].clone();
    assert_eq!(
        again,
        json!({"record": id, "wheel": "there", "record_was": "there", "list": "written"})
    );
    session.end();
}

#[test]
fn the_list_has_the_newest_first_and_at_most_64() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let request = request("a");
    let mut ids = Vec::new();
    for build in 0..70 {
        let payload = with(payload(&request, WHEEL), "build", build.into());
        let publish = json!({"publish": {"lists": [request], "request": request, "payload": payload, "wheel": folder.path("wheel")}});
        let published = session.ask(&publish);
        ids.insert(0, published["published"]["record"].as_str().unwrap().to_owned());
    }
    let list = fs::read_to_string(folder.path("store/lists").join(&request)).unwrap();
    assert_eq!(list.lines().collect::<Vec<_>>(), ids[..64]);
    assert_eq!(session.found(&request), ids[..16]);
    let found = session.ask(&json!({"find": {"list": request, "request": request, "limit": 1000}}));
    assert_eq!(found["found"]["records"].as_array().unwrap().len(), 64);
    // An old record that is published again goes to the top.
    let publish = json!({"publish": {
        "lists": [request],
        "request": request,
        "payload": with(payload(&request, WHEEL), "build", 50.into()),
        "wheel": folder.path("wheel"),
    }});
    assert_eq!(session.ask(&publish)["published"]["record"], ids[19]);
    assert_eq!(session.found(&request)[..2], [ids[19].clone(), ids[0].clone()]);
}

#[test]
fn writers_at_once_lose_no_object() {
    let folder = Folder::new();
    let request = request("a");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (folder, request) = (&folder, &request);
            scope.spawn(move || {
                let mut session = Session::open(&folder.open(&[], true), &[]);
                for build in 0..5 {
                    let payload = with(payload(request, WHEEL), "build", json!([writer, build]));
                    let publish = json!({"publish": {"lists": [request], "request": request, "payload": payload, "wheel": folder.path("wheel")}});
                    let published = session.ask(&publish);
                    assert!(published["published"]["record"].is_string(), "{published}");
                }
                session.end();
            });
        }
    });
    assert_eq!(fs::read_dir(folder.path("store/records")).unwrap().count(), 20);
    assert_eq!(fs::read_dir(folder.path("store/wheels")).unwrap().count(), 1);
    // Nothing half-written was ever listed.
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let found = session.find(&request);
    assert_eq!(found["refused"], json!([]));
    assert!(!found["records"].as_array().unwrap().is_empty());
}

#[test]
fn objects_are_listed_and_removed() {
    let folder = Folder::new();
    let mut session =
        Session::open(&with(folder.open(&[], true), "keep", json!(folder.path("keep"))), &[]);
    let empty = json!({"listed": {"records": [], "wheels": []}});
    assert_eq!(session.ask(&json!({"list": {"limit": 10}})), empty);
    let request = request("a");
    let id = session.ask(&folder.publish(&request))["published"]["record"].clone();
    folder.put("records/README", b"no record");
    folder.put("wheels/..hidden", b"no wheel");
    let listed = session.ask(&json!({"list": {"limit": 10}}))["listed"].clone();
    assert_eq!(listed["records"].as_array().unwrap().len(), 1);
    assert_eq!(listed["records"][0]["id"], id);
    assert_eq!(listed["wheels"][0]["id"], sha256(WHEEL));
    assert_eq!(listed["wheels"][0]["size"], WHEEL.len());
    assert!(listed["wheels"][0]["modified"].as_str().unwrap().ends_with("+00:00"));
    let none = session.ask(&json!({"list": {"limit": 0}}));
    assert_eq!(none, empty);

    assert_eq!(session.found(&request), [id.as_str().unwrap()]);
    let kept = folder.path("keep/records").join(id.as_str().unwrap());
    assert!(kept.exists());
    let none = session.ask(&json!({"gc": {"before": "2000-01-01"}}));
    assert_eq!(none, json!({"removed": {"records": 0, "wheels": 0, "bytes": 0}}));
    let removed =
        session.ask(&json!({"gc": {"before": "2999-01-01T00:00:00+00:00"}}))["removed"].clone();
    assert_eq!((&removed["records"], &removed["wheels"]), (&json!(1), &json!(1)));
    assert!(!kept.exists());
    assert!(!folder.path("store/lists").join(&request).exists());
    // A list is only a hint: what it names and is gone is left out.
    folder.put(&format!("lists/{request}"), id.as_str().unwrap().as_bytes());
    assert_eq!(session.find(&request), json!({"records": [], "refused": []}));
    let to = folder.path("fetched");
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"missing": true}));
    assert!(!to.exists());
}

#[test]
fn the_old_wheel_of_a_younger_record_stays() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let (one, other) = (request("a"), request("b"));
    let old = session.ask(&folder.publish(&one))["published"]["record"].clone();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let age =
        |path: PathBuf| fs::File::options().append(true).open(path).unwrap().set_modified(long_ago);
    age(folder.path("store/wheels").join(sha256(WHEEL))).unwrap();
    age(folder.path("store/records").join(old.as_str().unwrap())).unwrap();
    age(folder.path("store/lists").join(&one)).unwrap();
    session.ask(&folder.publish(&other));
    let gc = json!({"gc": {"before": "2000-01-01"}});
    let removed = session.ask(&gc)["removed"].clone();
    assert_eq!((&removed["records"], &removed["wheels"]), (&json!(1), &json!(0)));
    assert_eq!(session.found(&one), [] as [&str; 0]);
    let (id, to) = (session.found(&other), folder.path("fetched"));
    assert_eq!(id.len(), 1);
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
    let (kind, _) = failed(&session.ask(&json!({"gc": {"before": "yesterday or so"}})));
    assert_eq!(kind, "protocol");
}

#[test]
fn nothing_is_published_that_nobody_would_use() {
    let folder = Folder::new();
    let (one, other) = (Key::new(1), Key::new(2));
    let open = folder.open(&[&one], false);
    for (variables, why) in [
        (vec![], "nothing is published without a signature"),
        (vec![("WHEELPRINT_SHARED_KEY", other.secret())], "is not among the trusted keys"),
    ] {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value): &(&str, String)| (*name, value.as_str()))
            .collect();
        let mut session = Session::open(&open, &variables);
        let (kind, cause) = failed(&session.ask(&folder.publish(&request("a"))));
        assert_eq!(kind, "denied");
        assert!(cause.contains(why), "{cause}");
        assert!(!folder.path("store").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_record_that_cannot_be_read_does_not_hide_the_others() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let request = request("a");
    let id = session.ask(&folder.publish(&request))["published"]["record"].clone();
    let other = sha256(b"a folder in place of a record");
    fs::create_dir(folder.path("store/records").join(&other)).unwrap();
    let list = format!("{other}\n{}\n", id.as_str().unwrap());
    folder.put(&format!("lists/{request}"), list.as_bytes());
    let found = session.find(&request);
    assert_eq!(found["records"][0]["id"], id, "{found}");
}

#[test]
fn a_build_is_put_on_several_lists() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let (request, sources) = (request("a"), sha256(b"sources"));
    let mut publish = folder.publish(&request);
    publish["publish"]["lists"] = json!([sources, request]);
    let id = session.ask(&publish)["published"]["record"].clone();
    for list in [&sources, &request] {
        let found = session.ask(&json!({"find": {"list": list, "request": request, "limit": 1}}));
        assert_eq!(found["found"]["records"][0]["id"], id);
    }
    let found = session.ask(&json!({"find": {"list": request, "request": sources, "limit": 1}}));
    assert!(found["found"]["refused"][0]["cause"].as_str().unwrap().contains("for the request"));
}

#[test]
fn a_wheel_with_other_bytes_is_refused_and_leaves_no_file() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let name = format!("wheels/{}", sha256(WHEEL));
    let to = folder.path("fetched");
    let mut same_size = WHEEL.to_vec();
    same_size[5] ^= 1;
    for (bytes, cause) in [
        (same_size.as_slice(), "its content is not what its name says"),
        (&WHEEL[1..], "bytes, not"),
        (&[WHEEL, b"!"].concat(), "bytes, not"),
        (b"", "it has 0 bytes"),
    ] {
        folder.put(&name, bytes);
        let answer = session.ask(&folder.fetch(&to));
        assert!(answer["refused"]["cause"].as_str().unwrap().contains(cause), "{answer}");
        assert!(!to.exists());
    }
    // A broken upload is mended by the next that publishes.
    let published = session.ask(&folder.publish(&request("a")));
    assert_eq!(published["published"]["wheel"], "created");
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
}

#[test]
fn nothing_is_published_that_is_not_as_stated() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let (a, b) = (request("a"), request("b"));
    let publish = |payload: Value, wheel: &str| json!({"publish": {"lists": [a], "request": a, "payload": payload, "wheel": folder.path(wheel)}});
    let good = payload(&a, WHEEL);
    for (ask, cause) in [
        (publish(payload(&b, WHEEL), "wheel"), "the record is for the request"),
        (
            publish(payload(&a, b"another wheel"), "wheel"),
            "not the wheel that the payload describes",
        ),
        (publish(with(good.clone(), "version", json!(2)), "wheel"), "version is 2"),
        (publish(json!([]), "wheel"), "not a record's payload"),
        (
            publish(with(good.clone(), "more", json!("x".repeat(7 << 20))), "wheel"),
            "larger than 8 MiB",
        ),
    ] {
        let (kind, text) = failed(&session.ask(&ask));
        assert_eq!(kind, "protocol");
        assert!(text.contains(cause), "{text}");
    }
    let (_, text) = failed(&session.ask(&publish(good, "no-wheel")));
    assert!(text.contains("no-wheel"), "{text}");
    assert!(!folder.path("store").exists());
}

#[test]
fn after_a_failure_the_session_goes_on() {
    let folder = Folder::new();
    let mut session = Session::open(&folder.open(&[], true), &[]);
    let id = sha256(b"x");
    for line in [
        "",
        "{}",
        "null",
        "find",
        r#"{"find":{}}"#,
        r#"{"unknown":{}}"#,
        r#"{"find":{"list":"../../../../etc/passwd","request":"../../../../etc/passwd","limit":1}}"#,
        &json!({"find": {"list": id.to_uppercase(), "request": id.to_uppercase(), "limit": 1}})
            .to_string(),
        &json!({"find": {"list": id, "request": id, "limit": -1}}).to_string(),
        &json!({"find": {"list": id, "request": id, "limit": 1, "unsigned": true}}).to_string(),
        &json!({"fetch": {"sha256": "..", "size": 1, "to": "/tmp/x"}}).to_string(),
        r#"{"gc":{"before":7}}"#,
        r#"{"gc":{}}"#,
        &"[".repeat(100_000),
    ] {
        let (kind, cause) = failed(&session.ask_text(line));
        assert_eq!(kind, "protocol");
        assert!(cause.starts_with("line: ") && !cause.contains('\n'), "{cause}");
    }
    assert_eq!(session.found(&id), [] as [&str; 0]);
    session.end();
}

#[test]
fn a_first_line_that_is_none_ends_the_session_without_an_error() {
    let folder = Folder::new();
    let good = folder.open(&[], true);
    for (line, cause) in [
        (json!(null), "line: "),
        (with(good.clone(), "trusted_keys", json!(["ed25519:AAAA"])), "not a public key"),
        (with(good.clone(), "only_from_ci", json!(true)), "unknown field"),
        (with(good.clone(), "connect_ms", json!(null)), "line: "),
        (
            with(good.clone(), "url", json!("https://me:secret@example.com/")),
            "holds a user or password",
        ),
        (with(good.clone(), "url", json!("http://example.com/")), "use https"),
        (with(good.clone(), "url", json!("ftp://example.com/")), "expected s3://"),
        (with(good.clone(), "url", json!("file:///srv/%00")), "file:///srv"),
    ] {
        let (session, answer) = Session::start(&line, &[]);
        let (_, text) = failed(&answer);
        assert!(text.contains(cause), "{text}");
        assert!(!text.contains("secret"), "{text}");
        session.end();
    }
    // Plain HTTP to another host is refused as long as one record might be unsigned.
    let key = Key::new(1);
    let url = "http://example.com/cache";
    assert_eq!(failed(&Session::start(&open(url, &[&key], true), &[]).1).0, "denied");
    assert_eq!(failed(&Session::start(&open(url, &[], false), &[]).1).0, "denied");
    Session::open(&open(url, &[&key], false), &[]).end();
}

#[test]
fn no_input_is_no_error_and_too_much_in_a_line_is_one() {
    let output = program().arg("session").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());

    let folder = Folder::new();
    let mut child =
        program().arg("session").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", folder.open(&[], true)).unwrap();
    // The program need not read to the end.
    let _ = stdin.write_all(&vec![b' '; 33 << 20]);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text.lines().collect();
    assert_eq!(answers[0], r#"{"ready":true}"#);
    assert!(answers[1].contains("longer than 32 MiB"));
    assert_eq!(answers.len(), 2);
}

#[cfg(unix)]
#[test]
fn a_folder_that_hangs_or_forbids_is_a_failure_in_time() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let request = request("a");
    folder.put("lists/x", b"");
    // Opening a pipe that nobody writes to waits for ever.
    let pipe = folder.path("store/lists").join(&request);
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut session = Session::open(&with(folder.open(&[], true), "total_ms", json!(300)), &[]);
    let answer = session.ask(&json!({"find": {"list": request, "request": request, "limit": 1}}));
    assert_eq!(failed(&answer).0, "timeout");
    session.end();

    // The superuser is allowed everything.
    fs::set_permissions(folder.path("store/lists"), std::fs::Permissions::from_mode(0o000))
        .unwrap();
    if fs::read_dir(folder.path("store/lists")).is_err() {
        let mut session = Session::open(&folder.open(&[], true), &[]);
        let answer =
            session.ask(&json!({"find": {"list": request, "request": request, "limit": 1}}));
        assert_eq!(failed(&answer).0, "denied");
    }
    fs::set_permissions(folder.path("store/lists"), std::fs::Permissions::from_mode(0o755))
        .unwrap();
}
