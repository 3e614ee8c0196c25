//! Headers of a request: an allow-list, and nothing a client can forge.

use metropolis::{Context, Worker};
use metropolis_gateway::Gateway;

use crate::exchange::{ask, request};
use crate::parties::House;

/// What a task can see of the only headers that may reach it, and of some that may not.
#[metropolis::task(subject = "hostile.headers.get")]
async fn headers(ctx: &Context) -> Vec<Option<String>> {
    [
        "x-request-id",
        "prefer",
        "nats-msg-id",
        "metropolis-instance",
    ]
    .map(|name| ctx.header(name).map(str::to_owned))
    .to_vec()
}

async fn house() -> House {
    House::start(|worker| worker.serve::<headers>()).await
}

/// What a header may be called that speaks to the bus, to us, or to the connection.
const FORGED: &[&str] = &[
    "nats-msg-id",
    "nats-expected-stream",
    "nats-rollup",
    "nats-service-error",
    "nats-service-error-code",
    "nats-trace-dest",
    "metropolis-timeout-ms",
    "metropolis-not-started",
    "metropolis-retry-after-ms",
    "metropolis-instance",
    "metropolis-contract",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "authorization",
    "cookie",
    "content-type",
    "content-language",
    "traceparent",
    "tracestate",
    "baggage",
    "forwarded",
    "x-forwarded-for",
    "x-metropolis-timeout-ms",
    "status",
    "description",
];

fn capitals(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[tokio::test]
async fn forged_headers_do_not_reach_the_task_in_any_letter_case() {
    // A stranger's word on traces, which the loopback is trusted with, is one of them.
    let tasks = |worker: Worker| worker.serve::<headers>();
    let settings = |gateway: Gateway| gateway.without_trusted_traces();
    let mut house = House::start_with("", tasks, settings).await;
    for spelling in [str::to_owned, str::to_uppercase, capitals] {
        let lines: String = FORGED
            .iter()
            .map(|name| format!("{}: 503\r\n", spelling(name)))
            .collect();
        let bytes = request("GET", "/hostile/headers", &lines, "");
        let answer = ask(house.address(), &bytes).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = house.seen().await;
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].headers.is_none(), "{:?}", seen[0].headers);
    }
}

#[tokio::test]
async fn what_connection_names_stays_here_in_any_letter_case() {
    let mut house = house().await;
    for connection in [
        "close, x-request-id",
        "X-REQUEST-ID,close",
        "close\r\nConnection: \t X-Request-Id \t ,, foo",
    ] {
        let bytes = format!(
            "GET /hostile/headers HTTP/1.1\r\nHost: gateway\r\nX-Request-ID: 7\r\n\
             Prefer: wait=1\r\nConnection: {connection}\r\n\r\n"
        );
        let answer = ask(house.address(), bytes.as_bytes()).await;
        assert_eq!(
            answer.json(),
            serde_json::json!([null, "wait=1", null, null]),
            "{connection:?}"
        );
        let seen = house.seen().await;
        let names: Vec<String> = seen[0]
            .headers
            .iter()
            .flat_map(|map| map.iter())
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(names, ["prefer"], "{connection:?}");
    }
}

#[tokio::test]
async fn an_id_of_the_clients_is_no_key_of_the_bus() {
    let mut house = house().await;
    let bytes = request("GET", "/hostile/headers", "X-Request-ID: 7\r\n", "");
    let answer = ask(house.address(), &bytes).await;
    assert_eq!(answer.json(), serde_json::json!(["7", null, null, null]));
    let seen = house.seen().await;
    let map = seen[0].headers.as_ref().unwrap();
    let all: Vec<String> = map.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(all, ["x-request-id"]);
}

/// A name that is a token is ignored; one that is none is no HTTP.
#[tokio::test]
async fn a_strange_header_name_is_ignored_or_refused() {
    let mut house = house().await;
    for (name, status) in [
        ("%0D%0A", 200),
        ("%00", 200),
        ("%2E", 200),
        ("*", 200),
        ("..", 200),
        ("$JS.API.STREAM.DELETE.X", 200),
        ("_INBOX.x", 200),
        ("metropolis.leave", 200),
        ("", 400),
        (">", 400),
        ("//", 400),
        (" ", 400),
        ("x ", 400),
        ("x\t", 400),
        (" x", 400),
        ("a\0", 400),
        ("a\u{a0}", 400),
        ("a%0D%0A%0D%0APUB v 1%0D%0Ax", 400),
        ("a\rb", 400),
    ] {
        let line = format!("{name}: 1\r\n");
        let bytes = request("GET", "/hostile/headers", line, "");
        let answer = ask(house.address(), &bytes).await;
        assert_eq!(answer.status, status, "{name:?}");
        let seen = house.seen().await;
        assert_eq!(seen.len(), usize::from(status == 200), "{name:?}");
        assert!(seen.iter().all(|seen| seen.headers.is_none()), "{name:?}");
    }
}

