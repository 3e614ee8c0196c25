//! What a gateway takes from its key, and what its clients see of a task that is paused.

use metropolis_gateway::{Gateway, InProcess};
use serde_json::Value;

use super::*;

const GATEWAY: &str = "gateway";

async fn configuration(app: &InProcess) -> Value {
    let listed = app.get("/_routes").await;
    let listed: Value = serde_json::from_slice(listed.body()).unwrap();
    listed["configuration"].clone()
}

async fn shows(app: &InProcess, wanted: impl Fn(&Value) -> bool) {
    eventually(SOON, async || wanted(&configuration(app).await)).await;
}

fn worker(bus: Bus) -> Worker {
    Worker::new(bus).serve::<wait>().with_service(SERVICE)
}

#[tokio::test]
async fn the_largest_body_follows_the_key_and_a_bad_document_is_refused_and_shown() {
    let permissions = Gateway::new(Bus::embedded()).permissions(&[]).unwrap();
    let workers = worker(Bus::embedded()).permissions().unwrap();
    let users = [
        ("gateway", permissions.to_string()),
        ("worker", workers.to_string()),
    ];
    let scene = Scene::with_users(users).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let gateway = Gateway::new(scene.network.connect("gateway").await);
    let app = gateway.in_process().await.unwrap();
    let status = async || {
        app.post("/live/wait", Pause { ms: 10 })
            .await
            .status()
            .as_u16()
    };
    assert_eq!(status().await, 200);
    assert_eq!(configuration(&app).await["body_max"], 1024 * 1024);

    let small = scene.bucket.put(GATEWAY, r#"{"body_max": 5}"#).await;
    shows(&app, |shown| shown["applied"] == small).await;
    assert_eq!(status().await, 413);

    let bad = scene
        .bucket
        .put(GATEWAY, r#"{"body_max": 0, "log": "loud"}"#)
        .await;
    shows(&app, |shown| !shown["refused"].is_null()).await;
    let shown = configuration(&app).await;
    let refused = shown["refused"].as_str().unwrap();
    assert!(
        refused.starts_with(&format!("{bad}: `log` of the document: `loud` is no level")),
        "{refused}"
    );
    assert!(
        refused.ends_with(
            "`body_max` of the document is 0, not a number from 1 to 1048576 (what the bus takes)"
        ),
        "{refused}"
    );
    assert_eq!(
        (&shown["applied"], &shown["body_max"]),
        (&small.into(), &5.into())
    );
    assert_eq!(status().await, 413);

    scene.bucket.delete(GATEWAY).await;
    shows(&app, |shown| {
        shown["applied"].is_null() && shown["refused"].is_null()
    })
    .await;
    assert_eq!(status().await, 200);
    running.stop().await;
    app.stop().await;
}

#[tokio::test]
async fn a_task_that_is_paused_everywhere_is_a_503_and_the_worker_is_ready_all_the_while() {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus.clone()).with_worker(worker(bus));
    let app = gateway.in_process().await.unwrap();
    let pause = r#"{"tasks": {"wait": {"paused": true}}}"#;
    app.workers()[0].apply(pause).await.unwrap();
    let answer = app.post("/live/wait", Pause { ms: 0 }).await;
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(app.get("/readyz").await.status().as_u16(), 200);
    app.workers()[0].apply("{}").await.unwrap();
    let answer = app.post("/live/wait", Pause { ms: 0 }).await;
    assert_eq!(answer.status().as_u16(), 200);
    app.stop().await;
}
