//! What the console's page is told, and what asking costs everybody else.

use std::time::Instant;

use metropolis::NatsOptions;
use metropolis_tests::{HttpClient, NatsServer, eventually};
use serde_json::Value;

use super::*;

async fn data(address: SocketAddr, query: &str) -> Value {
    let mut client = HttpClient::connect(address).await;
    let answer = client
        .send("GET", &format!("/_console/data{query}"), &[], "")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("cross-origin-resource-policy"),
        Some("same-origin")
    );
    answer.json()
}

fn task<'d>(data: &'d Value, subject: &str) -> &'d Value {
    let tasks = data["tasks"].as_array().unwrap();
    let found = tasks.iter().find(|task| task["subject"] == subject);
    found.unwrap_or_else(|| panic!("no {subject} in {data:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_asked_once_a_second_however_many_look_and_never_when_nobody_does() {
    let (gateway, fleet) = fleet_behind_a_gateway().await;
    assert_eq!(fleet.times_asked(), 0, "nobody has looked yet");
    let begun = Instant::now();
    let mut consoles = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let address = gateway.address();
        consoles.spawn(async move {
            while begun.elapsed() < Duration::from_millis(2500) {
                data(address, "").await;
            }
        });
    }
    while let Some(console) = consoles.join_next().await {
        console.unwrap();
    }
    let (asked, seconds) = (fleet.times_asked(), begun.elapsed().as_secs());
    assert!(
        (2..=seconds + 1).contains(&asked),
        "{asked} times in {seconds} s"
    );

    // Whoever asks and does not wait for the answer has asked all the same.
    for _ in 0..20 {
        let mut client = HttpClient::connect(gateway.address()).await;
        let asking = client.send("GET", "/_console/data", &[], "");
        let _ = tokio::time::timeout(Duration::from_millis(20), asking).await;
    }
    let seconds = begun.elapsed().as_secs();
    assert!(
        fleet.times_asked() <= seconds + 2,
        "{} times in {seconds} s",
        fleet.times_asked()
    );
    gateway.stop().await;
}

/// A task that was called shows up with its count, its rate, and who serves it.
async fn shows_what_was_called(bus: Bus) {
    let gateway = stage(&bus).start().await.unwrap();
    let address = gateway.address();
    data(address, "").await;
    let mut client = HttpClient::connect(address).await;
    for id in 1..=4 {
        client.send("GET", &format!("/books/{id}"), &[], "").await;
    }
    let mut shown = Value::Null;
    eventually(SOON, async || {
        shown = data(address, "?subject=books.%7Bid%7D.get").await;
        task(&shown, "books.{id}.get")["numbers"]["requests"] == 4
    })
    .await;
    let numbers = &task(&shown, "books.{id}.get")["numbers"];
    assert!(numbers["rate"].as_f64().unwrap() > 0.0, "{numbers}");
    assert_eq!(numbers["faults"], 1);
    assert_eq!(numbers["concurrency"], 256);
    assert_eq!(shown["totals"]["instances"], 1);
    assert_eq!(shown["services"][0]["service"], "metropolis-tests");
    assert_eq!(shown["services"][0]["state"], "served");
    assert_eq!(shown["instances"][0]["numbers"]["requests"], 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_the_same_process_is_shown_on_both_buses() {
    shows_what_was_called(Bus::embedded()).await;
    let server = NatsServer::start().await;
    let bus = Bus::connect(NatsOptions::new(server.url(), "gateway")).await;
    shows_what_was_called(bus.unwrap()).await;
}

#[tokio::test]
async fn a_question_for_too_much_is_refused() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let mut client = HttpClient::connect(gateway.address()).await;
    for query in [format!("find={}", "x".repeat(300)), "find=%zz".to_owned()] {
        let path = format!("/_console/data?{query}");
        assert_eq!(
            client.send("GET", &path, &[], "").await.status,
            400,
            "{query}"
        );
    }
    gateway.stop().await;
}
