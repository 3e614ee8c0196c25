//! What only a server can show: losing it, coming back, being refused, and hearing nonsense from peers.

use std::time::{Duration, Instant};

use metropolis::bus::{Bus, ConnectError, NatsOptions, PublishError, RequestError, SubscribeError};
use metropolis_tests::{NatsServer, eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::parties::{Echo, PATIENCE, ROOM, connect, message, next, publish, queue, soon};

#[tokio::test]
async fn waiting_requests_fail_soon_when_the_server_dies_and_work_goes_on_when_it_is_back() {
    let mut server = NatsServer::start().await;
    let (one, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let mut silent = other.subscribe("silent", None, ROOM).await.unwrap();
    let _echo = Echo::start(
        &other,
        other
            .subscribe("echo", Some(&queue("q")), ROOM)
            .await
            .unwrap(),
    );
    let waiting = tokio::spawn({
        let one = one.clone();
        async move { one.request(message("silent", "x"), soon()).await }
    });
    next(&mut silent).await;

    let killed = Instant::now();
    server.kill().await;
    let result = within(PATIENCE, waiting).await.unwrap();
    assert_eq!(result.unwrap_err(), RequestError::ConnectionLost);
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "{:?}",
        killed.elapsed()
    );

    assert!(!one.is_connected());
    let asked = Instant::now();
    assert_eq!(
        one.request(message("echo", "x"), soon()).await.unwrap_err(),
        RequestError::NotConnected
    );
    assert_eq!(
        one.publish(message("echo", "x"), soon()).await,
        Err(PublishError::NotConnected)
    );
    assert!(asked.elapsed() < Duration::from_millis(100));
    assert_eq!(one.counters().in_flight, 0);

    server.restart_on_same_port().await;
    eventually(PATIENCE, async || {
        one.fence(soon()).await.is_ok() && other.fence(soon()).await.is_ok()
    })
    .await;
    assert_eq!(
        one.request(message("echo", "back"), soon())
            .await
            .unwrap()
            .payload,
        "back"
    );
    publish(&one, message("silent", "again")).await;
    assert_eq!(next(&mut silent).await.payload, "again");
}

#[tokio::test]
async fn a_server_that_comes_later_is_waited_for() {
    let mut server = NatsServer::start().await;
    server.kill().await;
    let connecting = tokio::spawn(Bus::connect(NatsOptions::new(server.url(), "worker")));
    server.restart_on_same_port().await;
    let bus = within(PATIENCE, connecting).await.unwrap().unwrap();
    bus.fence(soon()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_come_is_given_up_in_time() {
    let mut server = NatsServer::start().await;
    server.kill().await;
    let mut options = NatsOptions::new(server.url(), "worker");
    options.connect_timeout = Some(Duration::from_millis(300));
    let error = within(PATIENCE, Bus::connect(options)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_restart_with_a_smaller_limit_is_noticed() {
    let mut server = NatsServer::start_with("max_payload: 200000").await;
    let bus = connect(&server.url()).await;
    assert_eq!(bus.payload_max(), 200_000);
    server.reload("max_payload: 100000").await;
    server.restart_on_same_port().await;
    eventually(PATIENCE, async || bus.payload_max() == 100_000).await;
    eventually(PATIENCE, async || bus.fence(soon()).await.is_ok()).await;
    let refused = bus.publish(message("big", vec![0; 100_001]), soon()).await;
    assert_eq!(
        refused,
        Err(PublishError::TooLarge {
            size: 100_001,
            max: 100_000
        })
    );
}

#[tokio::test]
async fn credentials_in_the_url_are_used_and_never_shown() {
    for (config, userinfo) in [
        (
            "authorization { user: me, password: \"se cret\" }",
            "me:se%20cret",
        ),
        ("authorization { token: \"sesame\" }", "sesame"),
    ] {
        let server = NatsServer::start_with(config).await;
        let url = |userinfo: &str| format!("nats://{userinfo}@{}", server.address());
        connect(&url(userinfo)).await.fence(soon()).await.unwrap();
        for wrong in ["me:hidden", "hidden"] {
            let refused = Bus::connect(NatsOptions::new(url(wrong), "worker"));
            let error = within(PATIENCE, refused).await.unwrap_err();
            assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hidden"));
        }
        let nobody = Bus::connect(NatsOptions::new(server.url(), "worker"));
        assert!(matches!(
            within(PATIENCE, nobody).await,
            Err(ConnectError::Refused { .. })
        ));
    }
}

#[tokio::test]
async fn a_role_can_be_permitted_its_own_inbox_and_no_other() {
    let config = r#"authorization { users: [{ user: me, password: pass,
        permissions: { publish: ["echo", "_INBOX_worker.>"], subscribe: ["echo", "_INBOX_worker.>"] } }] }"#;
    let server = NatsServer::start_with(config).await;
    let url = format!("nats://me:pass@{}", server.address());
    let bus = Bus::connect(NatsOptions::new(&url, "worker"))
        .await
        .unwrap();
    let _echo = Echo::start(&bus, bus.subscribe("echo", None, ROOM).await.unwrap());
    bus.request(message("echo", "x"), soon()).await.unwrap();
    for denied in ["other", ">"] {
        let refused = bus.subscribe(denied, Some(&queue("q")), ROOM).await;
        assert_eq!(refused.unwrap_err(), SubscribeError::Denied);
    }
    let error = within(PATIENCE, Bus::connect(NatsOptions::new(&url, "other")))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConnectError::NoInbox { inbox, .. } if inbox == "_INBOX_other."),
        "{error}"
    );
}

