//! A small HTTP server (GET, HEAD, PUT, DELETE, PROPFIND) that can be told to misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How an answer is spoilt.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with a page that must not reach anybody.
    Status(u16),
    /// The status, and a page without end.
    EndlessPage(u16),
    /// Nothing, for this long.
    Silence(Duration),
    /// The right head and half of the body; then the connection is closed.
    Cut,
    /// The right head and half of the body; then nothing, for this long.
    Stall(Duration),
    /// Other bytes, stated correctly.
    Body(Vec<u8>),
    /// The right length is stated, but these bytes come after the body.
    Trailing(Vec<u8>),
    /// Bytes in chunks without end, and no length.
    EndlessChunks,
    /// A length that is not true, and zeros without end.
    EndlessBody(u64),
    /// The connection is closed without an answer.
    HangUp,
    /// To another place.
    Redirect(String),
    /// A status with this page.
    Page(u16, &'static str),
}

/// How writes on a condition are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Conditions {
    /// As the standard says.
    #[default]
    Kept,
    /// An ETag in quotes never matches, as in some releases of Ceph.
    BareOnly,
    /// `If-Match` never matches.
    NeverMatch,
    /// With this status.
    Unknown(u16),
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    faults: Vec<(String, Fault)>,
    log: Vec<String>,
    authorization: Option<String>,
    conditions: Conditions,
}

/// A request without its body.
#[derive(Default)]
struct Head {
    /// `METHOD path`.
    line: String,
    authorization: Option<String>,
    if_match: Option<String>,
    if_none_match: bool,
}

#[derive(Clone)]
pub struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { address, state: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || server.serve(&stream));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("{}/cache/team", self.endpoint())
    }

    /// Where S3's clients find the bucket `cache`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set_conditions(&self, conditions: Conditions) {
        self.state.lock().unwrap().conditions = conditions;
    }

    /// Spoils each answer whose `METHOD path` has this text in it.
    pub fn spoil(&self, what: &str, fault: Fault) {
        self.state.lock().unwrap().faults.push((what.to_owned(), fault));
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    pub fn require(&self, authorization: &str) {
        self.state.lock().unwrap().authorization = Some(authorization.to_owned());
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = format!("/cache/team/{name}");
        self.state.lock().unwrap().objects.insert(path, bytes.to_vec());
    }

    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().objects.get(&format!("/cache/team/{name}")).cloned()
    }

    /// The requests so far, as `METHOD path`; forgets them.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut input = BufReader::new(stream);
        while let Some((head, body)) = read_request(&mut input) {
            let (method, path) = head.line.split_once(' ').unwrap();
            let fault = {
                let mut state = self.state.lock().unwrap();
                state.log.push(head.line.clone());
                let required = state.authorization.clone();
                if required.is_some() && required != head.authorization {
                    Some(Fault::Status(401))
                } else {
                    let mut faults = state.faults.iter();
                    faults
                        .find(|(what, _)| head.line.contains(what))
                        .map(|(_, fault)| fault.clone())
                }
            };
            let goes_on = match fault {
                Some(fault) => self.misbehave(stream, method, path, fault),
                None => self.behave(stream, &head, body),
            };
            if goes_on.is_none() {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    fn behave(&self, stream: &TcpStream, head: &Head, body: Vec<u8>) -> Option<()> {
        let (method, path) = head.line.split_once(' ').unwrap();
        let mut state = self.state.lock().unwrap();
        let object = state.objects.get(path).cloned();
        if let Some(status) = refusal(state.conditions, head, object.as_deref()) {
            return answer(stream, status, b"", true);
        }
        match (method, object) {
            ("GET", Some(bytes)) => answer(stream, 200, &bytes, true),
            ("HEAD", Some(bytes)) => answer(stream, 200, &bytes, false),
            ("PUT", _) => {
                state.objects.insert(path.to_owned(), body);
                answer(stream, 201, b"", true)
            }
            ("DELETE", Some(_)) => {
                state.objects.remove(path);
                answer(stream, 204, b"", true)
            }
            ("PROPFIND", _) => answer(stream, 207, listing(&state.objects, path).as_bytes(), true),
            (method, _) => answer(stream, 404, b"", method != "HEAD"),
        }
    }

    fn misbehave(
        &self,
        mut stream: &TcpStream,
        method: &str,
        path: &str,
        fault: Fault,
    ) -> Option<()> {
        let right = self.state.lock().unwrap().objects.get(path).cloned().unwrap_or_default();
        let head = |length: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        match fault {
            Fault::Status(status) => {
                return answer(stream, status, b"<html>secret \x1b[31m page", method != "HEAD");
            }
            Fault::Page(status, page) => {
                return answer(stream, status, page.as_bytes(), method != "HEAD");
            }
            Fault::Body(bytes) => return answer(stream, 200, &bytes, method != "HEAD"),
            Fault::Silence(time) => thread::sleep(time),
            Fault::HangUp => {}
            Fault::Redirect(to) => {
                let text =
                    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                return stream.write_all(text.as_bytes()).ok();
            }
            Fault::Cut => {
                stream.write_all(head(right.len() as u64).as_bytes()).ok()?;
                stream.write_all(&right[..right.len() / 2]).ok()?;
            }
            Fault::Stall(time) => {
                stream.write_all(head(right.len() as u64).as_bytes()).ok()?;
                stream.write_all(&right[..right.len() / 2]).ok()?;
                thread::sleep(time);
            }
            Fault::Trailing(bytes) => {
                stream.write_all(head(right.len() as u64).as_bytes()).ok()?;
                stream.write_all(&right).ok()?;
                stream.write_all(&bytes).ok()?;
            }
            Fault::EndlessBody(length) => {
                stream.write_all(head(length).as_bytes()).ok()?;
                endless(stream, &[0; 65536]);
            }
            Fault::EndlessPage(status) => {
                write!(stream, "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                endless(stream, b"10\r\n0123456789abcdef\r\n");
            }
            Fault::EndlessChunks => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head).ok()?;
                endless(stream, b"10\r\n0123456789abcdef\r\n");
            }
        }
        None
    }
}

