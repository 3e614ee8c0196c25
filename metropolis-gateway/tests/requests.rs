//! Requests through the whole gateway, without sockets: what reaches a task, and what comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use metropolis::bus::Outgoing;
use metropolis::{Bus, Context, Fault, Raw, Worker};
use metropolis_gateway::{Gateway, InProcess};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

#[derive(Deserialize, JsonSchema)]
struct Text {
    data: String,
}

/// Returns the text reversed.
#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> String {
    text.data.chars().rev().collect()
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Key {
    id: u32,
    #[serde(default)]
    tags: Vec<String>,
    note: Option<String>,
}

#[metropolis::task(subject = "items.{id}.get")]
async fn get_item(key: Key) -> Key {
    key
}

#[metropolis::task(subject = "items.{id}.put")]
async fn put_item(key: Key) -> Key {
    key
}

#[metropolis::task(subject = "items.{id}.delete")]
async fn delete_item(_key: Key) {}

/// The subject's parameter comes from the body here.
#[metropolis::task(subject = "moves.{id}", http = "POST /moves")]
async fn move_item(key: Key) -> Key {
    key
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[metropolis::task(subject = "names.{name}.get")]
async fn get_name(name: Name) -> String {
    name.name
}

#[metropolis::task(subject = "bytes.echo")]
async fn echo(raw: Raw) -> Raw {
    raw
}

#[metropolis::task(subject = "bytes.bad.get")]
async fn bad_media_type() -> Raw {
    Raw::new("x", "é")
}

#[metropolis::task(subject = "things.make", status = 201)]
async fn make(ctx: &Context) -> Result<String, Fault> {
    ctx.set_reply_header("Location", "/things/1")?;
    Ok("made".to_owned())
}

#[metropolis::task(subject = "seen.get")]
async fn seen(ctx: &Context) -> Vec<Option<String>> {
    [
        "x-request-id",
        "nats-msg-id",
        "metropolis-timeout-ms",
        "authorization",
    ]
    .map(|name| ctx.header(name).map(str::to_owned))
    .to_vec()
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    status: u16,
}

#[metropolis::task(subject = "fails.get")]
async fn fail(wanted: Wanted) -> Result<String, Fault> {
    Err(Fault::new(wanted.status, "wanted", "as you wish"))
}

#[metropolis::task(subject = "panics.get")]
async fn panics() -> String {
    panic!("secret /etc/passwd")
}

#[metropolis::task(subject = "slow.get", timeout = "50ms")]
async fn slow() -> String {
    std::future::pending().await
}

#[metropolis::task(subject = "busy.get", concurrency = 1)]
async fn busy() -> String {
    tokio::time::sleep(Duration::from_millis(200)).await;
    String::new()
}

#[metropolis::task(subject = "elsewhere.get")]
async fn elsewhere() -> String;

#[metropolis::task(subject = "liar.get")]
async fn liar() -> u32;

#[metropolis::task(subject = "hidden", http = "none")]
async fn hidden() {}

async fn app() -> InProcess {
    app_on(Bus::embedded()).await
}

async fn app_on(bus: Bus) -> InProcess {
    let worker = Worker::new(bus.clone());
    let gateway = Gateway::new(bus).with_worker(worker).with_body_max(1000);
    gateway.in_process().await.expect("good tasks")
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body())
        .unwrap_or_else(|error| panic!("{error}: {:?}", response.body()))
}

async fn send(
    app: &InProcess,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.request(request.body(body.to_owned()).expect("a request"))
        .await
}

/// Checks status and code of a problem, and that it is one.
async fn refused(
    app: &InProcess,
    request: (&str, &str, &[(&str, &str)], &str),
    status: u16,
    code: &str,
) -> Response<Bytes> {
    let (method, path, headers, text) = request;
    let response = send(app, method, path, headers, text).await;
    assert_eq!(
        response.status(),
        status,
        "{method} {path}: {:?}",
        response.body()
    );
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem = body(&response);
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(status), &json!(code)),
        "{problem}"
    );
    assert!(problem["detail"].is_string(), "{problem}");
    response
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_body_reaches_the_task_and_its_value_comes_back() {
    let app = app().await;
    let response = app.post("/foo/bar", json!({ "data": "abc" })).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(body(&response), "cba");
}

