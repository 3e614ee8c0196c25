//! The examples as real processes: what they answer, and what they declare.

use std::collections::BTreeSet;
use std::time::Duration;

use metropolis::bus::{Bus, NatsOptions};
use metropolis::service::{INFO, Info, gather};
use metropolis::subject::Subject;
use metropolis_tests::{
    HttpClient, NatsServer, Network, Process, WITNESS, eventually, network, python,
};
use serde_json::{Value, json};

use crate::{hello_worker, listening};

const SOON: Duration = Duration::from_secs(10);
/// How long answers are collected whose number nobody knows.
const PATIENCE: Duration = Duration::from_millis(100);

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn users_are_added_found_listed_renamed_and_removed() {
    let network = Network::start([("gateway", network::examples::users())]).await;
    for url in [None, Some(network.url("gateway"))] {
        let (_users, address) = listening("users", url).await;
        let mut client = HttpClient::connect(address).await;

        let added = client
            .send(
                "POST",
                "/users",
                &[JSON],
                r#"{"name":"Ada","email":"ada@example.org"}"#,
            )
            .await;
        let user: Value = added.json();
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        assert_eq!(
            (added.status, added.header("location")),
            (201, Some(path.as_str()))
        );

        let found = client.send("GET", &path, &[], "").await;
        assert_eq!((found.status, found.json::<Value>()), (200, user.clone()));

        let name = format!("{path}/name");
        let renamed = client
            .send("PUT", &name, &[JSON], r#"{"name":"Ada Lovelace"}"#)
            .await;
        assert_eq!(
            (renamed.status, &renamed.json::<Value>()["name"]),
            (200, &json!("Ada Lovelace"))
        );

        let listed = client
            .send("GET", "/users?prefix=Ada%20L&limit=5", &[], "")
            .await;
        assert_eq!(listed.json::<Vec<Value>>().len(), 1);
        let listed = client.send("GET", "/users?prefix=Bob", &[], "").await;
        assert_eq!(listed.json::<Vec<Value>>().len(), 0);
        let refused = client.send("GET", "/users?limit=1000", &[], "").await;
        assert_eq!(
            (refused.status, &refused.json::<Value>()["data"]["pointer"]),
            (400, &json!("/limit"))
        );

        let removed = client.send("DELETE", &path, &[], "").await;
        assert_eq!((removed.status, removed.body.len()), (204, 0));
        let gone = client.send("GET", &path, &[], "").await;
        assert_eq!(
            (gone.status, gone.header("content-type")),
            (404, Some("application/problem+json"))
        );
        let problem: Value = gone.json();
        assert_eq!(
            (&problem["code"], &problem["data"]["id"]),
            (&json!("user_not_found"), &user["id"])
        );
    }
}

#[tokio::test]
async fn a_task_calls_a_task_of_another_process() {
    let users = [
        ("gateway", network::examples::caller()),
        ("worker", network::examples::hello_worker()),
    ];
    let network = Network::start(users).await;
    let (_caller, address) = listening("caller", Some(network.url("gateway"))).await;
    let mut client = HttpClient::connect(address).await;
    let alone = client.send("GET", "/palindrome?data=anna", &[], "").await;
    assert_eq!(
        (alone.status, &alone.json::<Value>()["code"]),
        (503, &json!("unavailable"))
    );

    let _worker = hello_worker(network.url("worker")).await;
    for (text, answer) in [("anna", "true"), ("asdf", "false")] {
        let path = format!("/palindrome?data={text}");
        assert_eq!(client.send("GET", &path, &[], "").await.text(), answer);
    }
}

/// Their permissions are written down in the harness, and would let them do more than they need unnoticed.
#[tokio::test]
async fn the_examples_are_permitted_what_they_serve_and_nothing_else() {
    let server = NatsServer::start().await;
    let options = NatsOptions::new(server.url(), WITNESS);
    let witness = Bus::connect(options).await.unwrap();
    for (name, permissions) in [
        ("hello-worker", network::examples::hello_worker()),
        ("polyglot", network::examples::polyglot()),
        ("hello", network::examples::hello()),
        ("caller", network::examples::caller()),
        ("users", network::examples::users()),
    ] {
        let mut process = Process::example(name)
            .env("METROPOLIS_NATS_URL", server.url())
            .env("METROPOLIS_LISTEN", "127.0.0.1:0")
            .start()
            .await;
        let mut announced = Vec::new();
        eventually(SOON, async || {
            let question = Subject::parse(INFO).unwrap();
            announced = gather(&witness, question, PATIENCE).await.unwrap();
            !announced.is_empty()
        })
        .await;
        let info = Info::read(&announced[0].payload).unwrap();
        let served = info.endpoints.iter();
        let served: BTreeSet<String> = served
            .map(|endpoint| format!("{} {}", endpoint.subject, endpoint.queue_group))
            .collect();
        let is_task =
            |line: &&String| !line.starts_with(['$', '_']) && !line.starts_with("metropolis.");
        let permitted = permissions.subscribe.iter().filter(is_task).cloned();
        assert_eq!(served, permitted.collect(), "{name}");
        process.kill().await;
    }
}

#[tokio::test]
async fn the_routes_example_prints_a_table_and_a_document_without_a_bus() {
    let mut routes = Process::example("routes").start().await;
    assert!(routes.wait_exit(SOON).await.success());
    let output = routes.output();
    for row in [
        "POST  /orders       orders",
        "GET   /orders/{id}  orders.{id}.get",
        "-     -",
    ] {
        assert!(output.contains(row), "{row} is missing in:\n{output}");
    }
    let document: Value =
        serde_json::from_str(&output[output.find('{').and_then(|_| output.find("\n{")).unwrap()..])
            .unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/orders/{id}"]["get"].is_object());
}

#[tokio::test]
async fn the_documents_of_the_examples_are_valid_openapi() {
    for example in ["hello", "users"] {
        let (_process, address) = listening(example, None).await;
        let document = HttpClient::connect(address)
            .await
            .send("GET", "/openapi.json", &[], "")
            .await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("openapi.json");
        std::fs::write(&file, &document.body).unwrap();
        let validator = python::tool("openapi-spec-validator").await;
        let checked = tokio::process::Command::new(validator)
            .arg(&file)
            .output()
            .await
            .unwrap();
        assert!(
            checked.status.success(),
            "{example}: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
}

/// A foreign tool reads the document, makes requests of it that fit and that do not, and compares the answers.
#[tokio::test]
async fn schemathesis_finds_nothing_on_the_users_example() {
    let (_users, address) = listening("users", None).await;
    let schemathesis = python::tool("schemathesis").await;
    let folder = tempfile::tempdir().unwrap();
    let ran = tokio::process::Command::new(schemathesis)
        .args([
            "run",
            &format!("http://{address}/openapi.json"),
            "--max-examples=50",
            "--seed=1",
            "--no-color",
        ])
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
