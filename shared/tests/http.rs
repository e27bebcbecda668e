//! Sessions over HTTP, with a server that does what it should and one that does not.

mod support;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::{Value, json};
use support::server::{Fault, Server};
use support::{Folder, Key, Session, WHEEL, failed, open, payload, request, sha256, with};

/// A server with a record and its wheel, a reader's session, and a folder for what it fetches.
struct Scene {
    server: Server,
    folder: Folder,
    key: Key,
    request: String,
    id: String,
}

impl Scene {
    fn new() -> Self {
        let (server, folder, key, request) =
            (Server::start(), Folder::new(), Key::new(1), request("a"));
        let record = key.envelope(&payload(&request, WHEEL));
        let id = sha256(&record);
        server.put(&format!("records/{id}"), &record);
        server.put(&format!("lists/{request}"), format!("{id}\n").as_bytes());
        server.put(&format!("wheels/{}", sha256(WHEEL)), WHEEL);
        Self { server, folder, key, request, id }
    }

    fn open(&self) -> Value {
        open(&self.server.url(), &[&self.key], false)
    }

    fn reader(&self) -> Session {
        Session::open(&self.open(), &[])
    }

    fn ask_find(&self) -> Value {
        json!({"find": {"list": self.request, "request": self.request, "limit": 16}})
    }
}

#[test]
fn a_plain_server_is_enough() {
    let (server, folder, key) = (Server::start(), Folder::new(), Key::new(1));
    let secret = key.secret();
    let open = open(&server.url(), &[&key], false);
    let mut session = Session::open(&open, &[("WHEELPRINT_SHARED_KEY", &secret)]);
    let request = request("a");
    let published = session.ask(&folder.publish(&request))["published"].clone();
    assert_eq!(
        (&published["wheel"], &published["record_was"]),
        (&json!("created"), &json!("created"))
    );
    assert_eq!(published["list"], "written");
    let id = published["record"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("wheels/{}", sha256(WHEEL))).unwrap(), WHEEL);
    assert_eq!(sha256(&server.get(&format!("records/{id}")).unwrap()), id);

    server.log();
    let again = session.ask(&folder.publish(&request))["published"].clone();
    assert_eq!((&again["wheel"], &again["record_was"]), (&json!("there"), &json!("there")));
    // What is there was looked at, not written.
    let log = server.log();
    assert!(log.iter().all(|line| !line.starts_with("PUT")), "{log:?}");

    assert_eq!(session.found(&request), [id.as_str()]);
    let to = folder.path("fetched");
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
    assert_eq!(fs::read(to).unwrap(), WHEEL);

    let listed = session.ask(&json!({"list": {"limit": 10}}))["listed"].clone();
    assert_eq!(listed["records"][0]["id"], id);
    assert_eq!(listed["wheels"][0]["size"], WHEEL.len());
    let removed = session.ask(&json!({"gc": {"before": "2999-01-01"}}))["removed"].clone();
    assert_eq!((&removed["records"], &removed["wheels"]), (&json!(1), &json!(1)));
    assert_eq!(session.find(&request), json!({"records": [], "refused": []}));
    session.end();
}

#[test]
fn nothing_is_published_over_a_network_without_a_key() {
    let (server, folder) = (Server::start(), Folder::new());
    let mut session = Session::open(&open(&server.url(), &[], true), &[]);
    let (kind, cause) = failed(&session.ask(&folder.publish(&request("a"))));
    assert_eq!(kind, "denied");
    assert!(cause.contains("WHEELPRINT_SHARED_KEY_FILE"), "{cause}");
    assert_eq!(server.log(), [] as [&str; 0]);
}

#[test]
fn credentials_are_from_the_environment() {
    let scene = Scene::new();
    scene.server.require("Basic bWU6c2VjcmV0");
    let user = ("WHEELPRINT_SHARED_HTTP_USER", "me");
    let mut session =
        Session::open(&scene.open(), &[user, ("WHEELPRINT_SHARED_HTTP_PASSWORD", "secret")]);
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
    for variables in [vec![], vec![user], vec![("WHEELPRINT_SHARED_HTTP_TOKEN", "secret")]] {
        let (kind, cause) =
            failed(&Session::open(&scene.open(), &variables).ask(&scene.ask_find()));
        assert_eq!(kind, "denied");
        assert!(cause.contains("401") && !cause.contains("secret"), "{cause}");
    }
    scene.server.require("Bearer secret");
    let mut session = Session::open(&scene.open(), &[("WHEELPRINT_SHARED_HTTP_TOKEN", "secret")]);
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
}

