//! More calls than places: each has its turn in the order in which it came.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::parts::{on_both_buses, serving};

const PLACES: usize = 32;

/// Long enough that a call is not run where its message arrives.
const WORK: Duration = Duration::from_micros(300);

/// So many may be ahead of their turn: Tokio polls the task that was spawned last before those that wait.
const AHEAD_MAX: usize = 2;

static TURNS: AtomicUsize = AtomicUsize::new(0);

/// The number of its turn.
#[metropolis::task(subject = "turns.take", concurrency = 32)]
async fn take() -> usize {
    let turn = TURNS.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < WORK {
        std::hint::spin_loop();
    }
    turn
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_waits_for_a_place_has_a_turn_after_those_who_had_one_before() {
    on_both_buses([serving::<take>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        let first = TURNS.load(Ordering::Relaxed);
        let calls = (0..2 * PLACES).map(|_| client.call::<take>(&()).into_future());
        let turns = join_all(calls).await.into_iter();
        let turns: Vec<usize> = turns.map(|turn| turn.unwrap() - first).collect();
        let waited = &turns[PLACES..];
        let ahead = waited.iter().filter(|turn| **turn < PLACES).count();
        assert!(
            ahead <= AHEAD_MAX,
            "turns in the order of the calls: {turns:?}"
        );
        worker.stop().await;
    })
    .await;
}