/// Values travel as they are, are refused, or are not HTTP: nothing is decoded, and no line is broken.
#[tokio::test]
async fn a_strange_header_value_arrives_exactly_or_is_refused() {
    let mut house = house().await;
    let long = [300, 1100, 4096].map(|length| "x".repeat(length));
    let too_long = "x".repeat(5 * 1024);
    let good = [
        "%0D%0A",
        "%00",
        "%FF",
        "%252E",
        "*",
        ">",
        "..",
        "//",
        "$JS.API.STREAM.DELETE.X",
        "_INBOX.x",
        "metropolis.leave",
        "a%0D%0A%0D%0APUB v 1%0D%0Ax",
        "a\u{a0}b",
        "é",
    ];
    let good = good.into_iter().chain(long.iter().map(String::as_str));
    for value in good {
        let line = format!("X-Request-ID: {value}\r\n");
        let answer = ask(
            house.address(),
            &request("GET", "/hostile/headers", line, ""),
        )
        .await;
        assert_eq!(answer.json()[0], value);
        assert_eq!(house.subjects().await, ["hostile.headers.get"]);
    }
    let bad: &[(&[u8], u16)] = &[
        (b"a\tb", 400),
        (b"a\0b", 400),
        (b"a\rb", 400),
        (b"a\x01b", 400),
        (b"a\x7Fb", 400),
        (b"a\xFFb", 400),
        ("a\u{85}b".as_bytes(), 400),
        (b"a\r\n b", 400),
        (b"a\r\n\tNats-Msg-Id: 1", 400),
        (b"a\r\nPUB v 1", 400),
        (too_long.as_bytes(), 431),
    ];
    for (value, status) in bad {
        let line = [b"X-Request-ID: ", *value, b"\r\n"].concat();
        let answer = ask(
            house.address(),
            &request("GET", "/hostile/headers", line, ""),
        )
        .await;
        assert_eq!(answer.status, *status, "{}", value.escape_ascii());
        assert_eq!(house.subjects().await, [""; 0], "{}", value.escape_ascii());
    }
}

/// The value of a media type goes along with raw bytes, so it is the one header a client can choose freely.
#[tokio::test]
async fn a_media_type_cannot_break_its_line() {
    let mut house = House::start(|worker| worker.serve::<crate::limits::echo_bytes>()).await;
    let refused: &[&[u8]] = &[b"a/b\tc", b"a/b\0", b"a/b\xFF", b"a/b\rNats-Msg-Id: 1"];
    for value in refused {
        let line = [b"Content-Type: ", *value, b"\r\n"].concat();
        let answer = ask(
            house.address(),
            &request("POST", "/hostile/bytes", line, "x"),
        )
        .await;
        assert_eq!(answer.status, 400, "{}", value.escape_ascii());
    }
    assert_eq!(house.subjects().await, [""; 0]);
    let line = "Content-Type: a/b; c=\"%0D%0A\"\r\n";
    let answer = ask(
        house.address(),
        &request("POST", "/hostile/bytes", line, "x"),
    )
    .await;
    assert_eq!(answer.header("content-type"), Some("a/b; c=\"%0D%0A\""));
    assert_eq!(answer.body, b"x");
}

#[tokio::test]
async fn no_origin_is_allowed_unasked() {
    let house = house().await;
    let lines = "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n";
    for method in ["GET", "OPTIONS"] {
        let answer = ask(
            house.address(),
            &request(method, "/hostile/headers", lines, ""),
        )
        .await;
        let is_cors = |name: &str| name.to_lowercase().starts_with("access-control-");
        assert!(
            !answer.headers.iter().any(|(name, _)| is_cors(name)),
            "{answer:?}"
        );
    }
}
