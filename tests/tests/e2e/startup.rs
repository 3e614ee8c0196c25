//! What keeps a worker from starting: all problems at once, each with its tasks and their places.

use std::sync::Arc;

use metropolis::{Bus, TaskMeta, TaskSpec, Worker, catalog::Catalog, connect};
use schemars::JsonSchema;
use serde::Deserialize;

struct Pool;
struct Mailer;
trait Repo: Send + Sync {}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Key {
    id: u64,
}

#[metropolis::task(subject = "startup.charge")]
async fn charge(_pool: &Pool, _mailer: &Mailer) {}

#[metropolis::task(subject = "startup.refund", queue = "other")]
async fn refund(_pool: &Pool, _repo: &Arc<dyn Repo>) {}

#[metropolis::task(subject = "startup.{id}", http = "none")]
async fn anything(_key: Key) {}

#[metropolis::task(subject = "startup.lost.{key}", http = "GET /startup/{nothing}/lost")]
async fn lost(_key: Key) {}

#[metropolis::task(subject = "startup.route.one", http = "GET /startup/{a}")]
async fn route_one(_a: A) {}

#[metropolis::task(subject = "startup.route.two", http = "GET /startup/{b}")]
async fn route_two(_b: B) {}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct A {
    a: String,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct B {
    b: String,
}

async fn refused(worker: Worker) -> String {
    worker.start().await.unwrap_err().to_string()
}

/// The line of a task's name, as the messages give it.
fn line<T: metropolis::Task>() -> u32 {
    T::META.origin.line
}

#[tokio::test]
async fn a_missing_type_names_every_task_that_needs_it() {
    let text = refused(
        Worker::new(Bus::embedded())
            .serve::<charge>()
            .serve::<refund>(),
    )
    .await;
    let expected = format!(
        "cannot start the worker: 3 problems
nothing provides `e2e::startup::Pool`
  charge  tests/tests/e2e/startup.rs:{}  startup.charge
  refund  tests/tests/e2e/startup.rs:{}  startup.refund
  give the worker one: `.provide(value)`
nothing provides `e2e::startup::Mailer`
  charge  tests/tests/e2e/startup.rs:{}  startup.charge
  give the worker one: `.provide(value)`
nothing provides `alloc::sync::Arc<dyn e2e::startup::Repo>`
  refund  tests/tests/e2e/startup.rs:{}  startup.refund
  give the worker one: `.provide(value)`",
        line::<charge>(),
        line::<refund>(),
        line::<charge>(),
        line::<refund>(),
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_type_that_is_provided_twice_is_a_mistake() {
    let worker = Worker::new(Bus::embedded())
        .serve::<charge>()
        .provide(Pool)
        .provide(Mailer)
        .provide(Pool);
    assert_eq!(
        refused(worker).await,
        "cannot start the worker: two values of the type `e2e::startup::Pool` are provided
  provide one; give the other a type of its own"
    );
}

#[tokio::test]
async fn two_tasks_that_one_message_can_reach_are_a_mistake_whatever_their_queues() {
    let text = refused(
        Worker::new(Bus::embedded())
            .serve::<charge>()
            .serve::<anything>(),
    )
    .await;
    let expected = format!(
        "cannot start the worker: 2 tasks answer `startup.charge`
  charge    tests/tests/e2e/startup.rs:{}  startup.charge
  anything  tests/tests/e2e/startup.rs:{}  startup.{{id}}",
        line::<charge>(),
        line::<anything>(),
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn routes_that_cannot_be_told_apart_are_a_mistake() {
    let text = refused(
        Worker::new(Bus::embedded())
            .serve::<route_one>()
            .serve::<route_two>(),
    )
    .await;
    assert!(
        text.starts_with(
            "cannot start the worker: 2 tasks have the route `GET /startup/{a}`\n  route_one"
        ),
        "{text}"
    );
    assert!(
        text.contains("route_two") && text.contains("http = \"none\""),
        "{text}"
    );
}

#[tokio::test]
async fn a_parameter_that_is_no_property_is_a_mistake() {
    let text = refused(Worker::new(Bus::embedded()).serve::<lost>()).await;
    assert!(
        text.contains("the task `lost` is wrong: `{key}` is no property of its input"),
        "{text}"
    );
    assert!(
        text.contains("the task `lost` is wrong: `{nothing}` is no property of its input"),
        "{text}"
    );
    assert!(
        text.contains(&format!("tests/tests/e2e/startup.rs:{}", line::<lost>())),
        "{text}"
    );
}

#[test]
fn a_spec_made_by_hand_is_checked_in_every_field() {
    let mut spec = TaskSpec::of::<charge>();
    spec.meta = TaskMeta {
        subject: "$SYS.x",
        queue: "a b",
        http: Some("get /x"),
        status: Some(300),
        concurrency: 0,
        timeout: std::time::Duration::ZERO,
        ..spec.meta
    };
    let text = Catalog::of([spec]).unwrap_err().to_string();
    for what in [
        "token `$SYS`",
        "queue \"a b\"",
        "must start with GET",
        "status 300",
        "concurrency",
        "timeout",
    ] {
        assert!(text.contains(what), "{what} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn a_worker_alone_on_the_embedded_bus_says_what_to_do() {
    let error = Worker::new(Bus::embedded())
        .serve::<anything>()
        .run()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("metropolis_gateway::run()") && error.contains("METROPOLIS_NATS_URL"),
        "{error}"
    );
}

#[tokio::test]
async fn a_malformed_url_is_an_error_and_no_reason_to_go_on_without_nats() {
    let settings = metropolis::Settings {
        nats_url: Some("nats://user:secret@:::".to_owned()),
        ..metropolis::Settings::default()
    };
    let error = connect(&settings, "worker").await.unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}
