//! Workers that are killed, that leave from far away, and that have more to do than they can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use metropolis::{CallError, Client, Worker};
use metropolis_tests::{DelayProxy, NatsServer, Process, within};
use tokio::sync::Notify;

use crate::load::{Load, TIMED_OUT};
use crate::{PATIENCE, Work, connect, work};

const CALLERS: u64 = 64;
const URL: &str = "FAULTS_NATS_URL";

/// What a worker in a process of its own runs: this binary again, with this test alone.
#[tokio::test]
#[ignore = "runs in a process that another test kills"]
async fn a_process_of_its_own() {
    let bus = connect(&std::env::var(URL).unwrap(), "worker").await;
    let _worker = Worker::new(bus).serve::<work>().start().await.unwrap();
    eprintln!("the worker is there");
    std::future::pending::<()>().await;
}

async fn start_process(server: &NatsServer) -> Process {
    let process = Process::program(std::env::current_exe().unwrap())
        .args(["--exact", "worker::a_process_of_its_own", "--ignored"])
        .args(["--nocapture", "--test-threads", "1"])
        .env(URL, server.url())
        .start()
        .await;
    process
        .wait_for_line(|line| line.contains("the worker is there"))
        .await;
    process
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_takes_only_its_own_calls_along() {
    let server = NatsServer::start().await;
    let mut doomed = start_process(&server).await;
    let staying = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let staying = staying.start().await.unwrap();
    let bus = connect(&server.url(), "client").await;
    let load = Load::start(&bus, CALLERS);
    load.goes_on(2000).await;
    doomed.kill().await;
    load.goes_on(2000).await;
    let tally = load.stop().await;
    tally.assert_errors(&[TIMED_OUT]);
    assert!(tally.errors_of(TIMED_OUT) <= CALLERS, "{tally:?}");
    assert_eq!(bus.counters().in_flight, 0);
    staying.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_far_away_stops_under_load_and_loses_nothing() {
    let server = NatsServer::start().await;
    let bus = connect(&server.url(), "client").await;
    for delay in [500, 2_000] {
        let delay = Duration::from_micros(delay);
        let far = [
            DelayProxy::start(server.address(), delay).await,
            DelayProxy::start(server.address(), delay).await,
        ];
        let worker = async |proxy: &DelayProxy| {
            let url = format!("nats://{}", proxy.address());
            let worker = Worker::new(connect(&url, "worker").await).serve::<work>();
            worker.start().await.unwrap()
        };
        let (leaving, staying) = (worker(&far[0]).await, worker(&far[1]).await);
        let load = Load::start(&bus, 4 * CALLERS);
        load.goes_on(2000).await;
        leaving.stop().await;
        load.goes_on(2000).await;
        load.stop().await.assert_errors(&[]);
        staying.stop().await;
    }
}

static STARTED: AtomicU64 = AtomicU64::new(0);

/// Four run, four wait, the others are told at once.
#[metropolis::task(subject = "faults.narrow", concurrency = 4, timeout = "5s")]
async fn narrow(work: Work) {
    STARTED.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_with_few_places_answers_busy_and_harms_no_other() {
    let server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await)
        .serve::<narrow>()
        .serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&server.url(), "client").await;
    let client = Client::new(bus.clone());
    let load = Load::start(&connect(&server.url(), "client").await, 4);

    let asked = Instant::now();
    let calls = (0..2000).map(|_| {
        let call = client.call::<narrow>(&Work { ms: 500 }).into_future();
        tokio::spawn(call)
    });
    let mut counts = (0, 0);
    for ended in join_all(calls).await {
        match ended.unwrap() {
            Ok(()) => counts.0 += 1,
            Err(CallError::Busy { .. }) => counts.1 += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    // All that were accepted ran, and all others did not: four at once and four after them, more only if some came late.
    assert_eq!(counts.0 + counts.1, 2000);
    assert_eq!(STARTED.load(Ordering::Relaxed), counts.0);
    assert!((8..=64).contains(&counts.0), "{counts:?}");
    assert_eq!(bus.counters().in_flight, 0);
    load.goes_on(10).await;
    let tally = load.stop().await;
    tally.assert_errors(&[]);
    assert!(tally.slowest < Duration::from_millis(500), "{tally:?}");
    worker.stop().await;
}

#[metropolis::task(subject = "faults.cut", timeout = "5s")]
async fn cut_off() {
    RUNS.notify_one();
    tokio::time::sleep(Duration::from_millis(30)).await;
}

static RUNS: Notify = Notify::const_new();

/// A worker that had to connect anew still answers what it ran meanwhile: whoever asked is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_cut_off_for_a_moment_answers_what_it_runs() {
    let server = NatsServer::start().await;
    let far = DelayProxy::start(server.address(), Duration::ZERO).await;
    let worker_bus = connect(&format!("nats://{}", far.address()), "worker").await;
    let worker = Worker::new(worker_bus.clone()).serve::<cut_off>();
    let worker = worker.start().await.unwrap();
    let client = Client::new(connect(&server.url(), "client").await);
    let answered = tokio::spawn(client.call::<cut_off>(&()).into_future());
    within(PATIENCE, RUNS.notified()).await;
    far.cut();
    answered.await.unwrap().unwrap();
    assert_eq!(worker_bus.counters().reconnects, 1);
    worker.stop().await;
}
