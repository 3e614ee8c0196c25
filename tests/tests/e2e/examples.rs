//! The examples as real processes: what they answer, and what they declare.

use metropolis_tests::{HttpClient, NatsServer, Process, python};
use serde_json::{Value, json};

use crate::serving;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn users_are_added_found_listed_renamed_and_removed() {
    let server = NatsServer::start().await;
    for server in [None, Some(&server)] {
        let (_users, address) = serving("users", server).await;
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
    let server = NatsServer::start().await;
    let (_caller, address) = serving("caller", Some(&server)).await;
    let mut client = HttpClient::connect(address).await;
    let alone = client.send("GET", "/palindrome?data=anna", &[], "").await;
    assert_eq!(
        (alone.status, &alone.json::<Value>()["code"]),
        (503, &json!("unavailable"))
    );

    let worker = Process::example("hello-worker")
        .env("METROPOLIS_NATS_URL", server.url())
        .start()
        .await;
    worker
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    for (text, answer) in [("anna", "true"), ("asdf", "false")] {
        let path = format!("/palindrome?data={text}");
        assert_eq!(client.send("GET", &path, &[], "").await.text(), answer);
    }
}

#[tokio::test]
async fn the_routes_example_prints_a_table_and_a_document_without_a_bus() {
    let mut routes = Process::example("routes").start().await;
    assert!(
        routes
            .wait_exit(std::time::Duration::from_secs(10))
            .await
            .success()
    );
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
        let (_process, address) = serving(example, None).await;
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
    let (_users, address) = serving("users", None).await;
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
