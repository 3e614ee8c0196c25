//! One server that dies, freezes, refuses, or comes back with less room.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use metropolis::bus::{PublishError, RequestError};
use metropolis::{CallError, Client, Worker};
use metropolis_gateway::Gateway;
use metropolis_tests::{HttpClient, NatsServer, eventually, within};

use crate::load::{LOST, Load, NO_WORKER, NOT_SENT, TIMED_OUT};
use crate::{PATIENCE, Work, connect, work};

const CALLERS: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_killed_and_comes_back() {
    let mut server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&server.url(), "client").await;
    let load = Load::start(&bus, CALLERS);
    load.goes_on(2000).await;
    server.kill().await;
    eventually(Duration::from_secs(1), async || !bus.is_connected()).await;
    server.restart_on_same_port().await;
    let back = Instant::now();
    load.goes_on(2000).await;
    assert!(
        back.elapsed() < Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
    let tally = load.stop().await;
    // Whoever comes back first may ask before the worker is there, or be asked for nothing by then.
    tally.assert_errors(&[LOST, NOT_SENT, NO_WORKER, TIMED_OUT]);
    // Only what was under way may have run without an answer.
    assert!(
        tally.errors_of(LOST) + tally.errors_of(TIMED_OUT) <= CALLERS,
        "{tally:?}"
    );
    let counters = bus.counters();
    assert_eq!(
        (counters.in_flight, counters.reconnects),
        (0, 1),
        "{counters:?}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_is_noticed_within_three_seconds_and_taken_back_when_it_thaws() {
    let server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&server.url(), "client").await;
    let load = Load::start(&bus, 16);
    load.goes_on(500).await;
    server.pause().await;
    let frozen = Instant::now();
    eventually(Duration::from_secs(3), async || !bus.is_connected()).await;
    eprintln!("noticed after {:?}", frozen.elapsed());
    let asked = Instant::now();
    let refused = Client::new(bus.clone()).call::<work>(&Work { ms: 0 }).await;
    assert!(
        matches!(
            &refused,
            Err(CallError::NotSent(RequestError::NotConnected))
        ),
        "{refused:?}"
    );
    assert!(
        asked.elapsed() < Duration::from_millis(100),
        "{:?}",
        asked.elapsed()
    );
    // Long enough for every step the heart can take.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!bus.is_connected());
    server.resume().await;
    let thawed = Instant::now();
    load.goes_on(500).await;
    eprintln!("back after {:?}", thawed.elapsed());
    load.stop()
        .await
        .assert_errors(&[LOST, NOT_SENT, NO_WORKER, TIMED_OUT]);
    assert_eq!(bus.counters().in_flight, 0);
    worker.stop().await;
}

/// While its only thread is blocked, a process reads no answer; nobody else is to blame for that.
#[tokio::test]
async fn a_process_that_holds_itself_up_does_not_blame_the_server() {
    let server = NatsServer::start().await;
    let bus = connect(&server.url(), "client").await;
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1800));
        assert!(
            bus.fence(Instant::now() + Duration::from_secs(1))
                .await
                .is_ok()
        );
    }
    let counters = bus.counters();
    assert_eq!((counters.reconnects, counters.rebuilds), (0, 0));
    assert!(bus.is_connected());
}

/// Nothing but the beating heart uses this bus, and everything that is sent piles up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line_to_a_frozen_server_holds_nobody_up() {
    let server = NatsServer::start().await;
    let bus = connect(&server.url(), "client").await;
    let mut received = bus.subscribe("back", None, 16).await.unwrap();
    server.pause().await;
    let started = Instant::now();
    let soon = || Instant::now() + Duration::from_millis(200);
    let big = |to: &str| metropolis::bus::Outgoing {
        payload: vec![0; 500_000].into(),
        ..metropolis::bus::Outgoing::empty(
            metropolis::subject::Subject::parse(to.to_owned()).unwrap(),
        )
    };
    while bus.publish(big("flood"), soon()).await.is_ok() {
        assert!(
            started.elapsed() < PATIENCE,
            "a frozen server took everything"
        );
    }
    eventually(Duration::from_secs(4), async || !bus.is_connected()).await;
    let asked = Instant::now();
    assert_eq!(
        bus.publish(big("flood"), soon()).await,
        Err(PublishError::NotConnected)
    );
    assert!(asked.elapsed() < Duration::from_millis(100));
    server.resume().await;
    eventually(PATIENCE, async || bus.fence(soon()).await.is_ok()).await;
    bus.publish(big("back"), soon()).await.unwrap();
    assert!(within(PATIENCE, received.next()).await.is_some());
    // A client whose line is full does not hear that it should reconnect.
    assert_eq!(bus.counters().reconnects, 1);
}