/// Peers may write what our grammar does not allow; the message arrives without it.
#[tokio::test]
async fn what_breaks_our_grammar_is_dropped_and_counted() {
    let server = NatsServer::start().await;
    let bus = connect(&server.url()).await;
    let mut received = bus.subscribe("raw.>", None, ROOM).await.unwrap();
    let block = "NATS/1.0\r\nGood: yes\r\nBad: a\tb\r\nBa!d: x\r\n\r\n";
    let headers = format!("HPUB raw.one {0} {0}\r\n{block}\r\n", block.len());
    let subject = format!("PUB raw.{} 0\r\n\r\n", "x".repeat(1100));
    raw(&server, &format!("{headers}{subject}PUB raw.two 0\r\n\r\n")).await;
    let one = next(&mut received).await;
    assert_eq!(one.headers.iter().collect::<Vec<_>>(), [("Good", "yes")]);
    assert_eq!(next(&mut received).await.subject.as_str(), "raw.two");
    assert_eq!(bus.counters().malformed, 3);
}

/// Other clients die of this one (async-nats 0.51).
#[tokio::test]
async fn a_header_with_a_lone_line_break_costs_that_header_alone() {
    let server = NatsServer::start().await;
    let bus = connect(&server.url()).await;
    let mut received = bus.subscribe("raw", None, ROOM).await.unwrap();
    let block = "NATS/1.0\r\nBad: a\rb\r\n\r\n";
    let killing = format!("HPUB raw {0} {0}\r\n{block}\r\n", block.len());
    raw(&server, &killing).await;
    assert!(next(&mut received).await.headers.is_empty());
    publish(&bus, message("raw", "well")).await;
    assert_eq!(next(&mut received).await.payload, "well");
    let counters = bus.counters();
    assert_eq!((counters.malformed, counters.reconnects), (1, 0));
}

/// Speaks the protocol by hand and waits until the server has processed it.
async fn raw(server: &NatsServer, commands: &str) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let all = format!("CONNECT {{\"verbose\":false,\"headers\":true}}\r\n{commands}PING\r\n");
    stream.write_all(all.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"PONG\r\n") {
        let read = within(PATIENCE, stream.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "the server hung up: {}", heard.escape_ascii());
    }
}
