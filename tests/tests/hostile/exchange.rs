//! Raw requests and what came back for them. Every answer that is a problem is looked through for what must not leak.

use std::net::SocketAddr;
use std::time::Duration;

use metropolis_tests::http::raw_within;
use serde_json::Value;

/// How long a connection may stay open after everything was said on it.
const DEADLINE: Duration = Duration::from_secs(10);

/// What no stranger is told: subjects, inboxes, types, source files, libraries.
const SECRETS: &[&str] = &[
    "hostile.", "_INBOX", "NATS", "nats", "::", ".rs", "panicked", "serde", "hyper", "tokio",
];

/// One answer, as it stood on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Everything one connection gave.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) list: Vec<Answer>,
    pub(crate) is_closed: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.body.escape_ascii()))
    }

    /// The `code` of a problem; `""` for anything else.
    pub(crate) fn code(&self) -> String {
        if self.header("content-type") != Some("application/problem+json") {
            return String::new();
        }
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Checks that this is a whole problem of that status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        let text = self.body.escape_ascii().to_string();
        assert_eq!((self.status, &*self.code()), (status, code), "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{text}");
        assert!(problem["detail"].is_string(), "{text}");
    }
}

/// Sends bytes on a connection of their own and reads until it is closed.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answers {
    exchange_within(address, bytes, DEADLINE).await
}

/// Like [`exchange`], for connections that may stay open.
pub(crate) async fn exchange_within(
    address: SocketAddr,
    bytes: &[u8],
    deadline: Duration,
) -> Answers {
    let received = raw_within(address, bytes, deadline).await;
    Answers {
        list: answers(bytes, &received.bytes),
        is_closed: received.is_closed,
    }
}

/// Sends what gets exactly one answer, after which the connection is closed.
pub(crate) async fn ask(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut answers = exchange(address, bytes).await;
    let shown = bytes[..bytes.len().min(400)].escape_ascii();
    assert!(answers.is_closed, "left open after {shown}");
    assert_eq!(answers.list.len(), 1, "{shown}: {answers:?}");
    answers.list.remove(0)
}

/// A request after which the connection ends.
pub(crate) fn request(
    method: &str,
    path: impl AsRef<[u8]>,
    headers: impl AsRef<[u8]>,
    body: impl AsRef<[u8]>,
) -> Vec<u8> {
    let body = body.as_ref();
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    [
        method.as_bytes(),
        b" ",
        path.as_ref(),
        b" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n",
        headers.as_ref(),
        length.as_bytes(),
        b"\r\n",
        body,
    ]
    .concat()
}

/// A request without body and further headers.
pub(crate) fn get(path: impl AsRef<[u8]>) -> Vec<u8> {
    request("GET", path, "", "")
}

/// Reads answers one after the other; the gateway says the length of each. The answer to `HEAD` has no body.
pub(crate) fn answers(sent: &[u8], received: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut rest = received;
    while !rest.is_empty() {
        let has_body = !answers.is_empty() || !sent.starts_with(b"HEAD ");
        let (answer, after) = answer(rest, has_body);
        check_no_leak(&answer);
        answers.push(answer);
        rest = after;
    }
    answers
}

fn answer(bytes: &[u8], has_body: bool) -> (Answer, &[u8]) {
    let shown = bytes[..bytes.len().min(400)].escape_ascii();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("half an answer: {shown}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .or(first.strip_prefix("HTTP/1.0 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect();
    let mut answer = Answer {
        status: status.unwrap_or_else(|| panic!("no status line: {shown}")),
        headers,
        body: Vec::new(),
    };
    let length = answer.header("content-length");
    let length = length.map_or(0, |text| text.parse().unwrap());
    let length = if has_body { length } else { 0 };
    let body = &bytes[end + 4..];
    assert!(body.len() >= length, "half a body: {shown}");
    answer.body = body[..length].to_vec();
    (answer, &body[length..])
}

#[track_caller]
fn check_no_leak(answer: &Answer) {
    if answer.status < 400 {
        return;
    }
    let body = String::from_utf8_lossy(&answer.body);
    for secret in SECRETS {
        assert!(!body.contains(secret), "{secret:?} leaks: {body}");
    }
    for (name, value) in &answer.headers {
        assert!(!value.contains("hostile."), "{name}: {value}");
    }
}