/// What HTTP clients are told meanwhile, of a server that is gone and of one that is frozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_a_bus_says_so_at_once_and_recovers_by_itself() {
    let mut server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&server.url(), "gateway").await;
    let gateway = Gateway::new(bus.clone()).with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.unwrap();
    let mut http = HttpClient::connect(gateway.address()).await;
    let json = [("content-type", "application/json")];
    for freezes in [false, true] {
        if freezes {
            server.pause().await;
        } else {
            server.kill().await;
        }
        // A request that was on its way is lost, as a 502 says.
        eventually(PATIENCE, async || {
            let response = http.send("POST", "/faults/work", &json, r#"{"ms":0}"#);
            !bus.is_connected() && response.await.status == 503
        })
        .await;
        let asked = Instant::now();
        for _ in 0..10 {
            let response = http
                .send("POST", "/faults/work", &json, r#"{"ms":0}"#)
                .await;
            assert_eq!(response.status, 503);
            assert!(response.header("retry-after").is_some());
        }
        assert_eq!(http.send("GET", "/healthz", &[], "").await.status, 200);
        assert_eq!(http.send("GET", "/readyz", &[], "").await.status, 503);
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
        if freezes {
            server.resume().await;
        } else {
            server.restart_on_same_port().await;
        }
        for (method, path, body) in [
            ("POST", "/faults/work", r#"{"ms":0}"#),
            ("GET", "/readyz", ""),
        ] {
            eventually(PATIENCE, async || {
                http.send(method, path, &json, body).await.status == 200
            })
            .await;
        }
    }
    gateway.stop().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_subject_the_server_refuses_fails_its_requests_at_once() {
    let config = r#"authorization { users: [
        { user: worker, password: pass },
        { user: me, password: pass, permissions: { publish: ["_INBOX_gateway.>"], subscribe: ["_INBOX_gateway.>"] } }
    ] }"#;
    let server = NatsServer::start_with(config).await;
    let url = |user: &str| format!("nats://{user}:pass@{}", server.address());
    let worker = Worker::new(connect(&url("worker"), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&url("me"), "gateway").await;
    let client = Client::new(bus.clone());
    let asked = Instant::now();
    let calls = (0..100).map(|_| client.call::<work>(&Work { ms: 0 }).into_future());
    for ended in join_all(calls).await {
        let error = ended.unwrap_err();
        assert!(
            matches!(&error, CallError::NotSent(RequestError::Denied)),
            "{error}"
        );
        assert!(error.is_not_started());
        assert!(error.to_string().contains("does not permit"), "{error}");
    }
    assert!(
        asked.elapsed() < Duration::from_millis(900),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(bus.counters().in_flight, 0);

    let gateway = Gateway::new(bus.clone()).with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.unwrap();
    let mut http = HttpClient::connect(gateway.address()).await;
    let json = [("content-type", "application/json")];
    let response = http
        .send("POST", "/faults/work", &json, r#"{"ms":0}"#)
        .await;
    assert_eq!(response.status, 503);
    let problem: serde_json::Value = response.json();
    assert_eq!(problem["code"], "not_permitted");
    assert_eq!(response.header("retry-after"), None);
    assert!(bus.is_connected());
    gateway.stop().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_back_with_a_smaller_limit_is_sent_nothing_larger() {
    let mut server = NatsServer::start_with("max_payload: 200000").await;
    let bus = connect(&server.url(), "gateway").await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let gateway = Gateway::new(bus.clone()).with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.unwrap();
    let mut http = HttpClient::connect(gateway.address()).await;
    let json = [("content-type", "application/json")];
    let body = format!(r#"{{"ms":0{}}}"#, " ".repeat(150_000));
    let response = http.send("POST", "/faults/work", &json, body.clone()).await;
    assert_eq!(response.status, 200, "{}", response.text());

    server.reload("max_payload: 100000").await;
    server.restart_on_same_port().await;
    eventually(PATIENCE, async || bus.payload_max() == 100_000).await;
    eventually(PATIENCE, async || {
        http.send("POST", "/faults/work", &json, r#"{"ms":0}"#)
            .await
            .status
            == 200
    })
    .await;
    let mut http = HttpClient::connect(gateway.address()).await;
    let response = http.send("POST", "/faults/work", &json, body.clone()).await;
    assert_eq!(response.status, 413, "{}", response.text());
    let mut http = HttpClient::connect(gateway.address()).await;
    let response = http
        .send("POST", "/faults/work", &json, r#"{"ms":0}"#)
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(bus.counters().reconnects, 1);
    gateway.stop().await;
    worker.stop().await;
}
