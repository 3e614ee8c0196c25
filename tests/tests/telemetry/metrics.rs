//! `/metrics` of gateways and workers: what Prometheus' own tool says, what is in it, and how much it can become.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use metropolis::{Bus, Worker};
use metropolis_gateway::{Gateway, InProcess};
use metropolis_tests::promtool::complaints_about_metrics;
use metropolis_tests::{HttpClient, NatsServer, Process, eventually};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JSON, SOON, connect, get, metrics_of, started, value};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Key {
    id: String,
}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum Refused {
    #[error("no")]
    #[fault(status = 422, code = "refused_here")]
    No,
}

#[metropolis::task(subject = "measured.{id}.get")]
async fn measured(key: Key) -> Result<String, Refused> {
    match key.id.as_str() {
        "refused" => Err(Refused::No),
        _ => Ok(key.id),
    }
}

/// A gateway and a worker as programs of their own, which have answered something.
pub(crate) struct Pair {
    pub(crate) gateway: SocketAddr,
    pub(crate) worker: SocketAddr,
    _parts: (NatsServer, Process, Process),
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let server = NatsServer::start().await;
        let worker = Process::example("hello-worker")
            .env("METROPOLIS_NATS_URL", server.url())
            .env("METROPOLIS_ADMIN_LISTEN", "127.0.0.1:0");
        let (worker, of_worker) = started(worker, "health on").await;
        let gateway = Process::example("metropolis-gateway")
            .env("METROPOLIS_NATS_URL", server.url())
            .env("METROPOLIS_LISTEN", "127.0.0.1:0");
        let (gateway, of_gateway) = started(gateway, "listening on").await;
        let mut client = HttpClient::connect(of_gateway).await;
        eventually(SOON, async || {
            let answer = client
                .send("POST", "/foo/bar", &[JSON], r#"{"data":"asdf"}"#)
                .await;
            answer.status == 200
        })
        .await;
        let wrong = client.send("POST", "/foo/bar", &[JSON], "{}").await;
        assert_eq!(wrong.status, 400);
        Self {
            gateway: of_gateway,
            worker: of_worker,
            _parts: (server, worker, gateway),
        }
    }
}

