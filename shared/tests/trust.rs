//! Whose records are accepted. The records are made here, without the program's code, and put into the
//! store behind its back, as somebody would who can write to the store but has no trusted key.

mod support;

use fs_err as fs;
use serde_json::{Value, json};
use support::{Folder, Key, Session, WHEEL, envelope, failed, payload, request, sha256, with};

#[test]
fn a_trusted_signature_is_accepted() {
    let (folder, ours, other) = (Folder::new(), Key::new(1), Key::new(2));
    let request = request("a");
    let id = folder.put_record(&request, &ours.envelope(&payload(&request, WHEEL)));
    let mut session = Session::open(&folder.open(&[&other, &ours], false), &[]);
    let found = session.find(&request);
    assert_eq!(found["records"][0]["id"], id);
    assert_eq!(found["records"][0]["key"], ours.public());
}

#[test]
fn nothing_else_is() {
    let (ours, other) = (Key::new(1), Key::new(2));
    let request = request("a");
    let good = payload(&request, WHEEL);
    let evil = payload(&request, b"an evil wheel");
    let text = |value: &Value| value.to_string().into_bytes();
    let signature =
        |key: &Key, over: &Value| json!([{"keyid": ours.public(), "sig": key.sign(&text(over))}]);
    let mut wrong_type: Value = serde_json::from_slice(&ours.envelope(&good)).unwrap();
    wrong_type["payloadType"] = json!("application/vnd.in-toto+json");
    let cases = [
        ("unsigned", envelope(&text(&good), &json!([])), "not signed"),
        ("unknown key", other.envelope(&good), "not among the trusted keys"),
        ("wrongly signed", envelope(&text(&good), &signature(&other, &good)), "is wrong"),
        ("tampered payload", envelope(&text(&evil), &signature(&ours, &good)), "is wrong"),
        (
            "no base64",
            envelope(&text(&good), &json!([{"keyid": ours.public(), "sig": "%"}])),
            "is wrong",
        ),
        (
            "empty signature",
            envelope(&text(&good), &json!([{"keyid": ours.public(), "sig": ""}])),
            "is wrong",
        ),
        (
            "no key",
            envelope(&text(&good), &json!([{"sig": ours.sign(&text(&good))}])),
            "not signed",
        ),
        ("another type", text(&wrong_type), "the payload's type is not"),
        (
            "another version",
            ours.envelope(&with(good.clone(), "version", json!(2))),
            "version is 2",
        ),
        (
            "no JSON",
            envelope(b"{", &json!([{"keyid": ours.public(), "sig": ours.sign(b"{")}])),
            "not JSON",
        ),
        ("no envelope", b"{\"payload\":1}".to_vec(), "not a DSSE envelope"),
        ("deep", "[".repeat(1 << 20).into_bytes(), "not a DSSE envelope"),
        ("too large", vec![b' '; (8 << 20) + 1], "larger than 8 MiB"),
        ("empty", Vec::new(), "not a DSSE envelope"),
    ];
    for (name, bytes, cause) in cases {
        let folder = Folder::new();
        let id = folder.put_record(&request, &bytes);
        let open = with(folder.open(&[&ours], false), "keep", json!(folder.path("keep")));
        let mut session = Session::open(&open, &[]);
        let found = session.find(&request);
        assert_eq!(found["records"], json!([]), "{name}");
        assert_eq!(found["refused"][0]["id"], id, "{name}");
        let text = found["refused"][0]["cause"].as_str().unwrap();
        assert!(text.contains(cause), "{name}: {text}");
        // What was refused is not kept.
        assert!(!folder.path("keep/records").join(&id).exists(), "{name}");
    }
}

