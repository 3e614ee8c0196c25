//! The path of a request never becomes a subject, and neither does anything else in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use metropolis::Worker;
use metropolis_tests::NatsServer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exchange::{Answer, ask, get, request};
use crate::parties::{House, connect, gateway};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Text {
    value: String,
    #[serde(default)]
    list: Vec<String>,
}

#[metropolis::task(subject = "hostile.echo.{value}.get")]
pub(crate) async fn echo(text: Text) -> Text {
    text
}

#[metropolis::task(subject = "hostile.query.get")]
pub(crate) async fn echo_query(text: Text) -> Text {
    text
}

#[metropolis::task(subject = "hostile.body")]
pub(crate) async fn echo_body(text: Text) -> Text {
    text
}

/// The value is in the body and selects the subject.
#[metropolis::task(subject = "hostile.moved.{value}", http = "POST /hostile/moved")]
async fn echo_moved(text: Text) -> Text {
    text
}

/// Strings that open holes in bridges: what is sent, what it means when it is decoded once (`None`: no text), and the
/// status it gets as a segment of the path and as a value of the query.
const CORPUS: &[(&str, Option<&str>, u16, u16)] = &[
    ("%0D%0A", Some("\r\n"), 200, 200),
    ("%0d%0a", Some("\r\n"), 200, 200),
    ("%0A", Some("\n"), 200, 200),
    ("%20", Some(" "), 200, 200),
    ("%09", Some("\t"), 200, 200),
    ("%00", Some("\0"), 400, 200),
    ("a%00b", Some("a\0b"), 400, 200),
    ("%C2%A0", Some("\u{a0}"), 200, 200),
    ("%c2%a0", Some("\u{a0}"), 200, 200),
    ("%FF", None, 400, 400),
    ("%ff", None, 400, 400),
    ("%C0%AE", None, 400, 400),
    ("%", None, 400, 400),
    ("%2", None, 400, 400),
    ("%zz", None, 400, 400),
    ("%2E", Some("."), 400, 200),
    ("%2e%2E", Some(".."), 400, 200),
    ("%2F", Some("/"), 200, 200),
    ("%2f", Some("/"), 200, 200),
    ("%2A", Some("*"), 200, 200),
    ("%2a", Some("*"), 200, 200),
    ("%3E", Some(">"), 200, 200),
    ("%3e", Some(">"), 200, 200),
    ("*", Some("*"), 200, 200),
    ("a.b", Some("a.b"), 200, 200),
    (".a", Some(".a"), 200, 200),
    ("..", Some(".."), 400, 200),
    ("//", Some("//"), 404, 200),
    ("a/", Some("a/"), 404, 200),
    ("", Some(""), 404, 200),
    (
        "$JS.API.STREAM.DELETE.X",
        Some("$JS.API.STREAM.DELETE.X"),
        200,
        200,
    ),
    (
        "$SYS.REQ.SERVER.PING",
        Some("$SYS.REQ.SERVER.PING"),
        200,
        200,
    ),
    ("$SRV.PING", Some("$SRV.PING"), 200, 200),
    ("_INBOX.x", Some("_INBOX.x"), 200, 200),
    ("metropolis.leave", Some("metropolis.leave"), 200, 200),
    ("a%0D%0A%0D%0APUB v 1%0D%0Ax", None, 400, 400),
    (
        "a%0D%0A%0D%0APUB%20v%201%0D%0Ax",
        Some("a\r\n\r\nPUB v 1\r\nx"),
        200,
        200,
    ),
    ("%252E", Some("%2E"), 200, 200),
    ("%252e%252e", Some("%2e%2e"), 200, 200),
    ("%250D%250A", Some("%0D%0A"), 200, 200),
    ("%25252F", Some("%252F"), 200, 200),
];

/// Lengths of a path that closed the connections of bridges.
const LENGTHS: [usize; 3] = [300, 1100, 5 * 1024];

