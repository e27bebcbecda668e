//! Sessions over S3's protocol: writes on a condition, with servers that know them and others.

mod support;

use std::thread;

use serde_json::{Value, json};
use support::server::{Conditions, Fault, Server};
use support::{Folder, Key, Session, WHEEL, failed, open, payload, request, sha256, with};

const URL: &str = "s3://cache/team";

fn session(server: &Server, open: &Value, more: &[(&str, &str)]) -> Session {
    let endpoint = server.endpoint();
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    variables.extend(more);
    Session::open(open, &variables)
}

#[test]
fn objects_are_created_once_and_lists_changed_on_a_condition() {
    let (server, folder, key) = (Server::start(), Folder::new(), Key::new(1));
    let open = open(URL, &[&key], false);
    let mut session = session(&server, &open, &[("WHEELPRINT_SHARED_KEY", &key.secret())]);
    let request = request("a");
    let published = session.ask(&folder.publish(&request))["published"].clone();
    assert_eq!(
        (&published["wheel"], &published["record_was"], &published["list"]),
        (&json!("created"), &json!("created"), &json!("written"))
    );
    server.log();
    let again = session.ask(&folder.publish(&request))["published"].clone();
    assert_eq!((&again["wheel"], &again["record_was"]), (&json!("there"), &json!("there")));
    assert!(server.log().iter().all(|line| !line.starts_with("PUT")));
    assert_eq!(session.found(&request), [published["record"].as_str().unwrap()]);
    let to = folder.path("fetched");
    assert_eq!(session.ask(&folder.fetch(&to)), json!({"fetched": {"size": WHEEL.len()}}));
    session.end();
}

#[test]
fn writers_at_once_lose_no_line_where_the_server_has_conditions() {
    for conditions in [Conditions::Kept, Conditions::BareOnly] {
        let (server, folder, key) = (Server::start(), Folder::new(), Key::new(1));
        server.set_conditions(conditions);
        let (open, request) = (open(URL, &[&key], false), request("a"));
        // The writers take turns in pairs: three lost races in a row are not the rule.
        thread::scope(|scope| {
            for writer in 0..2 {
                let (server, folder, open, request) = (&server, &folder, &open, &request);
                let secret = key.secret();
                scope.spawn(move || {
                    let mut session = session(server, open, &[("WHEELPRINT_SHARED_KEY", &secret)]);
                    for build in 0..8 {
                        let payload = with(payload(request, WHEEL), "n", json!([writer, build]));
                        let wheel = folder.path("wheel");
                        let ask = json!({"publish": {"lists": [request], "request": request, "payload": payload, "wheel": wheel}});
                        let answer = session.ask(&ask);
                        assert!(answer["published"].is_object(), "{answer}");
                        let id = answer["published"]["record"].as_str().unwrap();
                        let list = server.get(&format!("lists/{request}")).unwrap();
                        let is_listed = String::from_utf8(list).unwrap().contains(id);
                        assert_eq!(answer["published"]["list"] == "written", is_listed);
                    }
                });
            }
        });
        let mut reader = session(&server, &open, &[]);
        let all = reader.ask(&json!({"find": {"list": request, "request": request, "limit": 64}}))
            ["found"]
            .clone();
        assert_eq!(all["refused"], json!([]));
        let listed = all["records"].as_array().unwrap().len();
        assert!(listed > 8, "{conditions:?}: {listed}");
    }
}

#[test]
fn a_server_without_conditions_is_written_to_all_the_same() {
    for conditions in [Conditions::Unknown(400), Conditions::Unknown(501), Conditions::NeverMatch] {
        let (server, folder, key) = (Server::start(), Folder::new(), Key::new(1));
        server.set_conditions(conditions);
        let open = open(URL, &[&key], false);
        let mut session = session(&server, &open, &[("WHEELPRINT_SHARED_KEY", &key.secret())]);
        let request = request("a");
        let mut ids = Vec::new();
        for build in 0..3 {
            let payload = with(payload(&request, WHEEL), "n", json!(build));
            let wheel = folder.path("wheel");
            let ask = json!({"publish": {"lists": [request], "request": request, "payload": payload, "wheel": wheel}});
            let published = session.ask(&ask)["published"].clone();
            assert_eq!(published["wheel"], if build == 0 { "created" } else { "there" });
            assert_eq!(published["record_was"], "created");
            assert_eq!(published["list"], "written", "{conditions:?}");
            ids.insert(0, published["record"].as_str().unwrap().to_owned());
        }
        assert_eq!(session.found(&request), ids);
    }
}

#[test]
fn a_bucket_that_is_not_there_is_a_failure() {
    let (server, key) = (Server::start(), Key::new(1));
    let page = "<Error><Code>NoSuchBucket</Code></Error>";
    server.spoil("GET ", Fault::Page(404, page));
    let ask = json!({"find": {"list": request("a"), "request": request("a"), "limit": 1}});
    let (kind, cause) = failed(&session(&server, &open(URL, &[&key], false), &[]).ask(&ask));
    assert_eq!(kind, "server");
    assert!(cause.contains("404, NoSuchBucket; check the bucket's name"), "{cause}");
    server.mend();
    server.spoil("GET ", Fault::Page(403, "<Error><Code>AccessDenied</Code></Error>"));
    let (kind, cause) = failed(&session(&server, &open(URL, &[&key], false), &[]).ask(&ask));
    assert_eq!(kind, "denied");
    assert!(cause.contains("403, AccessDenied") && cause.contains("s3:ListBucket"), "{cause}");
}

#[test]
fn an_endpoint_without_tls_on_another_host_needs_signatures() {
    let (server, key) = (Server::start(), Key::new(1));
    let ask = json!({"find": {"list": request("a"), "request": request("a"), "limit": 1}});
    let elsewhere = [("AWS_ENDPOINT_URL", "http://store.example.com"), ("AWS_ALLOW_HTTP", "true")];
    for (trusted, unsigned) in [(vec![], true), (vec![&key], true), (vec![], false)] {
        let open = open(URL, &trusted, unsigned);
        let (kind, cause) = failed(&session(&server, &open, &elsewhere).ask(&ask));
        assert_eq!(kind, "denied");
        assert!(cause.contains("use https, or list trusted keys"), "{cause}");
    }
    assert!(server.log().is_empty());
    // This machine's own is no other host.
    let found = session(&server, &open(URL, &[], true), &[]).ask(&ask);
    assert_eq!(found["found"], json!({"records": [], "refused": []}));
}

#[test]
fn credentials_that_are_half_there_are_a_failure_without_them() {
    let variables =
        [("AWS_SECRET_ACCESS_KEY", "sesame"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let (session, answer) = Session::start(&open(URL, &[&Key::new(1)], false), &variables);
    let (_, cause) = failed(&answer);
    assert!(cause.starts_with(URL) && !cause.contains("sesame"), "{cause}");
    session.end();
}

#[test]
fn names_in_the_store_are_digests() {
    let (server, folder, key) = (Server::start(), Folder::new(), Key::new(1));
    let open = open(URL, &[&key], false);
    let mut session = session(&server, &open, &[("WHEELPRINT_SHARED_KEY", &key.secret())]);
    let request = request("a");
    let id = session.ask(&folder.publish(&request))["published"]["record"].clone();
    let mut log = server.log();
    log.sort();
    log.dedup();
    let id = id.as_str().unwrap();
    for line in &log {
        let name = line.rsplit_once('/').unwrap().1;
        assert!([sha256(WHEEL).as_str(), id, &request].contains(&name), "{line}");
    }
}