#[test]
fn a_record_for_another_request_is_refused_under_this_list() {
    let (folder, ours) = (Folder::new(), Key::new(1));
    let (this, another) = (request("this"), request("another"));
    let replayed = ours.envelope(&payload(&another, WHEEL));
    let id = folder.put_record(&another, &replayed);
    folder.put_record(&this, &replayed);
    let open = with(folder.open(&[&ours], false), "keep", json!(folder.path("keep")));
    let mut session = Session::open(&open, &[]);
    assert_eq!(session.found(&another), [id.as_str()]);
    // It is kept now; that changes nothing.
    assert!(folder.path("keep/records").join(&id).exists());
    assert_eq!(session.refused(&this), [format!("the record is for the request {another}")]);
}

#[test]
fn a_record_under_a_wrong_name_is_refused() {
    let (folder, ours) = (Folder::new(), Key::new(1));
    let request = request("a");
    let named = sha256(b"a name");
    folder.put(&format!("records/{named}"), &ours.envelope(&payload(&request, WHEEL)));
    folder.put(&format!("lists/{request}"), named.as_bytes());
    let mut session = Session::open(&folder.open(&[&ours], false), &[]);
    assert_eq!(session.refused(&request), ["its content is not what its name says"]);
}

#[test]
fn a_kept_record_of_a_withdrawn_key_is_refused() {
    let (folder, withdrawn, new) = (Folder::new(), Key::new(1), Key::new(2));
    let request = request("a");
    let id = folder.put_record(&request, &withdrawn.envelope(&payload(&request, WHEEL)));
    let keep = json!(folder.path("keep"));
    let both = with(folder.open(&[&withdrawn, &new], false), "keep", keep.clone());
    assert_eq!(Session::open(&both, &[]).found(&request), [id.as_str()]);
    assert!(folder.path("keep/records").join(&id).exists());
    for gone in [false, true] {
        if gone {
            fs::remove_file(folder.path("store/records").join(&id)).unwrap();
        }
        let only_new = with(folder.open(&[&new], false), "keep", keep.clone());
        let refused = Session::open(&only_new, &[]).refused(&request);
        assert!(refused[0].contains("not among the trusted keys"), "{refused:?}");
    }
}

#[test]
fn a_kept_record_spares_the_store_and_a_changed_one_does_not_count() {
    let (folder, ours) = (Folder::new(), Key::new(1));
    let request = request("a");
    let record = ours.envelope(&payload(&request, WHEEL));
    let id = folder.put_record(&request, &record);
    let open = with(folder.open(&[&ours], false), "keep", json!(folder.path("keep")));
    let mut session = Session::open(&open, &[]);
    assert_eq!(session.found(&request), [id.as_str()]);
    // Somebody writes an unsigned record into the kept one's place: the store's is read again.
    let kept = folder.path("keep/records").join(&id);
    let unsigned = envelope(payload(&request, b"evil").to_string().as_bytes(), &json!([]));
    fs::write(&kept, unsigned).unwrap();
    assert_eq!(session.find(&request)["records"][0]["payload"], payload(&request, WHEEL));
    assert_eq!(fs::read(&kept).unwrap(), record);
    fs::remove_file(folder.path("store/records").join(&id)).unwrap();
    assert_eq!(session.found(&request), [id.as_str()]);
}

