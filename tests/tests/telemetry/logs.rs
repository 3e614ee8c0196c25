//! The log: JSON lines, access lines that hold no secret, a flood that stays small, and a reader that is slow.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use metropolis::Client;
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process, eventually, within};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{JSON, SOON, metrics_of, started, value};

const PAGE: &str = include_str!("../../../docs/operations.md");

const TRACED: (&str, &str) = (
    "traceparent",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
);

/// The lines of a process that are JSON, as all of them have to be.
fn lines(process: &Process) -> Vec<Value> {
    let output = process.output();
    let lines = output.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What the page says that an access line can hold.
fn documented() -> BTreeSet<&'static str> {
    let section = PAGE.split("## Logs").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let members = rows.filter_map(|row| row.split('`').next());
    // Nobody is in a span of their own here.
    members.filter(|member| *member != "spans").collect()
}

async fn hello() -> (Process, SocketAddr) {
    let hello = Process::example("hello").env("METROPOLIS_LISTEN", "127.0.0.1:0");
    started(hello, "listening on").await
}

#[tokio::test]
async fn each_request_leaves_one_access_line_without_its_contents() {
    let (mut process, address) = hello().await;
    let mut client = HttpClient::connect(address).await;
    let secret = [("authorization", "secret-header"), JSON];
    client
        .send(
            "POST",
            "/foo/bar?x=secret-query",
            &secret,
            r#"{"data":"secret-body"}"#,
        )
        .await;
    client.send("GET", "/foo/bar", &[TRACED], "").await;
    client.send("GET", "/secret-path", &[], "").await;
    client.send("GET", "/healthz", &[], "").await;
    process.signal("TERM").await;
    assert!(process.wait_exit(SOON).await.success());
    assert!(
        !process.output().contains("secret-"),
        "{}",
        process.output()
    );

    let lines = lines(&process);
    let access: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "metropolis::access")
        .collect();
    let [good, bad, nowhere] = access[..] else {
        panic!("three lines, not {access:?}");
    };
    let members = access
        .iter()
        .flat_map(|line| line.as_object().unwrap().keys());
    assert_eq!(
        members.map(String::as_str).collect::<BTreeSet<_>>(),
        documented()
    );
    for line in &access {
        assert_eq!(
            (&line["level"], &line["message"]),
            (&"INFO".into(), &"request".into())
        );
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(
        (&good["method"], &good["route"]),
        (&"POST".into(), &"/foo/bar".into())
    );
    assert_eq!(
        (&good["status"], &good["task"]),
        (&200.into(), &"reverse".into())
    );
    assert_eq!(
        (&bad["status"], &bad["code"]),
        (&400.into(), &"bad_input".into())
    );
    let hello = lines
        .iter()
        .find(|line| !line["instance"].is_null() && line["service"].is_string());
    assert_eq!(bad["instance"], hello.unwrap()["instance"]);
    assert_eq!(
        (&nowhere["status"], &nowhere["route"]),
        (&404.into(), &Value::Null)
    );
}

#[tokio::test]
async fn the_format_and_the_access_lines_can_be_chosen() {
    let hello = Process::example("hello")
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .env("METROPOLIS_LOG_FORMAT", "text")
        .env("METROPOLIS_LOG", "info,metropolis::access=off");
    let (mut process, address) = started(hello, "listening on").await;
    HttpClient::connect(address)
        .await
        .send("GET", "/nowhere", &[], "")
        .await;
    process.signal("TERM").await;
    process.wait_exit(SOON).await;
    let output = process.output();
    assert!(output.contains(" INFO listening on http://"), "{output}");
    assert!(
        !output.contains('{') && !output.contains("status=404"),
        "{output}"
    );
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_no_request_and_the_loss_is_counted() {
    // Builds the program; the harness would read everything it prints.
    drop(hello().await);
    let program = std::env::current_exe().unwrap().with_file_name("../hello");
    let mut process = tokio::process::Command::new(program)
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines();
    let address = loop {
        let line = within(SOON, stderr.next_line()).await.unwrap().unwrap();
        if line.contains("listening on") {
            break address_in(&line).unwrap();
        }
    };
    let dropped = async || {
        value(
            &metrics_of(address).await,
            "metropolis_log_dropped_lines_total",
        )
        .unwrap()
    };
    let mut client = HttpClient::connect(address).await;
    eventually(Duration::from_secs(60), async || {
        for _ in 0..500 {
            assert_eq!(client.send("GET", "/nowhere", &[], "").await.status, 404);
        }
        dropped().await > 0.0
    })
    .await;
    // Once somebody reads, the process goes on to write.
    let reading =
        tokio::spawn(async move { while matches!(stderr.next_line().await, Ok(Some(_))) {} });
    let mut before = dropped().await;
    eventually(SOON, async || {
        client.send("GET", "/nowhere", &[], "").await;
        let now = dropped().await;
        std::mem::replace(&mut before, now) == now
    })
    .await;
    process.kill().await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn a_task_that_panics_all_the_time_is_a_few_lines_of_json() {
    let server = NatsServer::start().await;
    let worker = Process::example("telling-worker")
        .arg("panics")
        .env("METROPOLIS_NATS_URL", server.url());
    let mut process = worker.start().await;
    process
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    let bus = crate::connect(&server, "client").await;
    let client = Client::new(bus);
    for _ in 0..500 {
        client.call::<panics>(&()).await.unwrap_err();
    }
    process.signal("TERM").await;
    process.wait_exit(SOON).await;
    let lines = lines(&process);
    assert!(lines.len() < 200, "{} lines", lines.len());
    let panic = lines
        .iter()
        .find(|line| line["target"] == "metropolis::log::panics")
        .unwrap();
    assert_eq!(panic["message"], "panicked: a panic\nof two lines");
    assert!(
        panic["place"]
            .as_str()
            .unwrap()
            .contains("telling-worker.rs:"),
        "{panic}"
    );
}

/// Served by a process of its own.
#[metropolis::task(subject = "telling.panics")]
async fn panics() -> Result<(), metropolis::Fault>;

/// Served by a process of its own.
#[metropolis::task(subject = "telling.breaks")]
async fn breaks() -> Result<(), metropolis::Fault>;

#[tokio::test]
async fn ten_thousand_failures_are_a_handful_of_lines_and_a_number() {
    const FAILURES: u64 = 10_000;
    let server = NatsServer::start().await;
    let worker = Process::example("telling-worker")
        .arg("breaks")
        .env("METROPOLIS_NATS_URL", server.url());
    let process = worker.start().await;
    process
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    let client = Client::new(crate::connect(&server, "client").await);
    let calls = (0..FAILURES).map(|_| client.call::<breaks>(&()).into_future());
    let calls = futures_util::stream::iter(calls).buffer_unordered(64);
    calls
        .for_each(async |failed| drop(failed.unwrap_err()))
        .await;
    let counted = || -> u64 {
        let lines = lines(&process).into_iter();
        lines
            .map(|line| match line["message"].as_str() {
                Some("a call failed") => 1,
                _ => line["more"].as_u64().unwrap_or_default(),
            })
            .sum()
    };
    eventually(SOON, async || counted() == FAILURES).await;
    let output = process.output();
    assert!(output.lines().count() < 1000, "{}", output.lines().count());
    assert!(output.contains("a cause for the log"));
}
