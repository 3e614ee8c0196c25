//! Traces: the tree of one request over three processes, whom the gateway listens to, and what is not recorded.

use std::net::SocketAddr;
use std::time::Instant;

use metropolis::Client;
use metropolis::bus::Outgoing;
use metropolis::subject::Subject;
use metropolis_tests::collector::{Collector, Span};
use metropolis_tests::process::Launch;
use metropolis_tests::{HttpClient, NatsServer, Process, eventually};
use serde_json::{Value, json};

use crate::{SOON, get, started};

/// A trace of a client's, which the client records.
const CLIENTS: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A gateway, and two workers of which the first asks the second.
struct Chain {
    collector: Collector,
    gateway: Process,
    workers: [Process; 2],
    address: SocketAddr,
    server: NatsServer,
}

impl Chain {
    async fn start(gateway: impl Fn(Launch) -> Launch) -> Self {
        Self::with_front(gateway, |front| front).await
    }

    async fn with_front(
        gateway: impl Fn(Launch) -> Launch,
        front: impl Fn(Launch) -> Launch,
    ) -> Self {
        let (server, collector) = (NatsServer::start().await, Collector::start().await);
        let program = |name: &str, service: &str| {
            let launch = Process::example(name).env("METROPOLIS_NATS_URL", server.url());
            collector.told(launch, service)
        };
        let worker = async |launch: Launch, task: &str| {
            let process = launch.arg(task).start().await;
            process
                .wait_for_line(|line| line.contains("the worker serves"))
                .await;
            process
        };
        let back = worker(program("telling-worker", "back"), "back").await;
        let front = worker(front(program("telling-worker", "front")), "front").await;
        let workers = [back, front];
        let launch =
            program("metropolis-gateway", "gateway").env("METROPOLIS_LISTEN", "127.0.0.1:0");
        let (gateway, address) = started(gateway(launch), "listening on").await;
        eventually(SOON, async || get(address, "/readyz").await.status == 200).await;
        Self {
            collector,
            gateway,
            workers,
            address,
            server,
        }
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut client = HttpClient::connect(self.address).await;
        let response = client.send("GET", path, headers, "").await;
        (response.status, response.text())
    }

    /// The access line of a path's route with a status.
    async fn access(&self, status: u16) -> Value {
        let line = self.gateway.wait_for_line(|line| {
            line.contains("metropolis::access")
                && line.contains(&format!("\"status\":{status}"))
                && line.contains("telling")
        });
        serde_json::from_str(&line.await).unwrap()
    }
}

/// Names from the root on, each span below the one before it.
fn chain(spans: &[Span]) -> Vec<String> {
    let mut names = Vec::new();
    let mut parent = spans.iter().find(|span| {
        !spans
            .iter()
            .any(|other| other.span_id == span.parent_span_id)
    });
    while let Some(span) = parent {
        names.push(format!("{}: {}", span.service, span.name));
        let mut children = spans
            .iter()
            .filter(|child| child.parent_span_id == span.span_id);
        parent = children.next();
        assert!(children.next().is_none(), "{spans:#?}");
    }
    names
}

const TREE: [&str; 6] = [
    "gateway: GET /telling/{text}",
    "gateway: request telling.{text}.get",
    "front: process telling.{text}.get",
    "front: request telling.back",
    "back: process telling.back",
    "back: thinking",
];

