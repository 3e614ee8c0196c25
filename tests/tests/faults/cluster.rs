//! A cluster of three, of which the caller loses its own node.

use std::time::Duration;

use metropolis::{Bus, RunningWorker, Worker};
use metropolis_tests::{NatsServer, cluster};

use crate::load::{LOST, Load, NO_WORKER, NOT_SENT, TIMED_OUT};
use crate::{connect, work};

const CALLERS: u64 = 32;

async fn worker_on(server: &NatsServer) -> (RunningWorker, Bus) {
    let bus = connect(&server.url(), "worker").await;
    let worker = Worker::new(bus.clone()).serve::<work>();
    (worker.start().await.unwrap(), bus)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_takes_only_what_was_under_way_along() {
    let mut nodes = cluster::start(3, "").await;
    let workers = [worker_on(&nodes[1]).await, worker_on(&nodes[2]).await];
    let bus = connect(&nodes[0].url(), "client").await;
    let load = Load::start(&bus, CALLERS);
    load.goes_on(2000).await;
    nodes[0].kill().await;
    load.goes_on(2000).await;
    let tally = load.stop().await;
    // The new node may hear of the workers a moment after of the caller.
    tally.assert_errors(&[LOST, NOT_SENT, NO_WORKER, TIMED_OUT]);
    assert!(tally.errors_of(LOST) <= CALLERS, "{tally:?}");
    assert_eq!(tally.errors_of(TIMED_OUT), 0, "{tally:?}");
    assert!(tally.gap < Duration::from_secs(2), "{tally:?}");
    assert_eq!(bus.counters().in_flight, 0);
    for (worker, _) in workers {
        worker.stop().await;
    }
}

/// The caller's node leaves, and then one of a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lame_duck_loses_no_request() {
    let lame = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"";
    let nodes = cluster::start(3, lame).await;
    let workers = [worker_on(&nodes[1]).await, worker_on(&nodes[2]).await];
    let bus = connect(&nodes[0].url(), "client").await;
    let load = Load::start(&bus, CALLERS);
    load.goes_on(1000).await;
    nodes[0].signal("USR2").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bus.counters().rebuilds, 1);
    load.goes_on(1000).await;
    nodes[1].signal("USR2").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    load.goes_on(1000).await;
    let tally = load.stop().await;
    tally.assert_errors(&[]);
    assert!(tally.answered > 5000, "{tally:?}");
    assert_eq!(workers[0].1.counters().rebuilds, 1);
    assert_eq!(bus.counters().in_flight, 0);
    for (worker, _) in workers {
        worker.stop().await;
    }
}