#[test]
fn credentials_are_not_sent_in_the_clear() {
    let url = "http://192.0.2.1/cache";
    let token = ("WHEELPRINT_SHARED_HTTP_TOKEN", "secret");
    let (_session, answer) = Session::start(&open(url, &[&Key::new(1)], false), &[token]);
    let (kind, cause) = failed(&answer);
    assert_eq!(kind, "denied");
    assert!(cause.contains("use https") && !cause.contains("secret"), "{cause}");
}

#[test]
fn a_redirection_is_not_followed() {
    let (scene, other) = (Scene::new(), Server::start());
    let name = format!("wheels/{}", sha256(WHEEL));
    other.put(&name, WHEEL);
    other.require("Bearer secret");
    scene
        .server
        .spoil("GET /cache/team/wheels", Fault::Redirect(format!("{}/{name}", other.url())));
    let mut session = Session::open(&scene.open(), &[("WHEELPRINT_SHARED_HTTP_TOKEN", "secret")]);
    let answer = session.ask(&scene.folder.fetch(&scene.folder.path("fetched")));
    assert!(failed(&answer).1.contains("it leads elsewhere"), "{answer}");
    assert_eq!(other.log(), [] as [&str; 0]);
}

#[test]
fn errors_of_the_server_are_told_by_their_status() {
    let scene = Scene::new();
    for (status, kind) in
        [(401, "denied"), (403, "denied"), (400, "server"), (500, "server"), (503, "server")]
    {
        scene.server.mend();
        scene.server.spoil("GET /cache/team/lists", Fault::Status(status));
        let mut session = scene.reader();
        let (told, cause) = failed(&session.ask(&scene.ask_find()));
        assert_eq!(told, kind, "{cause}");
        assert!(cause.contains(&format!("the server answered {status}")), "{cause}");
        assert!(!cause.contains("page"), "{cause}");
        // The session goes on.
        scene.server.mend();
        assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
    }
    scene.server.spoil("PUT ", Fault::Status(413));
    let secret = scene.key.secret();
    let mut writer = Session::open(&scene.open(), &[("WHEELPRINT_SHARED_KEY", &secret)]);
    let other = request("other");
    let (kind, cause) = failed(&writer.ask(&scene.folder.publish(&other)));
    assert_eq!(kind, "server");
    assert!(cause.contains("client_max_body_size"), "{cause}");
    // A server that cannot list.
    scene.server.spoil("PROPFIND ", Fault::Status(405));
    let (kind, cause) = failed(&writer.ask(&json!({"list": {"limit": 5}})));
    assert_eq!(kind, "server");
    assert!(cause.contains("PROPFIND"), "{cause}");
}

#[test]
fn what_is_missing_is_no_failure() {
    let scene = Scene::new();
    scene.server.spoil("/lists/", Fault::Status(404));
    let mut session = scene.reader();
    assert_eq!(session.find(&scene.request), json!({"records": [], "refused": []}));
    scene.server.mend();
    scene.server.spoil("/records/", Fault::Status(404));
    assert_eq!(session.find(&scene.request), json!({"records": [], "refused": []}));
    scene.server.spoil("/wheels/", Fault::Status(404));
    let to = scene.folder.path("fetched");
    assert_eq!(session.ask(&scene.folder.fetch(&to)), json!({"missing": true}));
    assert!(!to.exists());
}

#[test]
fn a_server_that_is_away_costs_one_attempt() {
    // A port that nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/cache");
    let mut session = Session::open(&open(&url, &[&Key::new(1)], false), &[]);
    let (kind, cause) = failed(
        &session.ask(&json!({"find": {"list": request("a"), "request": request("a"), "limit": 1}})),
    );
    assert_eq!(kind, "connect");
    assert!(cause.contains(&format!("127.0.0.1:{port}")), "{cause}");
    session.end();
}

