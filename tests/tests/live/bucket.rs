//! What becomes of a worker when its bucket is written badly, goes, comes back, or was never there.

use metropolis::RunningWorker;

use super::*;

const PAUSE: &str = r#"{"tasks": {"wait": {"paused": true}}}"#;

fn worker(bus: Bus) -> Worker {
    Worker::new(bus).serve::<wait>().with_service(SERVICE)
}

/// `{"concurrency": <count>}` of the one task.
fn places(count: u64) -> String {
    format!(r#"{{"tasks": {{"wait": {{"concurrency": {count}}}}}}}"#)
}

/// Waits until the task has so many places.
async fn has_places(operator: &Bus, worker: &RunningWorker, count: u64) {
    eventually(SOON, async || {
        limits(operator, worker.instance(), "wait").await.0 == count
    })
    .await;
}

#[tokio::test]
async fn a_bad_document_is_refused_as_a_whole_and_shown_until_a_good_one_comes() {
    let scene = Scene::start(worker).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let (operator, instance) = (&scene.operator, running.instance());
    let good = scene.bucket.put(KEY, &places(7)).await;
    is_applied(operator, instance, KEY, good).await;
    let bad = r#"{"tasks": {"wait": {"concurrency": 8, "timeout": "6s"}}}"#;
    let bad = scene.bucket.put(KEY, bad).await;
    let refused = async || told(operator, instance, "refused", KEY).await;
    eventually(SOON, async || refused().await.is_some()).await;
    assert_eq!(
        refused().await.unwrap(),
        format!(
            r#"{bad}: `timeout` of the task `wait` is "6s", not a time from "1ms" to "5s" (its annotation says "5s")"#
        )
    );
    assert_eq!(limits(operator, instance, "wait").await, (7, 5000, false));
    assert_eq!(
        told(operator, instance, "applied", KEY).await,
        Some(good.to_string())
    );
    let strange = r#"{"tasks": {"wiat": {"paused": true}}}"#;
    let strange = scene.bucket.put(KEY, strange).await;
    is_applied(operator, instance, KEY, strange).await;
    assert_eq!(refused().await, None);
    assert_eq!(
        told(operator, instance, "ignored", KEY).await.as_deref(),
        Some("`wiat` (did you mean `wait`?)")
    );
    assert_eq!(limits(operator, instance, "wait").await, (64, 5000, false));
    running.stop().await;
}

/// Whoever listens plainly hears of it all the same.
#[tokio::test]
async fn a_put_that_the_stream_refuses_changes_nothing() {
    let scene = Scene::start(worker).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let operator = &scene.operator;
    let first = scene.bucket.put(KEY, &places(7)).await;
    has_places(operator, &running, 7).await;
    let mut heard = operator.subscribe("$KV.>", None, 64).await.unwrap();
    let refused = scene.bucket.update(KEY, &places(9), first + 5).await;
    assert!(refused.unwrap_err().contains("wrong last sequence"));
    assert_eq!(heard.next().await.unwrap().payload, places(9));
    // The worker has looked in vain by the time a setting of somebody else's key would have been seen.
    let questions = "$JS.API.STREAM.MSG.GET.KV_metropolis";
    let mut looks = operator.subscribe(questions, None, 64).await.unwrap();
    looks.next().await.unwrap();
    assert_eq!(limits(operator, running.instance(), "wait").await.0, 7);
    let second = scene.bucket.update(KEY, &places(9), first).await.unwrap();
    is_applied(operator, running.instance(), KEY, second).await;
    has_places(operator, &running, 9).await;
    running.stop().await;
}

#[tokio::test]
async fn a_bucket_that_is_destroyed_changes_nothing_and_one_that_is_made_anew_is_followed() {
    let scene = Scene::start(worker).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let operator = &scene.operator;
    for count in [5, 6, 7] {
        scene.bucket.put(KEY, &places(count)).await;
        has_places(operator, &running, count).await;
    }
    scene.bucket.destroy().await;
    // A hint, so that the worker looks for what is not there any more.
    let mut looks = operator
        .subscribe("$JS.API.STREAM.MSG.GET.*", None, 64)
        .await
        .unwrap();
    hint(operator).await;
    looks.next().await.unwrap();
    assert_eq!(limits(operator, running.instance(), "wait").await.0, 7);
    scene.bucket.recreate().await;
    // Its first revision, which is lower than the last one of before.
    assert_eq!(scene.bucket.put(KEY, &places(3)).await, 1);
    has_places(operator, &running, 3).await;
    scene.bucket.delete(KEY).await;
    has_places(operator, &running, 64).await;
    running.stop().await;
}

/// Somebody else's message on the subject of the key.
async fn hint(operator: &Bus) {
    let subject = Subject::parse(format!("$KV.metropolis.{KEY}")).unwrap();
    let outgoing = metropolis::bus::Outgoing::empty(subject);
    let deadline = std::time::Instant::now() + SOON;
    operator.publish(outgoing, deadline).await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_comes_later_is_found_by_what_is_put_into_it() {
    let scene = Scene::start(worker).await;
    scene.bucket.destroy().await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    scene.bucket.recreate().await;
    scene.bucket.put(KEY, &places(3)).await;
    has_places(&scene.operator, &running, 3).await;
    running.stop().await;
}

#[tokio::test]
async fn after_a_restart_of_the_server_what_was_put_meanwhile_is_in_force() {
    let mut scene = Scene::start(worker).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    scene.bucket.put(KEY, PAUSE).await;
    let operator = scene.operator.clone();
    let is_paused = async |wanted| {
        eventually(2 * SOON, async || {
            limits(&operator, running.instance(), "wait").await.2 == wanted
        })
        .await;
    };
    is_paused(true).await;
    scene.network.server.kill().await;
    scene.network.server.restart_on_same_port().await;
    // It is paused still: nobody but its own subscriptions was subscribed again.
    eventually(SOON, async || operator.is_connected()).await;
    scene.bucket.put(KEY, &places(9)).await;
    is_paused(false).await;
    has_places(&operator, &running, 9).await;
    let client = scene.client().await;
    assert_eq!(client.call::<wait>(&Pause { ms: 1 }).await.unwrap(), 1);
    running.stop().await;
}