#[tokio::test]
async fn one_request_is_one_tree_over_three_processes() {
    let running = Chain::start(|gateway| gateway).await;
    let (status, body) = running.ask("/telling/hello", &[]).await;
    assert_eq!((status, &*body), (200, r#""HELLO""#));
    let access = running.access(200).await;
    let trace_id = access["trace_id"].as_str().unwrap();
    let spans = running.collector.trace(trace_id, TREE.len()).await;
    assert_eq!(chain(&spans), TREE);
    assert!(spans.iter().all(|span| !span.is_error), "{spans:#?}");

    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let check = |name: &str, kind: i32, attributes: &[(&str, &str)]| {
        let span = of(name);
        assert_eq!(span.kind, kind, "{span:#?}");
        for (key, value) in attributes {
            assert_eq!(
                span.attributes.get(*key).map(String::as_str),
                Some(*value),
                "{key} of {span:#?}"
            );
        }
    };
    check(
        "GET /telling/{text}",
        2,
        &[
            ("http.request.method", "GET"),
            ("http.route", "/telling/{text}"),
            ("http.response.status_code", "200"),
            ("url.path", "/telling/hello"),
            ("url.scheme", "http"),
        ],
    );
    check(
        "request telling.{text}.get",
        4,
        &[
            ("messaging.system", "nats"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "telling.hello.get"),
            ("messaging.destination.template", "telling.{text}.get"),
        ],
    );
    check(
        "process telling.back",
        5,
        &[
            ("messaging.operation.name", "process"),
            ("messaging.consumer.group.name", "worker"),
            ("metropolis.task", "back"),
        ],
    );
    check("thinking", 1, &[("length", "5")]);
    let hello = running.workers[1]
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    let hello: Value = serde_json::from_str(&hello).unwrap();
    assert_eq!(
        access["instance"], hello["instance"],
        "of a traced request it is known"
    );
}

#[tokio::test]
async fn a_fault_names_its_trace_and_marks_the_spans_it_passed() {
    let running = Chain::start(|gateway| gateway).await;
    let (status, body) = running.ask("/telling/fails", &[]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["code"]), (409, &"as_wished".into()));
    let trace_id = body["trace_id"].as_str().unwrap();
    assert_eq!(running.access(409).await["trace_id"], trace_id);
    let spans = running.collector.trace(trace_id, TREE.len()).await;
    let errors: Vec<&str> = spans
        .iter()
        .filter(|span| span.is_error)
        .map(|span| &*span.name)
        .collect();
    assert!(
        errors.iter().all(|name| name.starts_with("request")) && errors.len() == 2,
        "{errors:?}"
    );
    let coded = spans.iter().filter(|span| {
        span.attributes
            .get("metropolis.fault.code")
            .is_some_and(|code| code == "as_wished")
    });
    assert_eq!(coded.count(), 3, "{spans:#?}");
    let (_, nowhere) = running.ask("/nowhere", &[]).await;
    let nowhere: Value = serde_json::from_str(&nowhere).unwrap();
    running
        .collector
        .trace(nowhere["trace_id"].as_str().unwrap(), 1)
        .await;
}

#[tokio::test]
async fn only_a_client_that_is_trusted_is_listened_to() {
    let trusting = Chain::start(|gateway| gateway).await;
    let headers = [
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
        ("baggage", "a=1"),
    ];
    assert_eq!(trusting.ask("/telling/a", &headers).await.0, 200);
    let spans = trusting.collector.trace(CLIENTS, TREE.len()).await;
    assert_eq!(chain(&spans), TREE);
    let root = spans
        .iter()
        .find(|span| span.name.starts_with("GET"))
        .unwrap();
    assert_eq!(root.parent_span_id, "b7ad6b7169203331");

    let wary = Chain::start(|gateway| gateway.env("METROPOLIS_TRUST_TRACE", "0")).await;
    assert_eq!(wary.ask("/telling/a", &headers).await.0, 200);
    let trace_id = wary.access(200).await["trace_id"].clone();
    assert_ne!(trace_id, CLIENTS);
    let spans = wary
        .collector
        .trace(trace_id.as_str().unwrap(), TREE.len())
        .await;
    assert!(spans.iter().all(|span| span.trace_id != CLIENTS));
}

/// Asks often without being chosen, then once so that it is, and says what was recorded beside that.
async fn unchosen(running: &Chain, spans: usize) -> Vec<Span> {
    for _ in 0..50 {
        assert_eq!(running.ask("/telling/a", &[]).await.0, 200);
    }
    let (_, body) = running.ask("/telling/fails", &[]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["trace_id"].as_str().map(str::len), Some(32), "{body}");
    let chosen = running.ask("/telling/a", &[("traceparent", PARENT)]).await;
    assert_eq!(chosen.0, 200);
    running.collector.trace(CLIENTS, spans).await;
    let all = running.collector.spans().into_iter();
    all.filter(|span| span.trace_id != CLIENTS).collect()
}

fn choosy(gateway: Launch) -> Launch {
    gateway
        .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0")
}

#[tokio::test]
async fn what_is_not_chosen_is_recorded_nowhere_and_has_a_name_all_the_same() {
    let running = Chain::start(choosy).await;
    let others = unchosen(&running, TREE.len()).await;
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn what_nobody_records_is_told_by_the_reply_subject_where_all_instances_read_it() {
    let running = Chain::start(choosy).await;
    let bus = crate::connect(&running.server, "witness").await;
    let mut witness = bus.subscribe("telling.*.get", None, 16).await.unwrap();
    let mut behind = bus.subscribe("telling.back", None, 16).await.unwrap();
    assert_eq!(running.ask("/telling/a", &[]).await.0, 200);
    let seen = witness.next().await.unwrap();
    assert_eq!(seen.headers.get("traceparent"), None);
    let reply = seen.reply.unwrap();
    let (before, last) = reply.as_str().rsplit_once('.').unwrap();
    let named = format!("{}{}", &before[before.len() - 16..], &last[..16]);
    assert!(last.ends_with('~'), "{reply}");
    assert_eq!(running.access(200).await["trace_id"], named);
    // The worker has read it, and tells whom it calls.
    let called = behind.next().await.unwrap();
    let told = called.headers.get("traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{named}-")) && told.ends_with("-00"));

    // An instance of before, which is another edition of the same service.
    let topic = Subject::parse("metropolis.announce.front.old").unwrap();
    let old = json!({
        "type": "io.nats.micro.v1.info_response", "name": "front", "id": "old", "version": "0.0.1",
        "metadata": {}, "description": "", "endpoints": [{
            "name": "front", "subject": "telling.*.get", "queue_group": "worker",
            "metadata": { "metropolis.subject": "telling.{text}.get" },
        }],
    });
    let announcement = Outgoing {
        payload: old.to_string().into(),
        ..Outgoing::empty(topic)
    };
    bus.publish(announcement, Instant::now() + SOON)
        .await
        .unwrap();
    eventually(SOON, async || {
        assert_eq!(running.ask("/telling/a", &[]).await.0, 200);
        let seen = witness.next().await.unwrap();
        let header = seen.headers.get("traceparent").map(str::to_owned);
        let is_named = seen.reply.unwrap().as_str().ends_with('~');
        assert_eq!(header.is_none(), is_named);
        header.is_some_and(|header| header.ends_with("-00"))
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_records_nothing_passes_on_what_was_decided() {
    let deaf = |front: Launch| front.env("OTEL_SDK_DISABLED", "true");
    let running = Chain::with_front(choosy, deaf).await;
    let others = unchosen(&running, TREE.len() - 2).await;
    assert!(others.is_empty(), "{others:#?}");
    let spans = running.collector.trace(CLIENTS, TREE.len() - 2).await;
    let without_front = TREE.iter().filter(|name| !name.starts_with("front"));
    assert!(without_front.eq(&chain(&spans)), "{spans:#?}");
}

#[tokio::test]
async fn a_request_of_whoever_decides_nothing_is_the_first_of_a_trace() {
    let running = Chain::start(choosy).await;
    let client = Client::new(crate::connect(&running.server, "client").await);
    let word = Word {
        text: "a".to_owned(),
    };
    assert_eq!(client.call::<back>(&word).await.unwrap(), "A");
    eventually(SOON, async || running.collector.spans().len() == 2).await;
    let spans = running.collector.spans();
    assert_eq!(chain(&spans), TREE[4..]);
    assert!(spans.iter().any(|span| span.parent_span_id.is_empty()));
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Word {
    text: String,
}

/// Served by a process of its own.
#[metropolis::task(subject = "telling.back", http = "none", timeout = "5s")]
async fn back(word: Word) -> Result<String, metropolis::Fault>;

#[tokio::test]
async fn the_last_spans_of_a_process_are_sent_before_it_ends_and_a_wrong_setting_is_told() {
    let mut running =
        Chain::start(|gateway| gateway.env("OTEL_BSP_SCHEDULE_DELAY", "3600000")).await;
    assert_eq!(
        running
            .ask("/telling/a", &[("traceparent", PARENT)])
            .await
            .0,
        200
    );
    running.gateway.signal("TERM").await;
    assert!(running.gateway.wait_exit(SOON).await.success());
    running.collector.trace(CLIENTS, TREE.len()).await;

    let collector = Collector::start().await;
    let hello = Process::example("hello")
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .env("OTEL_TRACES_SAMPLER", "sometimes");
    let hello = collector.told(hello, "hello").start().await;
    let line = hello
        .wait_for_line(|line| line.contains("no spans are recorded"))
        .await;
    assert!(line.contains("`sometimes` is none of always_on"), "{line}");
}