#[tokio::test]
async fn texts_become_what_the_schema_says() {
    let app = app().await;
    let response = app.get("/items/7?tags=a&tags=b&note=").await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["a", "b"], "note": null })
    );
    let response = send(&app, "PUT", "/items/7", &[FORM], "tags=x+y&note=%26").await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["x y"], "note": "&" })
    );
    let response = send(&app, "PUT", "/items/7?note=q", &[], r#"{"tags":["a"]}"#).await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["a"], "note": "q" })
    );
}

#[tokio::test]
async fn a_subject_can_take_its_values_from_the_body() {
    let app = app().await;
    let response = app.post("/moves", json!({ "id": 3, "tags": ["a"] })).await;
    assert_eq!(
        body(&response),
        json!({ "id": 3, "tags": ["a"], "note": null })
    );
    refused(
        &app,
        ("POST", "/moves", &[], r#"{"tags":[]}"#),
        400,
        "bad_input",
    )
    .await;
    refused(&app, ("POST", "/moves?id=", &[], "{}"), 400, "bad_input").await;
}

#[tokio::test]
async fn any_text_can_stand_in_a_path() {
    let app = app().await;
    for (raw, value) in [
        ("a%2Fb", "a/b"),
        ("%2A", "*"),
        ("%3E", ">"),
        ("a.b", "a.b"),
        ("%0D%0APUB%20x", "\r\nPUB x"),
        ("$JS.API", "$JS.API"),
        ("_INBOX.x", "_INBOX.x"),
        ("%252F", "%2F"),
        ("%C3%A9", "é"),
    ] {
        let response = app.get(&format!("/names/{raw}")).await;
        assert_eq!(
            (response.status().as_u16(), body(&response)),
            (200, json!(value)),
            "{raw}"
        );
    }
}

#[tokio::test]
async fn bytes_pass_through_with_their_media_type() {
    let app = app().await;
    let response = send(
        &app,
        "POST",
        "/bytes/echo",
        &[("content-type", "image/png")],
        "\u{1}x",
    )
    .await;
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(&response.body()[..], b"\x01x");
    let response = send(&app, "POST", "/bytes/echo", &[], "x").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    let response = app.get("/bytes/bad").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
}

#[tokio::test]
async fn status_and_headers_of_success_are_the_tasks() {
    let app = app().await;
    let response = app.post("/things/make", ()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "/things/1");
    let response = send(&app, "DELETE", "/items/7", &[], "").await;
    assert_eq!(response.status(), 204);
    assert!(response.body().is_empty());
    assert!(!response.headers().contains_key("content-type"));
}

#[tokio::test]
async fn only_allowed_headers_reach_a_task() {
    let app = app().await;
    let headers = [
        ("X-Request-ID", "7"),
        ("Nats-Msg-Id", "1"),
        ("METROPOLIS-TIMEOUT-MS", "1"),
        ("authorization", "Bearer x"),
    ];
    let response = send(&app, "GET", "/seen", &headers, "").await;
    assert_eq!(body(&response), json!(["7", null, null, null]));
}

#[tokio::test]
async fn methods_that_are_not_there_are_named() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/items/7", &[], ""),
        405,
        "method_not_allowed",
    )
    .await;
    assert_eq!(
        response.headers()["allow"],
        "GET, PUT, DELETE, HEAD, OPTIONS"
    );
    refused(
        &app,
        ("BREW", "/items/7", &[], ""),
        405,
        "method_not_allowed",
    )
    .await;
    let response = send(&app, "OPTIONS", "/foo/bar", &[], "").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (204, &HeaderValue::from_static("POST, OPTIONS"))
    );
    let response = send(&app, "HEAD", "/items/7", &[], "").await;
    assert_eq!(response.status(), 200);
    assert!(response.body().is_empty());
    let length = app.get("/items/7").await.body().len();
    assert_eq!(response.headers()["content-length"], length.to_string());
}

