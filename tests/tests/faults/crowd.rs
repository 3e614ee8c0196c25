//! A crowd before full workers: what they would refuse does not reach the bus. And one that calls something slow: all of it
//! is under way.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use metropolis::Worker;
use metropolis::bus::Subscription;
use metropolis_gateway::{Gateway, InProcess};
use metropolis_tests::{HttpClient, NatsServer, eventually, within};
use tokio::sync::{Barrier, Semaphore};

use crate::{PATIENCE, connect};

/// What runs and what waits, of one worker.
const PLACES: usize = 4;
const CROWD: usize = 50;

static GATE: Semaphore = Semaphore::const_new(0);
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// Two run, two wait, and none ends before the gate is open.
#[metropolis::task(subject = "faults.crowd", concurrency = 2, timeout = "20s")]
async fn crowd() {
    STARTED.fetch_add(1, Ordering::Relaxed);
    let _ = GATE.acquire().await;
}

/// Statuses of as many requests at once, of which all that were refused say when to come again.
async fn ask(app: &InProcess, requests: usize) -> Vec<u16> {
    let answers = join_all((0..requests).map(|_| app.post("/faults/crowd", ()))).await;
    let refused = answers.iter().filter(|answer| answer.status() == 503);
    assert!(
        refused
            .clone()
            .all(|answer| answer.headers().contains_key("retry-after"))
    );
    answers
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect()
}

/// How many requests have reached the bus since it was asked before.
async fn arrived(seen: &mut Subscription) -> usize {
    let mut count = 0;
    while tokio::time::timeout(Duration::from_millis(200), seen.next())
        .await
        .is_ok()
    {
        count += 1;
    }
    count
}

#[tokio::test]
async fn while_workers_are_full_the_gateway_refuses_for_them() {
    let server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<crowd>();
    let worker = worker.start().await.unwrap();
    let witness = connect(&server.url(), "witness").await;
    let mut seen = witness.subscribe("faults.crowd", None, 1024).await.unwrap();
    let gateway = Gateway::new(connect(&server.url(), "gateway").await).with_discovery();
    let app = gateway.in_process().await.unwrap();
    eventually(PATIENCE, async || app.get("/readyz").await.status() == 200).await;

    let (held, ()) = within(PATIENCE, async {
        tokio::join!(ask(&app, PLACES), async {
            eventually(PATIENCE, async || STARTED.load(Ordering::Relaxed) == 2).await;
            assert_eq!(arrived(&mut seen).await, PLACES);
            // The first that is too much is a worker's to refuse, and the others follow it.
            assert_eq!(ask(&app, 1).await, [503]);
            assert_eq!(arrived(&mut seen).await, 1);
            assert_eq!(ask(&app, CROWD).await, [503; CROWD]);
            assert_eq!(arrived(&mut seen).await, 0);
            GATE.add_permits(PLACES);
        })
    })
    .await;
    assert_eq!(held, [204; PLACES]);
    assert_eq!(ask(&app, 1).await, [204], "there is room again");
    worker.stop().await;
    app.stop().await;
}

/// Connections: more than a gateway keeps hyper's part of, and many times what a thread begins at once.
const MANY: usize = 300;

/// Ends when all have begun.
#[metropolis::task(subject = "faults.together", concurrency = 300, timeout = "20s")]
async fn together(all: &Barrier) {
    all.wait().await;
}

#[tokio::test]
async fn however_slow_a_task_is_all_of_a_crowd_are_under_way_at_once() {
    let server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await)
        .serve::<together>()
        .provide(Barrier::new(MANY));
    let worker = worker.start().await.unwrap();
    let gateway = Gateway::new(connect(&server.url(), "gateway").await)
        .with_discovery()
        .with_threads(NonZeroUsize::MIN)
        .with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.unwrap();
    let address = gateway.address();
    let mut clients = join_all((0..MANY).map(|_| HttpClient::connect(address))).await;
    eventually(PATIENCE, async || {
        let ready = clients[0].send("GET", "/readyz", &[], "").await;
        ready.status == 200
    })
    .await;

    for _ in 0..2 {
        let calls = clients
            .iter_mut()
            .map(|client| client.send("POST", "/faults/together", &[], ""));
        let answers = within(PATIENCE, join_all(calls)).await;
        assert!(answers.iter().all(|answer| answer.status == 204));
    }
    gateway.stop().await;
    worker.stop().await;
}