/// The token of a value, spelled out once more: everything but letters, digits, `_` and `-` is percent-encoded.
pub(crate) fn token(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'_' | b'-' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

async fn house() -> House {
    House::start(|worker| {
        worker
            .serve::<echo>()
            .serve::<echo_query>()
            .serve::<echo_body>()
            .serve::<echo_moved>()
    })
    .await
}

/// Checks that a value came back as it is, or that the request was refused with that status.
#[track_caller]
fn check(sent: &str, answer: &Answer, status: u16, text: Option<&str>) {
    assert_eq!(answer.status, status, "{sent:?}: {answer:?}");
    if status == 200 {
        assert_eq!(answer.json()["value"], text.unwrap(), "{sent:?}");
    }
}

#[tokio::test]
async fn a_value_in_the_path_arrives_exactly_and_its_subject_comes_from_the_table() {
    let mut house = house().await;
    for (sent, text, status, _) in CORPUS {
        let answer = ask(house.address(), &get(format!("/hostile/echo/{sent}"))).await;
        check(sent, &answer, *status, *text);
        let expected: Vec<String> = (*status == 200)
            .then(|| format!("hostile.echo.{}.get", token(text.unwrap())))
            .into_iter()
            .collect();
        assert_eq!(house.subjects().await, expected, "{sent:?}");
    }
}

/// A `>` may not stand in a URI; whether it is refused or taken as a value, it is no wildcard.
#[tokio::test]
async fn a_bare_greater_than_is_never_a_wildcard() {
    let mut house = house().await;
    let answer = ask(house.address(), &get("/hostile/echo/>")).await;
    assert!([200, 400].contains(&answer.status), "{answer:?}");
    let answer = ask(house.address(), &get("/hostile/>")).await;
    assert!([400, 404].contains(&answer.status), "{answer:?}");
    let answer = ask(house.address(), &get("/>")).await;
    assert!([400, 404].contains(&answer.status), "{answer:?}");
    let subjects = house.subjects().await;
    assert!(
        subjects
            .iter()
            .all(|subject| subject == "hostile.echo.%3E.get"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn a_path_that_is_no_route_reaches_nobody() {
    let mut house = house().await;
    for (sent, ..) in CORPUS {
        for path in [
            format!("/{sent}"),
            format!("/hostile/{sent}"),
            format!("/{sent}/hostile/echo/a"),
            format!("/hostile/echo/a/{sent}"),
            format!("/hostile.echo.{sent}.get"),
            format!("/hostile/{sent}/get"),
        ] {
            let answer = ask(house.address(), &get(&path)).await;
            assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        }
        // Not in origin form at all.
        let answer = ask(house.address(), &get(sent)).await;
        assert!([400, 404].contains(&answer.status), "{sent}: {answer:?}");
    }
    for length in LENGTHS {
        let answer = ask(house.address(), &get(format!("/{}", "x".repeat(length)))).await;
        answer.is_problem(404, "no_route");
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

#[tokio::test]
async fn a_value_that_would_make_a_line_too_long_is_refused_before_it_is_sent() {
    let mut house = house().await;
    for length in LENGTHS {
        let value = "x".repeat(length);
        let answer = ask(house.address(), &get(format!("/hostile/echo/{value}"))).await;
        answer.is_problem(400, "values_too_long");
        let body = json!({ "value": value }).to_string();
        let answer = ask(
            house.address(),
            &request("POST", "/hostile/moved", "", body),
        )
        .await;
        answer.is_problem(400, "values_too_long");
    }
    // 256 bytes of subject are the limit, after encoding.
    let room = 256 - "hostile.echo..get".len();
    for (value, status) in [
        ("x".repeat(room), 200),
        ("x".repeat(room + 1), 400),
        ("%20".repeat(room / 3), 200),
        ("%20".repeat(room / 3 + 1), 400),
    ] {
        let answer = ask(house.address(), &get(format!("/hostile/echo/{value}"))).await;
        assert_eq!(answer.status, status, "{value}");
    }
    let subjects = house.subjects().await;
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(subjects.iter().all(|subject| subject.len() <= 256));
}

#[tokio::test]
async fn a_value_in_the_query_arrives_exactly() {
    let mut house = house().await;
    for (sent, text, _, status) in CORPUS {
        let path = format!("/hostile/query?value={sent}");
        let answer = ask(house.address(), &get(&path)).await;
        check(sent, &answer, *status, *text);
    }
    for length in LENGTHS {
        let value = "x".repeat(length);
        let answer = ask(
            house.address(),
            &get(format!("/hostile/query?value={value}")),
        )
        .await;
        check("long", &answer, 200, Some(&value));
    }
    let subjects = house.subjects().await;
    assert!(
        subjects
            .iter()
            .all(|subject| subject == "hostile.query.get"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn a_name_in_the_query_is_only_a_name() {
    let mut house = house().await;
    for (sent, _, _, status) in CORPUS {
        let path = format!("/hostile/query?{sent}=x&value=v");
        let answer = ask(house.address(), &get(&path)).await;
        check(sent, &answer, *status, Some("v"));
    }
    let subjects = house.subjects().await;
    assert!(
        subjects
            .iter()
            .all(|subject| subject == "hostile.query.get"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn a_value_in_the_body_arrives_exactly_and_selects_no_other_subject() {
    let mut house = house().await;
    let long = LENGTHS.map(|length| "x".repeat(length));
    let texts = CORPUS.iter().filter_map(|(_, text, ..)| *text);
    for text in texts.chain(long.iter().map(String::as_str)) {
        let body = json!({ "value": text }).to_string();
        let answer = ask(
            house.address(),
            &request("POST", "/hostile/body", "", &body),
        )
        .await;
        check(text, &answer, 200, Some(text));
        assert_eq!(house.subjects().await, ["hostile.body"]);
        if text.len() < 100 && !text.is_empty() {
            let answer = ask(
                house.address(),
                &request("POST", "/hostile/moved", "", &body),
            )
            .await;
            check(text, &answer, 200, Some(text));
            let subjects = house.subjects().await;
            assert_eq!(subjects, [format!("hostile.moved.{}", token(text))]);
        }
    }
}

#[tokio::test]
async fn a_value_in_a_form_arrives_exactly() {
    let mut house = house().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (sent, text, _, status) in CORPUS {
        // A blank may stand in a body, unlike in a URI.
        let (status, text) = match sent.contains(' ') {
            true => (200, Some("a\r\n\r\nPUB v 1\r\nx")),
            false => (*status, *text),
        };
        let body = format!("value={sent}");
        let answer = ask(
            house.address(),
            &request("POST", "/hostile/body", form, body),
        )
        .await;
        check(sent, &answer, status, text);
    }
    let subjects = house.subjects().await;
    assert!(
        subjects.iter().all(|subject| subject == "hostile.body"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_and_not_sent() {
    let mut house = house().await;
    for (sent, ..) in CORPUS.iter().filter(|(sent, ..)| !sent.is_empty()) {
        let answer = ask(
            house.address(),
            &request("POST", "/hostile/moved", "", sent),
        )
        .await;
        answer.is_problem(400, "bad_input");
    }
    assert_eq!(house.subjects().await, [""; 0]);
    for (sent, ..) in CORPUS.iter().filter(|(sent, ..)| !sent.is_empty()) {
        let answer = ask(house.address(), &request("POST", "/hostile/body", "", sent)).await;
        answer.is_problem(400, "bad_input");
    }
    let subjects = house.subjects().await;
    assert!(
        subjects.iter().all(|subject| subject == "hostile.body"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn dots_and_slashes_are_not_the_same() {
    let mut house = house().await;
    for path in [
        "/hostile.query",
        "/hostile%2Equery",
        "/hostile%2Fquery",
        "/hostile/query/get",
        "/hostile/query.get",
        "/hostile//query",
        "/hostile/query/",
        "//hostile/query",
        "/hostile/query;a=b",
    ] {
        let answer = ask(house.address(), &get(format!("{path}?value=a"))).await;
        answer.is_problem(404, "no_route");
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

#[tokio::test]
async fn the_case_of_a_path_is_kept() {
    let mut house = house().await;
    ask(house.address(), &get("/Hostile/Echo/a"))
        .await
        .is_problem(404, "no_route");
    for value in ["Ab", "aB", "AB", "ab"] {
        let answer = ask(house.address(), &get(format!("/hostile/echo/{value}"))).await;
        check(value, &answer, 200, Some(value));
    }
    let expected = ["Ab", "aB", "AB", "ab"].map(|value| format!("hostile.echo.{value}.get"));
    assert_eq!(house.subjects().await, expected);
}

#[tokio::test]
async fn different_values_never_share_a_subject() {
    let mut house = house().await;
    let values = [
        "a.b", "a/b", "a%b", "a%2Eb", "a b", "a_b", "a-b", "a*b", "a>b",
    ];
    for value in values {
        let path = format!("/hostile/echo/{}", token(value));
        let answer = ask(house.address(), &get(path)).await;
        check(value, &answer, 200, Some(value));
    }
    let mut subjects = house.subjects().await;
    assert_eq!(subjects.len(), values.len());
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), values.len(), "{subjects:?}");
}

#[tokio::test]
async fn repeated_keys_are_kept_in_order() {
    let house = house().await;
    let path = "/hostile/query?value=v&list=b&list=a&list=b";
    let answer = ask(house.address(), &get(path)).await;
    assert_eq!(answer.json()["list"], json!(["b", "a", "b"]));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = "list=2&value=v&list=1";
    let answer = ask(
        house.address(),
        &request("POST", "/hostile/body", form, body),
    )
    .await;
    assert_eq!(answer.json()["list"], json!(["2", "1"]));
}

#[tokio::test]
async fn a_property_cannot_be_given_from_two_places() {
    let mut house = house().await;
    for path in [
        "/hostile/echo/a?value=b",
        "/hostile/echo/a?value=a",
        "/hostile/query?value=a&value=b",
        "/hostile/query?value=a&%76alue=b",
    ] {
        let answer = ask(house.address(), &get(path)).await;
        answer.is_problem(400, "bad_input");
        assert_eq!(answer.json()["data"]["pointer"], "/value", "{path}");
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[metropolis::task(subject = "hostile.counted")]
async fn counted() {
    RUNS.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test]
async fn a_request_runs_once_however_many_gateways_and_workers_there_are() {
    let server = NatsServer::start().await;
    let mut gateways = Vec::new();
    for _ in 0..2 {
        let bus = connect(&server).await;
        let worker = Worker::new(bus.clone()).serve::<counted>();
        gateways.push(gateway(&bus).with_worker(worker).start().await.unwrap());
    }
    for _ in 0..20 {
        for gateway in &gateways {
            let answer = ask(
                gateway.address(),
                &request("POST", "/hostile/counted", "", ""),
            )
            .await;
            assert_eq!(answer.status, 204);
        }
    }
    // A second run of any of them would have been delivered before the workers have drained.
    for gateway in gateways {
        gateway.stop().await;
    }
    assert_eq!(RUNS.load(Ordering::SeqCst), 40);
}

/// `?reply=` and `?timeout=` steer bridges; here they are values like any other.
#[tokio::test]
async fn a_query_steers_nothing() {
    let mut house = house().await;
    let path = "/hostile/query?value=a&reply=hostile.body&timeout=1ms&subject=x&queue=y";
    let answer = ask(house.address(), &get(path)).await;
    check(path, &answer, 200, Some("a"));
    let seen = house.seen().await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let reply = seen[0].reply.as_ref().unwrap();
    assert!(reply.starts_with("_INBOX_gateway."), "{reply}");
    assert!(seen[0].headers.is_none(), "{seen:?}");
    let payload: Value = serde_json::from_slice(&seen[0].payload).unwrap();
    assert_eq!(payload["value"], "a");
}