/// The status with which a condition refuses the request.
fn refusal(conditions: Conditions, head: &Head, object: Option<&[u8]>) -> Option<u16> {
    let asked = head.if_none_match || head.if_match.is_some();
    if let (true, Conditions::Unknown(status)) = (asked, conditions) {
        return Some(status);
    }
    let e_tag = object.map(super::sha256).unwrap_or_default();
    let matches = |if_match: &String| match conditions {
        Conditions::Kept => *if_match == format!("\"{e_tag}\""),
        Conditions::BareOnly => *if_match == e_tag,
        _ => false,
    };
    let fails = head.if_none_match && object.is_some()
        || head.if_match.as_ref().is_some_and(|if_match| !matches(if_match));
    fails.then_some(412)
}

/// Writes until the other side has enough.
fn endless(mut stream: &TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

fn answer(mut stream: &TcpStream, status: u16, body: &[u8], with_body: bool) -> Option<()> {
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: \"{}\"\r\n\
         Last-Modified: Sun, 29 Nov 2026 11:00:00 GMT\r\n\r\n",
        body.len(),
        super::sha256(body)
    )
    .ok()?;
    if with_body { stream.write_all(body).ok() } else { Some(()) }
}

/// WebDAV's answer to PROPFIND.
fn listing(objects: &BTreeMap<String, Vec<u8>>, path: &str) -> String {
    let mut text = "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">".to_owned();
    for (name, bytes) in
        objects.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path))
    {
        text += &format!(
            "<D:response><D:href>{name}</D:href><D:propstat><D:prop>\
             <D:getlastmodified>Sun, 29 Nov 2026 11:00:00 GMT</D:getlastmodified>\
             <D:getcontentlength>{}</D:getcontentlength><D:resourcetype/></D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
            bytes.len()
        );
    }
    text + "</D:multistatus>"
}

fn read_request(input: &mut BufReader<&TcpStream>) -> Option<(Head, Vec<u8>)> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut head = Head { line: line.rsplit_once(' ')?.0.to_owned(), ..Head::default() };
    let mut length = 0;
    loop {
        line.clear();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => head.authorization = Some(value.to_owned()),
            "if-match" => head.if_match = Some(value.to_owned()),
            "if-none-match" => head.if_none_match = value == "*",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some((head, body))
}