#[tokio::test]
async fn paths_that_are_not_there_are_404() {
    let app = app().await;
    for path in [
        "/",
        "/foo",
        "/foo/bar/",
        "//foo/bar",
        "/foo.bar",
        "/hidden",
        "/items",
        "/foo%2Fbar",
        "/names/",
    ] {
        refused(&app, ("POST", path, &[], ""), 404, "no_route").await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_400() {
    let app = app().await;
    for path in [
        "/names/%",
        "/names/%FF",
        "/names/%00",
        "/names/..",
        "/names/%2e",
        "/names/%C0%AE",
        "/names/a?x=%zz",
    ] {
        refused(&app, ("GET", path, &[], ""), 400, "bad_request").await;
    }
    refused(&app, ("GET", "/items/7", &[], "{}"), 400, "bad_request").await;
    let twice = [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    refused(&app, ("POST", "/foo/bar", &twice, "{}"), 400, "bad_request").await;
    let both = [("content-length", "2"), ("transfer-encoding", "chunked")];
    refused(&app, ("POST", "/foo/bar", &both, "{}"), 400, "bad_request").await;
    refused(
        &app,
        ("POST", "/foo/bar", &[("x-request-id", "\t")], "{}"),
        400,
        "bad_input",
    )
    .await;
    refused(
        &app,
        ("POST", "/foo/bar", &[("x-request-id", "a\tb")], "{}"),
        400,
        "bad_request",
    )
    .await;
}

#[tokio::test]
async fn what_does_not_fit_the_input_is_400_and_says_where() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/foo/bar", &[], r#"{"data":1}"#),
        400,
        "bad_input",
    )
    .await;
    assert_eq!(body(&response)["data"]["pointer"], "/data");
    let response = refused(&app, ("GET", "/items/x", &[], ""), 400, "bad_input").await;
    assert_eq!(body(&response)["data"]["pointer"], "/id");
    for request in [
        ("POST", "/foo/bar", ""),
        ("POST", "/foo/bar", "{"),
        ("POST", "/foo/bar", "[]"),
        ("PUT", "/items/7", r#"{"id":7}"#),
        ("GET", "/items/7?id=7", ""),
        ("GET", "/items/7?note=a&note=b", ""),
    ] {
        refused(
            &app,
            (request.0, request.1, &[], request.2),
            400,
            "bad_input",
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let app = app().await;
    let large = "x".repeat(1001);
    refused(
        &app,
        ("POST", "/foo/bar", &[], &large),
        413,
        "body_too_large",
    )
    .await;
    let text = format!("{{\"data\":\"{}\"}}", "x".repeat(989));
    assert_eq!(
        send(&app, "POST", "/foo/bar", &[], &text).await.status(),
        200
    );
    let path = format!("/names/{}", "x".repeat(8 * 1024));
    refused(&app, ("GET", &path, &[], ""), 414, "uri_too_long").await;
    let path = format!("/names/{}", "x".repeat(250));
    let response = refused(&app, ("GET", &path, &[], ""), 400, "values_too_long").await;
    assert!(!String::from_utf8_lossy(response.body()).contains("names."));
    let many: Vec<(String, String)> = (0..81)
        .map(|number| (format!("x-{number}"), String::new()))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    refused(&app, ("GET", "/seen", &many, ""), 431, "headers_too_large").await;
    let long = "x".repeat(4097);
    refused(
        &app,
        ("GET", "/seen", &[("x-request-id", &long)], ""),
        431,
        "headers_too_large",
    )
    .await;
    let long = "x".repeat(17_000);
    refused(
        &app,
        ("GET", "/seen", &[("cookie", &long)], ""),
        431,
        "headers_too_large",
    )
    .await;
}

#[tokio::test]
async fn a_media_type_that_is_not_taken_is_415() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/foo/bar", &[("content-type", "text/plain")], "x"),
        415,
        "media_type",
    )
    .await;
    assert_eq!(
        response.headers()["accept-post"],
        "application/json, application/x-www-form-urlencoded"
    );
    let merge = [("content-type", "application/vnd.api+json")];
    assert_eq!(
        send(&app, "POST", "/foo/bar", &merge, r#"{"data":""}"#)
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_client_that_takes_no_json_is_told_before_anything_runs() {
    let app = app().await;
    let html: &[(&str, &str)] = &[("accept", "text/html")];
    refused(&app, ("GET", "/panics", html, ""), 406, "not_acceptable").await;
    let response = send(&app, "DELETE", "/items/7", html, "").await;
    assert_eq!(response.status(), 204);
}

#[tokio::test]
async fn a_fault_keeps_its_status_and_gets_what_http_demands() {
    let app = app().await;
    for status in [400, 404, 409, 418, 422, 429, 500, 503, 599] {
        let response = refused(
            &app,
            ("GET", &format!("/fails?status={status}"), &[], ""),
            status,
            "wanted",
        )
        .await;
        assert!(!response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("proxy-status"));
    }
    let response = refused(&app, ("GET", "/fails?status=401", &[], ""), 401, "wanted").await;
    assert!(response.headers().contains_key("www-authenticate"));
    let response = refused(&app, ("GET", "/fails?status=405", &[], ""), 405, "wanted").await;
    assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    refused(&app, ("GET", "/fails?status=407", &[], ""), 500, "wanted").await;
    let response = refused(&app, ("GET", "/panics", &[], ""), 500, "internal").await;
    assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
}

#[tokio::test]
async fn a_task_nobody_serves_is_503() {
    let app = app().await;
    let response = refused(&app, ("GET", "/elsewhere", &[], ""), 503, "no_worker").await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        response.headers()["proxy-status"],
        "metropolis; error=destination_unavailable"
    );
}

#[tokio::test]
async fn a_task_that_is_too_slow_is_504() {
    let app = app().await;
    let response = refused(&app, ("GET", "/slow", &[], ""), 504, "timed_out").await;
    assert!(!response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_full_worker_is_503_with_a_time_to_come_back() {
    let app = app().await;
    let (one, two, three) = tokio::join!(app.get("/busy"), app.get("/busy"), app.get("/busy"));
    let busy: Vec<Response<Bytes>> = [one, two, three]
        .into_iter()
        .filter(|response| response.status() == 503)
        .collect();
    assert_eq!(busy.len(), 1);
    assert_eq!(body(&busy[0])["code"], "busy");
    assert_eq!(
        busy[0].headers()["proxy-status"],
        "metropolis; error=connection_limit_reached"
    );
    let seconds = busy[0].headers()["retry-after"].to_str().expect("ASCII");
    assert!(seconds.parse::<u64>().expect("a number") >= 1);
}

/// What a worker in another language might send: header lines and a payload.
type Reply = (&'static [(&'static str, &'static str)], Bytes);

/// Answers `liar.get` with one reply after another.
async fn lie(bus: &Bus, replies: Vec<Reply>) -> JoinHandle<()> {
    let subscription = bus.subscribe("liar.get", None, 10).await;
    let mut subscription = subscription.expect("a subscription");
    let bus = bus.clone();
    tokio::spawn(async move {
        for (headers, payload) in replies {
            let request = subscription.next().await.expect("a request");
            let mut outgoing = Outgoing::empty(request.reply.expect("a reply subject"));
            for (name, value) in headers {
                outgoing.headers.append(*name, *value).expect("a header");
            }
            outgoing.payload = payload;
            let deadline = Instant::now() + Duration::from_secs(1);
            bus.publish(outgoing, deadline).await.expect("published");
        }
    })
}

/// Sends replies and checks status and code of what comes of each.
async fn hostile(cases: Vec<(Reply, u16, &str)>) {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    let liar = lie(
        &bus,
        cases.iter().map(|(reply, _, _)| reply.clone()).collect(),
    )
    .await;
    for ((headers, payload), status, code) in cases {
        let shown = format!("{headers:?} {:?}", &payload[..payload.len().min(20)]);
        let response = app.get("/liar").await;
        assert_eq!(response.status(), status, "{shown}");
        if status == 200 {
            assert_eq!(response.headers()["content-type"], "application/json");
        } else {
            assert_eq!(body(&response)["code"], code, "{shown}");
        }
        assert!(!response.headers().contains_key("set-cookie"));
    }
    liar.await.expect("every reply was wanted");
}

#[tokio::test]
async fn a_payload_that_is_not_json_does_no_harm() {
    let plain = |payload: &'static [u8]| -> Reply { (&[], Bytes::from_static(payload)) };
    hostile(vec![
        (plain(b"7"), 200, ""),
        (plain(b"null"), 200, ""),
        (plain(b""), 502, "bad_answer"),
        (plain(b"not json"), 502, "bad_answer"),
        (plain(b"{} {}"), 502, "bad_answer"),
        (plain(b"\"\xFF\""), 502, "bad_answer"),
        ((&[], b"[".repeat(1024 * 1024).into()), 502, "bad_answer"),
    ])
    .await;
}

#[tokio::test]
async fn no_header_of_a_hostile_worker_does_harm() {
    let with = |headers| -> Reply { (headers, Bytes::from_static(b"1")) };
    hostile(vec![
        (with(&[("Nats-Service-Error-Code", "abc")]), 500, "unknown"),
        (with(&[("Nats-Service-Error-Code", "0")]), 500, "unknown"),
        (
            with(&[("Nats-Service-Error-Code", "99999")]),
            500,
            "unknown",
        ),
        (with(&[("Nats-Service-Error-Code", "200")]), 500, "unknown"),
        (with(&[("nats-service-error-code", "404")]), 404, "unknown"),
        (with(&[("Nats-Service-Error", "é")]), 500, "unknown"),
        (with(&[("Metropolis-Not-Started", "busy")]), 503, "busy"),
        (
            with(&[("Metropolis-Not-Started", "expired")]),
            504,
            "expired",
        ),
        (with(&[("Metropolis-Not-Started", "perhaps")]), 200, ""),
        (with(&[("Location", "é"), ("Set-Cookie", "a=b")]), 200, ""),
        (with(&[("Content-Type", "text/html")]), 200, ""),
    ])
    .await;
}

#[tokio::test]
async fn an_error_text_of_any_kind_gives_one_clean_answer() {
    let detail = format!("two\r\nlines, é and {}", "x".repeat(64 * 1024));
    let problem = json!({ "status": 418, "code": "teapot", "detail": detail });
    let payload = Bytes::from(problem.to_string());
    hostile(vec![(
        (&[("Nats-Service-Error-Code", "418")], payload),
        418,
        "teapot",
    )])
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    {
        let request = std::pin::pin!(app.get("/busy"));
        let waiting = tokio::time::timeout(Duration::from_millis(20), request).await;
        assert!(waiting.is_err());
        assert_eq!(bus.counters().in_flight, 1);
    }
    // The future is dropped with its scope.
    assert_eq!(bus.counters().in_flight, 0);
}

#[tokio::test]
async fn a_bus_that_is_gone_is_503_and_not_ready_but_alive() {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    assert_eq!(app.get("/readyz").await.status(), 200);
    bus.close(Instant::now()).await;
    let response = refused(&app, ("GET", "/readyz", &[], ""), 503, "unavailable").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(app.get("/healthz").await.status(), 200);
    refused(&app, ("GET", "/seen", &[], ""), 503, "unavailable").await;
}

#[tokio::test]
async fn the_routes_are_listed() {
    let app = app().await;
    let routes = body(&app.get("/_routes").await);
    let line = routes["routes"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|line| line["task"] == "reverse")
        .expect("a task");
    assert_eq!(
        *line,
        json!({
            "task": "reverse", "method": "POST", "path": "/foo/bar", "subject": "foo.bar", "queue": "worker",
            "description": "Returns the text reversed.",
        })
    );
    assert_eq!(
        (&routes["services"], &routes["quarantined"]),
        (&json!([]), &json!([]))
    );
}
