//! A worker as a process of its own: what its log says of changes, and that it works where it may not follow any.

use metropolis_tests::network::{self, examples};
use metropolis_tests::{Process, within};

use super::*;

const EXAMPLES: &str = "service.metropolis-examples";

async fn hello_worker(url: String) -> Process {
    let launch = Process::example("hello-worker")
        .env("METROPOLIS_NATS_URL", url)
        .env("METROPOLIS_LOG_FORMAT", "text");
    let process = launch.start().await;
    process
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    process
}

async fn says(process: &Process, words: &[&str]) -> String {
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    process.wait_for_line(has_all).await
}

#[tokio::test]
async fn the_log_says_what_changed_from_what_to_what_and_why_something_did_not() {
    let scene = Scene::with_users([("worker", examples::hello_worker().to_string())]).await;
    let worker = hello_worker(scene.network.url("worker")).await;
    says(
        &worker,
        &[
            "configuration is read from the bucket",
            "bucket=\"metropolis\"",
        ],
    )
    .await;
    let put = async |document: &str| scene.bucket.put(EXAMPLES, document).await;

    put(r#"{"tasks": {"reverse": {"concurrency": 10, "timeout": "1500ms", "paused": true}}}"#)
        .await;
    says(
        &worker,
        &[
            "the concurrency of a task has changed",
            "task=\"reverse\"",
            "revision=\"1\"",
            "old=256 new=10",
        ],
    )
    .await;
    says(
        &worker,
        &[
            "the timeout of a task has changed",
            "old=\"30s\" new=\"1500ms\"",
        ],
    )
    .await;
    says(
        &worker,
        &["a task is paused", "task=\"reverse\"", "old=false new=true"],
    )
    .await;

    let bad = put(r#"{"tasks": {"reverse": {"concurency": 5}}, "log": 3}"#).await;
    let line = says(
        &worker,
        &["configuration is refused, and what was in force stays"],
    )
    .await;
    for words in [
        " WARN ",
        "`log` of the document is 3, not a text such as \"debug\"; \
         `concurency` is no member of the task `reverse`; did you mean `concurrency`?",
        &format!("revision=\"{bad}\""),
        "key=\"service.metropolis-examples\"",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }

    put(r#"{"log": "warn"}"#).await;
    says(
        &worker,
        &["the filter of the log changes", "old=\"info\" new=\"warn\""],
    )
    .await;
    put(r#"{"log": "warn", "tasks": {"reverse": {"concurrency": 11}}}"#).await;
    put(r#"{"log": "info", "tasks": {"reverse": {"concurrency": 12}}}"#).await;
    says(
        &worker,
        &["the filter of the log changes", "old=\"warn\" new=\"info\""],
    )
    .await;
    says(
        &worker,
        &["the concurrency of a task has changed", "new=12"],
    )
    .await;
    // It was not said while nobody wanted to hear it.
    let output = worker.output();
    assert!(!output.contains("a task is resumed"), "{output}");
}

/// Without one of its lines, whichever it is, the worker serves, warns once, and stays as it is annotated.
#[tokio::test]
async fn where_permissions_are_missing_it_works_all_the_same_and_warns_once() {
    for (missing, warning) in [
        (
            "$KV.",
            "do not let this process hear of changes in the bucket",
        ),
        ("$JS.", "do not let this process read the bucket"),
    ] {
        let mut permissions = examples::hello_worker();
        permissions
            .subscribe
            .retain(|line| !line.starts_with(missing));
        permissions
            .publish
            .retain(|line| !line.starts_with(missing));
        let caller = (
            "client-examples",
            "permissions: { publish: [\"foo.>\"], subscribe: [\"_INBOX_client.>\"] }".to_owned(),
        );
        let scene = Scene::with_users([("worker", permissions.to_string()), caller]).await;
        let worker = hello_worker(scene.network.url("worker")).await;
        says(&worker, &[" WARN ", warning]).await;
        for _ in 0..3 {
            scene.bucket.put(EXAMPLES, r#"{"log": "debug"}"#).await;
        }
        let client = Client::new(scene.network.connect("client-examples").await);
        let abc = Text {
            data: "abc".to_owned(),
        };
        let answered = within(SOON, client.call::<reverse>(&abc).into_future());
        assert_eq!(answered.await.unwrap(), "cba");
        let output = worker.output();
        assert_eq!(output.matches(warning).count(), 1, "{output}");
    }
}

#[tokio::test]
async fn without_jetstream_one_line_says_so_and_with_no_name_not_even_that() {
    let network = Network::start([("worker", examples::hello_worker())]).await;
    let worker = hello_worker(network.url("worker")).await;
    let line = "there is no bucket to read configuration from";
    let output = worker.output();
    assert_eq!(output.matches(line).count(), 1, "{output}");
    assert!(!output.contains(" WARN "), "{output}");
    let launch = Process::example("hello-worker")
        .env(
            "METROPOLIS_NATS_URL",
            network::url(&network.server, "worker"),
        )
        .env("METROPOLIS_LOG_FORMAT", "text")
        .env("METROPOLIS_BUCKET", "");
    let worker = launch.start().await;
    says(&worker, &["the worker serves"]).await;
    assert!(!worker.output().contains("bucket"), "{}", worker.output());
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    data: String,
}

/// The task of the example.
#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> Result<String, metropolis::Fault>;