#[test]
fn a_list_is_only_a_hint() {
    let (folder, ours) = (Folder::new(), Key::new(1));
    let request = request("a");
    let id = folder.put_record(&request, &ours.envelope(&payload(&request, WHEEL)));
    let secret = folder.path("secret");
    fs::write(&secret, "secret").unwrap();
    let mut list = "../../secret\n/etc/passwd\n..\n\n\u{0}\nrecords/../../secret\n".to_owned();
    list += &format!("{}\n{id}/../{id}\n{id}\n{id}\n", id.to_uppercase());
    folder.put(&format!("lists/{request}"), list.as_bytes());
    let mut session = Session::open(&folder.open(&[&ours], false), &[]);
    assert_eq!(session.find(&request)["refused"], json!([]));
    assert_eq!(session.found(&request), [id.as_str()]);

    // Thousands of ids of nothing: no more than the first 64 are looked for, however many are asked for.
    let mut list: String =
        (0..63).map(|n: i32| format!("{}\n", sha256(&n.to_be_bytes()))).collect();
    list += &format!("{id}\n");
    list.extend((0..5000).map(|n: i32| format!("{}\n", sha256(&(-n - 1).to_be_bytes()))));
    folder.put(&format!("lists/{request}"), list.as_bytes());
    assert_eq!(session.find(&request), json!({"records": [], "refused": []}));
    let all =
        session.ask(&json!({"find": {"list": request, "request": request, "limit": 100_000}}));
    assert_eq!(all["found"]["records"].as_array().unwrap().len(), 1);
    // Binary garbage, and more of it than is read.
    folder.put(&format!("lists/{request}"), &vec![0xff; 3 << 20]);
    assert_eq!(session.find(&request), json!({"records": [], "refused": []}));
    // The next that publishes writes it anew.
    let mut writer =
        Session::open(&folder.open(&[&ours], false), &[("WHEELPRINT_SHARED_KEY", &ours.secret())]);
    let published = writer.ask(&folder.publish(&request))["published"].clone();
    assert_eq!(published["list"], "written");
    assert_eq!(session.found(&request), [published["record"].as_str().unwrap()]);
}

#[test]
fn unsigned_counts_where_it_is_accepted_and_a_wrong_signature_nowhere() {
    let (folder, ours, other) = (Folder::new(), Key::new(1), Key::new(2));
    let request = request("a");
    let text = payload(&request, WHEEL).to_string().into_bytes();
    folder.put_record(&request, &envelope(&text, &json!([])));
    let found = Session::open(&folder.open(&[&ours], true), &[]).find(&request);
    assert_eq!(found["records"][0]["key"], json!(null));
    folder.put_record(&request, &other.envelope(&payload(&request, WHEEL)));
    let found = Session::open(&folder.open(&[&ours], true), &[]).find(&request);
    assert_eq!(found["records"][0]["key"], json!(null));
    let wrong = json!([{"keyid": ours.public(), "sig": other.sign(&text)}]);
    folder.put_record(&request, &envelope(&text, &wrong));
    let refused = Session::open(&folder.open(&[&ours], true), &[]).refused(&request);
    assert!(refused[0].ends_with("is wrong"));
}

#[test]
fn without_keys_and_without_leave_nothing_is_accepted() {
    let (folder, ours) = (Folder::new(), Key::new(1));
    let request = request("a");
    folder.put_record(&request, &ours.envelope(&payload(&request, WHEEL)));
    let refused = Session::open(&folder.open(&[], false), &[]).refused(&request);
    assert!(refused[0].contains("not among the trusted keys"));
}

#[test]
fn a_key_that_is_none_is_a_failure_that_does_not_show_it() {
    let folder = Folder::new();
    let file = folder.path("key");
    fs::write(&file, "ed25519-secret:c2VjcmV0").unwrap();
    let missing = folder.path("missing");
    for variables in [
        [("WHEELPRINT_SHARED_KEY", "ed25519-secret:c2VjcmV0")],
        [("WHEELPRINT_SHARED_KEY_FILE", file.to_str().unwrap())],
        [("WHEELPRINT_SHARED_KEY_FILE", missing.to_str().unwrap())],
    ] {
        let mut session = Session::open(&folder.open(&[], true), &variables);
        let (_, cause) = failed(&session.ask(&folder.publish(&request("a"))));
        assert!(!cause.contains("c2VjcmV0"), "{cause}");
        assert!(!folder.path("store").exists());
    }
    // From a file, with what surrounds it.
    let ours = Key::new(1);
    fs::write(&file, format!("\n{}\n\n", ours.secret())).unwrap();
    let variables = [("WHEELPRINT_SHARED_KEY_FILE", file.to_str().unwrap())];
    let mut session = Session::open(&folder.open(&[&ours], false), &variables);
    assert!(session.ask(&folder.publish(&request("a")))["published"].is_object());
    assert_eq!(session.found(&request("a")).len(), 1);
}
