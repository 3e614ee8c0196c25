//! Replies of a worker that means harm: each gives one clean answer, in time, that tells nothing.

use std::time::{Duration, Instant};

use metropolis::{Fault, Raw};
use metropolis_tests::{eventually, within};

use crate::exchange::{Answer, ask, get};
use crate::parties::{House, PATIENCE};
use crate::peer::{Peer, message, with_head};

/// A task of another party, which the peer plays.
#[metropolis::task(subject = "hostile.foreign.get", timeout = "1s")]
pub(crate) async fn foreign() -> Result<String, Fault>;

#[metropolis::task(subject = "hostile.foreign.bytes.get", timeout = "1s")]
async fn foreign_bytes() -> Result<Raw, Fault>;

#[metropolis::task(subject = "hostile.foreign.nothing.get", timeout = "1s")]
async fn foreign_nothing() -> Result<(), Fault>;

/// Past this a request that was to time out after a second hangs, even on a busy machine.
const HANGS: Duration = Duration::from_secs(10);

/// Sends a request and answers it with what `shape` makes of the reply subject.
async fn shaped(
    house: &House,
    peer: &mut Peer,
    path: &str,
    shape: impl FnOnce(&str) -> Vec<u8>,
) -> Answer {
    let start = Instant::now();
    let request = get(path);
    let (answer, ()) = tokio::join!(ask(house.address(), &request), async {
        let reply = peer.request().await;
        peer.write(shape(&reply)).await;
    });
    assert!(start.elapsed() < HANGS, "{answer:?}");
    answer
}

/// Checks that the gateway goes on as if nothing had happened.
async fn check_alive(house: &House, peer: &mut Peer) {
    let answer = shaped(house, peer, "/hostile/foreign", |to| {
        message(to, "\"fine\"")
    })
    .await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"\"fine\""[..]));
    assert_eq!(house.bus.counters().in_flight, 0);
}

async fn house() -> (House, Peer) {
    let house = House::start(|worker| worker.serve::<crate::paths::echo>()).await;
    let peer = Peer::start(&house.server, "hostile.foreign.get").await;
    (house, peer)
}

