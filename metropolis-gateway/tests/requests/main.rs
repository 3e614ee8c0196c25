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

mod refusals;
mod values;
mod workers;

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