/// A server whose queue of connections is full: to the client it is a host that does not answer.
#[cfg(target_os = "linux")]
#[test]
fn a_host_that_does_not_answer_costs_the_time_to_connect_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300))
    {
        queue.push(stream);
        assert!(queue.len() < 10_000);
    }
    let open = open(&format!("http://{address}/cache"), &[&Key::new(1)], false);
    let mut session = Session::open(&with(open, "total_ms", json!(120_000)), &[]);
    let began = Instant::now();
    let answer =
        session.ask(&json!({"find": {"list": request("a"), "request": request("a"), "limit": 1}}));
    let (kind, cause) = failed(&answer);
    assert_eq!(kind, "connect", "{cause}");
    // The kernel itself gives up after two minutes.
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// The most records that a list can name, each as large as it may be.
#[cfg(target_os = "linux")]
#[test]
fn many_large_records_are_not_in_memory_at_once() {
    let scene = Scene::new();
    let large = vec![b' '; 8 << 20];
    let mut list = String::new();
    for record in 0..20u8 {
        let bytes = [large[..(8 << 20) - 1].as_ref(), &[record]].concat();
        let id = sha256(&bytes);
        scene.server.put(&format!("records/{id}"), &bytes);
        list += &format!("{id}\n");
    }
    scene.server.put(&format!("lists/{}", scene.request), list.as_bytes());
    let mut session = Session::open(&with(scene.open(), "total_ms", json!(120_000)), &[]);
    let answer = session
        .ask(&json!({"find": {"list": scene.request, "request": scene.request, "limit": 64}}));
    let refused = answer["found"]["refused"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert!(refused.iter().all(|refusal| refusal["cause"] == "not a DSSE envelope"));
    assert_eq!(refused.len(), 20);
    assert!(session.peak() < 200 << 20, "{}", session.peak());
}

#[test]
fn one_deadline_ends_whatever_takes_too_long() {
    let scene = Scene::new();
    let long = Duration::from_secs(60);
    let to = scene.folder.path("fetched");
    let mut session = Session::open(&with(scene.open(), "total_ms", json!(400)), &[]);
    let began = Instant::now();
    for fault in [Fault::Silence(long), Fault::Stall(long)] {
        scene.server.mend();
        scene.server.spoil("GET ", fault);
        assert_eq!(failed(&session.ask(&scene.ask_find())).0, "timeout");
        assert_eq!(failed(&session.ask(&scene.folder.fetch(&to))).0, "timeout");
        // What had arrived of it is removed.
        assert!(!to.exists());
    }
    // Retries count, too.
    scene.server.mend();
    scene.server.spoil("GET ", Fault::Status(500));
    let mut short = Session::open(&with(scene.open(), "total_ms", json!(50)), &[]);
    assert_eq!(failed(&short.ask(&scene.ask_find())).0, "timeout");
    // Far less than what the server would have taken.
    assert!(began.elapsed() < long);
    scene.server.mend();
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
}

#[test]
fn a_cut_connection_is_a_failure_and_leaves_no_file() {
    let scene = Scene::new();
    let to = scene.folder.path("fetched");
    for fault in [Fault::Cut, Fault::HangUp] {
        scene.server.mend();
        scene.server.spoil("GET ", fault);
        let mut session = scene.reader();
        assert_eq!(failed(&session.ask(&scene.ask_find())).0, "server");
        assert_eq!(failed(&session.ask(&scene.folder.fetch(&to))).0, "server");
        assert!(!to.exists());
        scene.server.mend();
        assert_eq!(
            session.ask(&scene.folder.fetch(&to)),
            json!({"fetched": {"size": WHEEL.len()}})
        );
        fs::remove_file(&to).unwrap();
    }
    let secret = scene.key.secret();
    let mut writer = Session::open(&scene.open(), &[("WHEELPRINT_SHARED_KEY", &secret)]);
    scene.server.spoil("PUT ", Fault::HangUp);
    assert_eq!(failed(&writer.ask(&scene.folder.publish(&request("other")))).0, "server");
}

#[test]
fn other_bytes_than_asked_for_are_refused() {
    let scene = Scene::new();
    let to = scene.folder.path("fetched");
    let mut other = WHEEL.to_vec();
    other[7] ^= 1;
    for (fault, cause) in [
        (Fault::Body(other), "its content is not what its name says"),
        (Fault::Body(b"short".to_vec()), "it has 5 bytes, not"),
        (Fault::Body(vec![0; 5 << 20]), "it has 5242880 bytes, not"),
        (Fault::EndlessBody(u64::MAX / 2), "bytes, not"),
        (Fault::EndlessBody(WHEEL.len() as u64), "its content is not what its name says"),
    ] {
        scene.server.mend();
        scene.server.spoil("GET ", fault);
        let answer = scene.reader().ask(&scene.folder.fetch(&to));
        let text = answer["refused"]["cause"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(text.contains(cause), "{text}");
        assert!(!to.exists());
    }
    scene.server.mend();
    // More than stated: the wheel is what it should be. What is more might be taken for the answer to the
    // next request, where it is as little believed as any other.
    let smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_vec();
    scene.server.spoil("GET ", Fault::Trailing(smuggled));
    let mut session = scene.reader();
    assert_eq!(session.ask(&scene.folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
    assert_eq!(fs::read(&to).unwrap(), WHEEL);
    let found = session.ask(&scene.ask_find());
    let ids = found["found"]["records"].as_array();
    assert!(ids.is_none_or(|ids| ids.iter().all(|record| record["id"] == scene.id)), "{found}");
}

#[test]
fn bodies_without_end_are_bounded() {
    let scene = Scene::new();
    let to = scene.folder.path("fetched");
    for fault in [
        Fault::EndlessBody(9 << 20),
        Fault::EndlessBody(u64::MAX / 2),
        Fault::EndlessChunks,
        Fault::EndlessPage(403),
        Fault::EndlessPage(404),
        Fault::EndlessPage(500),
    ] {
        scene.server.mend();
        scene.server.spoil("GET /cache/team/records", fault.clone());
        let began = Instant::now();
        let mut session = scene.reader();
        let answer = session.ask(&scene.ask_find());
        let bounded = answer["found"]["refused"][0]["cause"].as_str() == Some("larger than 8 MiB")
            || answer["found"] == json!({"records": [], "refused": []})
            || answer["failed"].is_object();
        assert!(bounded, "{fault:?}: {answer}");
        assert!(began.elapsed() < Duration::from_secs(15), "{fault:?}");
        scene.server.mend();
        assert_eq!(session.found(&scene.request), [scene.id.as_str()], "{fault:?}");
    }
    // The list, and WebDAV's list.
    scene.server.spoil("GET /cache/team/lists", Fault::EndlessBody(u64::MAX / 2));
    scene.server.spoil("PROPFIND ", Fault::EndlessBody(u64::MAX / 2));
    let mut session = scene.reader();
    assert_eq!(session.find(&scene.request), json!({"records": [], "refused": []}));
    assert!(session.ask(&json!({"list": {"limit": 3}}))["failed"].is_object());
    #[cfg(target_os = "linux")]
    assert!(session.peak() < 200 << 20, "{}", session.peak());
    scene.server.mend();
    scene.server.spoil("GET ", Fault::EndlessChunks);
    assert!(session.ask(&scene.folder.fetch(&to))["failed"].is_object());
    assert!(!to.exists());
}

#[test]
fn what_is_kept_is_not_transferred_again() {
    let scene = Scene::new();
    let open = with(scene.open(), "keep", json!(scene.folder.path("keep")));
    let mut session = Session::open(&open, &[]);
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
    scene.server.log();
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
    assert_eq!(scene.server.log(), [format!("GET /cache/team/lists/{}", scene.request)]);
}

#[test]
fn plain_http_to_this_machine_may_be_unsigned() {
    let scene = Scene::new();
    let mut session = Session::open(&open(&scene.server.url(), &[], true), &[]);
    assert_eq!(session.found(&scene.request), [scene.id.as_str()]);
}