#[tokio::test]
async fn promtool_takes_what_gateway_and_worker_show() {
    let pair = Pair::start().await;
    for address in [pair.gateway, pair.worker] {
        let metrics = metrics_of(address).await;
        assert_eq!(complaints_about_metrics(&metrics).await, "", "{metrics}");
        assert_eq!(value(&metrics, "metropolis_bus_connected"), Some(1.0));
    }
    let gateway = metrics_of(pair.gateway).await;
    for series in [
        r#"metropolis_service_instances{service="metropolis-examples"}"#,
        r#"http_server_request_duration_seconds_count{http_route="/foo/bar",http_request_method="POST",http_response_status_code="200"}"#,
        r#"metropolis_gateway_faults_total{http_route="/foo/bar",code="bad_input"}"#,
    ] {
        assert_eq!(value(&gateway, series), Some(1.0), "{series} in {gateway}");
    }
    let worker = metrics_of(pair.worker).await;
    for (series, expected) in [
        (r#"metropolis_task_requests_total{task="reverse"}"#, 2.0),
        (
            r#"metropolis_task_faults_total{task="reverse",code="bad_input"}"#,
            1.0,
        ),
        (
            r#"metropolis_task_duration_seconds_count{task="reverse"}"#,
            2.0,
        ),
        (
            r#"metropolis_task_queue_age_seconds_count{task="reverse"}"#,
            2.0,
        ),
        (r#"metropolis_task_concurrency{task="reverse"}"#, 256.0),
    ] {
        assert_eq!(
            value(&worker, series),
            Some(expected),
            "{series} in {worker}"
        );
    }
}

#[tokio::test]
async fn a_worker_shows_metrics_before_it_has_reached_its_bus_and_none_when_they_are_off() {
    let worker = |url: &str| {
        Process::example("hello-worker")
            .env("METROPOLIS_NATS_URL", url)
            .env("METROPOLIS_ADMIN_LISTEN", "127.0.0.1:0")
    };
    // Nothing listens on the port of a listener that is closed again.
    let (_waiting, address) = started(worker("nats://127.0.0.1:1"), "health on").await;
    assert!(metrics_of(address).await.contains("metropolis_build_info"));

    let server = NatsServer::start().await;
    let silent = worker(&server.url()).env("METROPOLIS_METRICS", "0");
    let (_silent, address) = started(silent, "health on").await;
    eventually(SOON, async || get(address, "/metrics").await.status == 404).await;
}

async fn in_process() -> InProcess {
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone()).serve::<measured>();
    Gateway::new(bus)
        .with_worker(worker)
        .in_process()
        .await
        .unwrap()
}

async fn shown(app: &InProcess) -> String {
    let response = app.get("/metrics").await;
    assert_eq!(response.status(), 200);
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn series(metrics: &str) -> BTreeSet<&str> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

#[tokio::test]
async fn ten_thousand_random_paths_add_no_series() {
    let app = in_process().await;
    let paths = |kind: u64| {
        let random = uuid::Uuid::new_v4();
        match kind {
            0 => format!("/measured/{random}"),
            1 => format!("/{random}"),
            2 => format!("/{random}/{random}?{random}={random}"),
            _ => "/measured/refused".to_owned(),
        }
    };
    let methods = ["GET", "POST", "HEAD", "OPTIONS", "TRACE"];
    let ask = async |at: u64| {
        let method = match at % 7 {
            known @ 0..5 => methods[usize::try_from(known).unwrap()].to_owned(),
            _ => format!("M{}", uuid::Uuid::new_v4().simple()),
        };
        let request = hyper::Request::builder()
            .method(&*method)
            .uri(paths(at % 4));
        app.request(request.body(String::new()).unwrap()).await;
    };
    for at in 0..28 {
        ask(at).await;
    }
    shown(&app).await;
    let before = shown(&app).await;
    for at in 0..10_000 {
        ask(at).await;
    }
    let after = shown(&app).await;
    assert_eq!(series(&before), series(&after));
    assert!(series(&after).len() < 1500, "{}", series(&after).len());
    let random = r#"http_server_request_duration_seconds_count{http_route="/measured/{id}",http_request_method="GET",http_response_status_code="200"}"#;
    assert!(value(&after, random).unwrap() > 300.0, "{after}");
    let unknown = r#"{http_request_method="_OTHER",http_response_status_code="404"}"#;
    let unknown = format!("http_server_request_duration_seconds_count{unknown}");
    assert!(value(&after, &unknown).unwrap() > 1000.0, "{after}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_as_499() {
    let app = in_process().await;
    let first_poll = futures_util::FutureExt::now_or_never(app.get("/measured/x"));
    // Whether the answer came at once is the runtime's affair; asked often enough it did not.
    assert!(
        first_poll.is_none(),
        "the worker has had no chance to answer"
    );
    let gone = r#"http_server_request_duration_seconds_count{http_route="/measured/{id}",http_request_method="GET",http_response_status_code="499"}"#;
    let metrics = shown(&app).await;
    assert_eq!(value(&metrics, gone), Some(1.0), "{metrics}");
    assert_eq!(
        value(&metrics, "http_server_active_requests"),
        Some(1.0),
        "this one"
    );
}

#[tokio::test]
async fn what_has_left_is_no_longer_shown() {
    let server = NatsServer::start().await;
    let gateway = Gateway::new(connect(&server, "gateway").await)
        .with_listen("127.0.0.1:0".parse().unwrap())
        .with_discovery()
        .start()
        .await
        .unwrap();
    let address = gateway.address();
    let worker = Process::example("hello-worker").env("METROPOLIS_NATS_URL", server.url());
    let mut worker = worker.start().await;
    eventually(SOON, async || {
        let mut client = HttpClient::connect(address).await;
        let answer = client
            .send("POST", "/foo/bar", &[JSON], r#"{"data":"x"}"#)
            .await;
        answer.status == 200
    })
    .await;
    let is_shown = async || {
        let metrics = metrics_of(address).await;
        ["/foo/bar", r#"service="metropolis-examples""#].map(|text| metrics.contains(text))
    };
    assert_eq!(is_shown().await, [true, true]);
    worker.signal("TERM").await;
    worker.wait_exit(SOON).await;
    eventually(SOON, async || is_shown().await == [false, false]).await;
}
