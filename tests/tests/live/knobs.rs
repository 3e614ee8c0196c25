//! Every knob of a task is turned while load runs, and no request is lost.

use metropolis::{CallError, RunningWorker};
use metropolis_tests::load::{self, Tally};

use super::*;

/// Fewer than one worker has places and room to wait for, so that nobody is told to come back.
const CALLERS: usize = 24;
/// How many calls must have been answered before a scenario goes on.
const STEP: u64 = 500;

fn worker(bus: Bus) -> Worker {
    Worker::new(bus).serve::<wait>().with_service(SERVICE)
}

/// Calls `wait` from many callers while `scenario` goes on, which is told how many were answered.
async fn under_load(client: &Client, scenario: impl AsyncFnOnce(&AtomicUsize)) -> Tally {
    let answered = AtomicUsize::new(0);
    let request = async |turn: &mut u64| {
        *turn += 1;
        let ms = *turn % 4;
        let outcome = match client.call::<wait>(&Pause { ms }).await {
            Ok(answer) if answer == ms => Ok(200),
            Ok(other) => Err(format!("the answer of another call: {other}")),
            Err(error) => Err(error.to_string()),
        };
        answered.fetch_add(1, Ordering::Relaxed);
        outcome
    };
    let scenario = scenario(&answered);
    load::during(scenario, CALLERS, async || Ok(0), request)
        .await
        .1
}

/// Waits for another few hundred answers.
async fn step(answered: &AtomicUsize) {
    let goal = answered.load(Ordering::Relaxed) + STEP as usize;
    eventually(3 * SOON, async || answered.load(Ordering::Relaxed) >= goal).await;
}

/// How many calls an instance has answered.
async fn answered_by(operator: &Bus, worker: &RunningWorker) -> u64 {
    stats(operator, worker.instance()).await.endpoints[0].num_requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_them_change_under_load_and_no_request_is_lost() {
    let scene = Scene::start(worker).await;
    let other = worker(scene.worker_bus().await).without_bucket();
    let other = other.start().await.unwrap();
    let steered = worker(scene.worker_bus().await).start().await.unwrap();
    let (operator, bucket) = (&scene.operator, &scene.bucket);
    let is_limited = async |wanted: (u64, u64, bool)| {
        eventually(SOON, async || {
            limits(operator, steered.instance(), "wait").await == wanted
        })
        .await;
    };
    assert_eq!(
        limits(operator, steered.instance(), "wait").await,
        (64, 5000, false)
    );
    let tally = under_load(&scene.client().await, async |answered| {
        step(answered).await;
        // Each document in the place of the last: what it does not name is as annotated.
        for (document, wanted) in [
            (r#"{"concurrency": 12}"#, (12, 5000, false)),
            (
                r#"{"concurrency": 256, "timeout": "1s"}"#,
                (256, 1000, false),
            ),
            (r#"{"paused": true}"#, (64, 5000, true)),
            (r#"{"timeout": "500ms"}"#, (64, 500, false)),
            (r#"{"paused": true, "concurrency": 1}"#, (1, 5000, true)),
        ] {
            bucket
                .put(KEY, &format!(r#"{{"tasks": {{"wait": {document}}}}}"#))
                .await;
            is_limited(wanted).await;
            step(answered).await;
        }
        // Whoever is paused takes no more; the other one does.
        let before = answered_by(operator, &steered).await;
        step(answered).await;
        assert_eq!(answered_by(operator, &steered).await, before);
        bucket.delete(KEY).await;
        is_limited((64, 5000, false)).await;
        step(answered).await;
        assert!(answered_by(operator, &steered).await > before);
    })
    .await;
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
    assert!(tally.ok > 8 * STEP, "{tally:?}");
    steered.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_task_that_is_paused_at_the_start_takes_no_call() {
    let scene = Scene::start(worker).await;
    scene
        .bucket
        .put(
            KEY,
            r#"{"tasks": {"live.wait": {"paused": true, "timeout": "1s"}}}"#,
        )
        .await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let client = scene.client().await;
    let called = client.call::<wait>(&Pause { ms: 0 }).await;
    assert!(matches!(called, Err(CallError::NoWorker(_))), "{called:?}");
    let instance = running.instance();
    assert_eq!(
        limits(&scene.operator, instance, "wait").await,
        (64, 1000, true)
    );
    scene.bucket.put(KEY, "{}").await;
    eventually(SOON, async || {
        client.call::<wait>(&Pause { ms: 1 }).await.is_ok()
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn a_shorter_timeout_is_that_of_the_next_call() {
    let bus = Bus::embedded();
    let running = worker(bus.clone()).start().await.unwrap();
    let client = Client::new(bus);
    let document = r#"{"tasks": {"wait": {"timeout": "50ms"}}}"#;
    running.apply(document).await.unwrap();
    let called = client.call::<wait>(&Pause { ms: 60_000 }).await;
    let error = called.unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.status(), fault.code()), (504, "timed_out"));
    running.stop().await;
}

/// The embedded bus has no bucket; the program has the same documents.
#[tokio::test]
async fn a_worker_that_is_stopped_while_it_is_paused_ends_and_stays_away() {
    let bus = Bus::embedded();
    let running = worker(bus.clone()).start().await.unwrap();
    let pause = r#"{"tasks": {"wait": {"paused": true}}}"#;
    running.apply(pause).await.unwrap();
    let client = Client::new(bus);
    let called = client.call::<wait>(&Pause { ms: 0 }).await;
    assert!(matches!(called, Err(CallError::NoWorker(_))), "{called:?}");
    running.apply("{}").await.unwrap();
    assert_eq!(client.call::<wait>(&Pause { ms: 1 }).await.unwrap(), 1);
    running.apply(pause).await.unwrap();
    running.stop().await;
}