/// What is checked of an answer: its status, and the code of a problem.
type Expected = (u16, &'static str);

const BAD_ANSWER: Expected = (502, "bad_answer");

#[tokio::test]
async fn a_payload_that_is_no_json_is_a_bad_answer() {
    let (house, mut peer) = house().await;
    let deep = 500_000;
    let nested = [b"[".repeat(deep), b"]".repeat(deep)].concat();
    let cases: &[(&str, &[u8], Expected)] = &[
        ("text", b"hostile.secret", BAD_ANSWER),
        ("nothing", b"", BAD_ANSWER),
        ("null", b"null", (200, "")),
        ("two values", b"1 2", BAD_ANSWER),
        ("half a value", b"{\"a\":", BAD_ANSWER),
        ("not UTF-8", b"\"\xFF\"", BAD_ANSWER),
        ("a NUL", b"\0", BAD_ANSWER),
        ("NaN", b"NaN", BAD_ANSWER),
        ("deep nesting", &nested, (200, "")),
        ("deep nesting without an end", &nested[..deep], BAD_ANSWER),
    ];
    for (name, payload, (status, code)) in cases {
        let answer = shaped(&house, &mut peer, "/hostile/foreign", |to| {
            message(to, payload)
        })
        .await;
        assert_eq!((answer.status, &*answer.code()), (*status, *code), "{name}");
        if *status == 502 {
            let proxy = answer.header("proxy-status");
            assert_eq!(
                proxy,
                Some("metropolis; error=http_protocol_error"),
                "{name}"
            );
        } else {
            assert_eq!(answer.body, *payload, "{name}");
        }
        assert_eq!(answer.header("retry-after"), None, "{name}");
        check_alive(&house, &mut peer).await;
    }
}

#[tokio::test]
async fn a_header_block_that_lies_gives_one_clean_answer() {
    let (house, mut peer) = house().await;
    let long = format!("\r\nNats-Service-Error: {}", "x".repeat(64 << 10));
    let long_code = format!("\r\nNats-Service-Error-Code: {}", "4".repeat(64 << 10));
    let cases: &[(&str, Expected)] = &[
        // A status line is the server's to send; who forges one says that nobody is there.
        (" 503", (503, "no_worker")),
        (" 503 hostile.secret", (503, "no_worker")),
        (" 404", BAD_ANSWER),
        (" 100", BAD_ANSWER),
        ("\r\nNats-Service-Error-Code: abc", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 0", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 99999", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: -1", (500, "unknown")),
        ("\r\nNats-Service-Error-Code:", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 200", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 101", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 399", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 407", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 600", (500, "unknown")),
        ("\r\nNats-Service-Error-Code: 404", (404, "unknown")),
        ("\r\nnats-service-error-code: 404", (404, "unknown")),
        (
            "\r\nNats-Service-Error-Code: 404\r\nNats-Service-Error-Code: 200",
            (404, "unknown"),
        ),
        ("\r\nNats-Service-Error: only a text", (500, "unknown")),
        (
            "\r\nNats-Service-Error: one\r\n two\r\n three",
            (500, "unknown"),
        ),
        // A header with a control character is as good as none; the code alone makes a fault.
        ("\r\nNats-Service-Error: \u{7}é\u{85}", BAD_ANSWER),
        (
            "\r\nNats-Service-Error-Code: 404\r\nNats-Service-Error: a\r\n\tb\u{7}",
            (404, "unknown"),
        ),
        (&long, (500, "unknown")),
        (&long_code, (500, "unknown")),
        ("\r\nMetropolis-Not-Started: busy", (503, "busy")),
        (
            "\r\nMetropolis-Not-Started: busy\r\nMetropolis-Retry-After-Ms: x",
            (503, "busy"),
        ),
        (
            "\r\nMetropolis-Not-Started: busy\r\nMetropolis-Retry-After-Ms: 99999999999999999999",
            (503, "busy"),
        ),
        ("\r\nMetropolis-Not-Started: expired", (504, "expired")),
        ("\r\nMetropolis-Not-Started: perhaps", BAD_ANSWER),
    ];
    for (head, (status, code)) in cases {
        let shown = &head[..head.len().min(100)];
        let answer = shaped(&house, &mut peer, "/hostile/foreign", |to| {
            with_head(to, head, "")
        })
        .await;
        answer.is_problem(*status, code);
        let again = answer.header("retry-after").is_some();
        assert_eq!(again, *status == 503, "{shown:?}");
        check_alive(&house, &mut peer).await;
    }
}

#[tokio::test]
async fn a_problem_of_a_workers_own_making_is_rewritten() {
    let (house, mut peer) = house().await;
    let cases: &[(&str, Expected)] = &[
        ("", (418, "unknown")),
        ("not JSON", (418, "unknown")),
        ("[]", (418, "unknown")),
        ("{}", (418, "unknown")),
        (r#"{"status":200,"code":"a"}"#, (418, "a")),
        (r#"{"status":"x"}"#, (418, "unknown")),
        (
            r#"{"code":"a\r\nb","detail":"c\r\n\r\nd"}"#,
            (418, "a\r\nb"),
        ),
        (
            r#"{"code":"a","type":"x","stack":"at main.rs:1","title":"y"}"#,
            (418, "a"),
        ),
    ];
    let head = "\r\nNats-Service-Error-Code: 418\r\nNats-Service-Error: tea";
    for (payload, (status, code)) in cases {
        let answer = shaped(&house, &mut peer, "/hostile/foreign", |to| {
            with_head(to, head, payload)
        })
        .await;
        answer.is_problem(*status, code);
        let problem = answer.json();
        for name in problem.as_object().unwrap().keys() {
            let known = ["status", "code", "detail", "data"].contains(&&**name);
            assert!(known, "{payload}: {name}");
        }
        assert_eq!(answer.header("retry-after"), None, "{payload}");
    }
    check_alive(&house, &mut peer).await;
}

#[tokio::test]
async fn headers_of_a_reply_pass_an_allow_list_and_cannot_split_the_answer() {
    let (house, mut peer) = house().await;
    let head = "\r\nLocation: /a\r\nSet-Cookie: session=1\r\nX-Evil: 1\r\nETag: \"1\"\r\n\
                Content-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\
                Content-Type: text/html\r\nServer: evil\r\nStatus: 204\r\n\
                Access-Control-Allow-Origin: *\r\nLink: <a>\r\n <b>\r\nlink: é\r\nVary: \t \r\n\
                Metropolis-Instance: x\r\nNats-Msg-Id: 1";
    let shape = |to: &str| with_head(to, head, "\"value\"");
    let answer = shaped(&house, &mut peer, "/hostile/foreign", shape).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"\"value\""[..]));
    let mut names: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.sort();
    let expected = [
        "connection",
        "content-length",
        "content-type",
        "date",
        "etag",
        "link",
        "link",
        "location",
        "vary",
    ];
    assert_eq!(names, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("connection"), Some("close"));
    check_alive(&house, &mut peer).await;
}

#[tokio::test]
async fn the_media_type_of_raw_bytes_is_passed_on_or_replaced() {
    let (house, _) = house().await;
    let mut peer = Peer::start(&house.server, "hostile.foreign.bytes.get").await;
    for (value, expected) in [
        ("text/html", "text/html"),
        ("text/html\r\n\tX-Evil: 1", "text/html"),
        ("text/é", "text/é"),
        ("", ""),
    ] {
        let head = format!("\r\nContent-Type: {value}");
        let answer = shaped(&house, &mut peer, "/hostile/foreign/bytes", |to| {
            with_head(to, &head, "x")
        })
        .await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"x"[..]));
        let found = answer.header("content-type").unwrap();
        let replaced = found == "application/octet-stream" || found == "application/json";
        assert!(found == expected || replaced, "{value:?}: {found:?}");
        assert_eq!(answer.header("x-evil"), None);
    }
    check_other(&house).await;
}

#[tokio::test]
async fn what_comes_for_a_task_that_returns_nothing_is_left_out() {
    let (house, _) = house().await;
    let mut peer = Peer::start(&house.server, "hostile.foreign.nothing.get").await;
    let answer = shaped(&house, &mut peer, "/hostile/foreign/nothing", |to| {
        message(to, "HTTP/1.1 200 OK\r\n\r\n")
    })
    .await;
    assert_eq!((answer.status, &answer.body[..]), (204, &b""[..]));
    check_other(&house).await;
}

/// Checks that a task of an honest worker still works.
async fn check_other(house: &House) {
    let answer = ask(house.address(), &get("/hostile/echo/a")).await;
    assert_eq!(answer.json()["value"], "a");
}

#[tokio::test]
async fn the_second_of_two_replies_goes_nowhere() {
    let (house, mut peer) = house().await;
    let twice = |to: &str| [message(to, "1"), message(to, "2")].concat();
    let answer = shaped(&house, &mut peer, "/hostile/foreign", twice).await;
    assert_eq!(answer.body, b"1");
    eventually(PATIENCE, async || house.bus.counters().late_replies == 1).await;
    check_alive(&house, &mut peer).await;
}

#[tokio::test]
async fn a_reply_after_the_deadline_goes_nowhere() {
    let (house, mut peer) = house().await;
    let mut reply = String::new();
    let answer = shaped(&house, &mut peer, "/hostile/foreign", |to| {
        to.clone_into(&mut reply);
        Vec::new()
    })
    .await;
    answer.is_problem(504, "timed_out");
    let proxy = answer.header("proxy-status");
    assert_eq!(proxy, Some("metropolis; error=http_response_timeout"));
    assert_eq!(answer.header("retry-after"), None);
    let late = house.bus.counters().late_replies;
    peer.write(message(&reply, "\"late\"")).await;
    eventually(PATIENCE, async || {
        house.bus.counters().late_replies == late + 1
    })
    .await;
    check_alive(&house, &mut peer).await;
}

#[tokio::test]
async fn a_reply_to_another_token_reaches_no_stranger() {
    let (house, mut peer) = house().await;
    let forged: &[fn(&str) -> String] = &[
        |to| {
            format!(
                "{}{}",
                &to[..to.len() - 1],
                if to.ends_with('0') { '1' } else { '0' }
            )
        },
        |to| to[..to.len() - 1].to_owned(),
        |to| format!("{to}0"),
        |to| {
            to.to_uppercase()
                .replacen("_INBOX_GATEWAY", "_INBOX_gateway", 1)
        },
        |to| format!("{}.x", to.rsplit_once('.').unwrap().0),
        |to| {
            format!(
                "{}.ffffffffffffffffffffffff",
                to.rsplit_once('.').unwrap().0
            )
        },
    ];
    let address = house.address();
    for forge in forged {
        // The peer answers the first request to a forged address, while the second one waits for its own answer.
        let first = tokio::spawn(async move { ask(address, &get("/hostile/foreign")).await });
        let reply = peer.request().await;
        let second = tokio::spawn(async move { ask(address, &get("/hostile/foreign")).await });
        let own = peer.request().await;
        assert_ne!(forge(&reply), reply);
        peer.write(message(&forge(&reply), "\"forged\"")).await;
        peer.write(message(&own, "\"own\"")).await;
        let second = within(PATIENCE, second).await.unwrap();
        assert_eq!(second.body, b"\"own\"");
        within(PATIENCE, first)
            .await
            .unwrap()
            .is_problem(504, "timed_out");
    }
    check_alive(&house, &mut peer).await;
}

#[tokio::test]
async fn no_reply_at_all_ends_at_the_deadline_for_each_request() {
    let (house, mut peer) = house().await;
    let address = house.address();
    let start = Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|_| tokio::spawn(async move { ask(address, &get("/hostile/foreign")).await }))
        .collect();
    for answer in waiting {
        within(PATIENCE, answer)
            .await
            .unwrap()
            .is_problem(504, "timed_out");
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(start.elapsed() < HANGS);
    for _ in 0..20 {
        peer.request().await;
    }
    check_alive(&house, &mut peer).await;
}
