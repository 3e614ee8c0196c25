//! Leaving a subscription loses no message, however far away the server is and whoever takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metropolis::bus::{Bus, CAPACITY_MAX, Subscription};
use metropolis_tests::{DelayProxy, NatsServer, eventually, within};
use tokio::task::JoinSet;

use crate::parties::{
    Echo, PATIENCE, ROOM, answer, connect, message, next, on_every_bus, publish, queue, soon,
};

const REQUESTERS: usize = 256;

/// Closed-loop callers, and what became of their requests.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: JoinSet<u64>,
}

impl Load {
    fn start(bus: &Bus, to: &'static str) -> Self {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut callers = JoinSet::new();
        for _ in 0..REQUESTERS {
            callers.spawn(call(
                bus.clone(),
                to,
                Arc::clone(&stop),
                Arc::clone(&answered),
            ));
        }
        Self {
            stop,
            answered,
            callers,
        }
    }

    /// Waits until that many more requests were answered.
    async fn goes_on(&self, further: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + further;
        eventually(PATIENCE, async || {
            self.answered.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    /// How many requests were lost.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().sum()
    }
}

/// Calls one by one until told to stop; gives how many had no answer.
async fn call(bus: Bus, to: &'static str, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> u64 {
    let mut lost = 0;
    while !stop.load(Ordering::Relaxed) {
        let deadline = Instant::now() + Duration::from_secs(3);
        match bus.request(message(to, "work"), deadline).await {
            Ok(_) => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                eprintln!("lost: {error}");
                lost += 1;
            }
        }
    }
    lost
}

/// Answers until told to leave, and then until nothing comes any more.
async fn serve(bus: Bus, mut subscription: Subscription, leave: Arc<AtomicBool>) {
    while let Some(request) = subscription.next().await {
        answer(&bus, request).await;
        if leave.swap(false, Ordering::Relaxed) {
            subscription.drain(Instant::now() + PATIENCE);
        }
    }
}

/// One of two members leaves under load; gives how many requests were lost.
async fn lost_in_a_handover(caller: &Bus, leaver: &Bus, stayer: &Bus) -> u64 {
    let group = queue("q");
    let leaving = leaver.subscribe("work", Some(&group), ROOM).await.unwrap();
    let stays = Echo::start(
        stayer,
        stayer.subscribe("work", Some(&group), ROOM).await.unwrap(),
    );
    let load = Load::start(caller, "work");
    let leave = Arc::new(AtomicBool::new(false));
    let leaver = tokio::spawn(serve(leaver.clone(), leaving, Arc::clone(&leave)));
    load.goes_on(1000).await;
    leave.store(true, Ordering::Relaxed);
    within(PATIENCE, leaver).await.unwrap();
    load.goes_on(1000).await;
    let lost = load.stop().await;
    // Or the next round's requests could still be sent to it.
    stays.stop().await;
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_leaves_under_load_and_another_takes_over() {
    on_every_bus(async |one, other| {
        for _ in 0..3 {
            assert_eq!(lost_in_a_handover(&one, &other, &one).await, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_far_away_leaves_under_load() {
    let versions = NatsServer::versions();
    let near = versions.iter().map(|version| (*version, 500));
    let far = versions.iter().map(|version| (*version, 2_000));
    let very_far = versions
        .iter()
        .next_back()
        .map(|version| (*version, 10_000));
    for (version, delay) in near.chain(far).chain(very_far) {
        let server = NatsServer::of_version(version).await;
        let caller = connect(&server.url()).await;
        let delay = Duration::from_micros(delay);
        let far = [
            DelayProxy::start(server.address(), delay).await,
            DelayProxy::start(server.address(), delay).await,
        ];
        let leaver = connect(&format!("nats://{}", far[0].address())).await;
        let stayer = connect(&format!("nats://{}", far[1].address())).await;
        assert_eq!(
            lost_in_a_handover(&caller, &leaver, &stayer).await,
            0,
            "{delay:?} away from {version}"
        );
    }
}

/// Nobody takes them while they are sent, so all of them have to have room.
const EARLIER: usize = ROOM - 1;

/// After a reconnect client and server would count from different messages, had the subscription not been renewed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_cut_off_once_leaves_under_load() {
    let server = NatsServer::start().await;
    let (caller, stayer) = (connect(&server.url()).await, connect(&server.url()).await);
    let far = DelayProxy::start(server.address(), Duration::from_millis(1)).await;
    let leaver = connect(&format!("nats://{}", far.address())).await;
    let mut before = leaver
        .subscribe("work", Some(&queue("q")), ROOM)
        .await
        .unwrap();
    for _ in 0..EARLIER {
        caller
            .publish(message("work", "before"), soon())
            .await
            .unwrap();
    }
    for _ in 0..EARLIER {
        next(&mut before).await;
    }
    far.cut();
    eventually(PATIENCE, async || !leaver.is_connected()).await;
    eventually(PATIENCE, async || leaver.fence(soon()).await.is_ok()).await;
    let leave = Arc::new(AtomicBool::new(false));
    let leaver = tokio::spawn(serve(leaver.clone(), before, Arc::clone(&leave)));

    let _stays = Echo::start(
        &stayer,
        stayer
            .subscribe("work", Some(&queue("q")), ROOM)
            .await
            .unwrap(),
    );
    let load = Load::start(&caller, "work");
    load.goes_on(1000).await;
    leave.store(true, Ordering::Relaxed);
    within(PATIENCE, leaver).await.unwrap();
    load.goes_on(5000).await;
    assert_eq!(load.stop().await, 0);
}

#[tokio::test]
async fn what_is_here_already_is_handed_out_and_then_it_ends() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("idle", None, ROOM).await.unwrap();
        for number in 0..10 {
            publish(&one, message("idle", number.to_string())).await;
        }
        other.fence(soon()).await.unwrap();
        received.drain(soon());
        received.drain(soon());
        for number in 0..10 {
            assert_eq!(next(&mut received).await.payload, number.to_string());
        }
        let started = Instant::now();
        assert!(within(PATIENCE, received.next()).await.is_none());
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "an idle subscription ends soon"
        );
        assert!(received.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn who_waits_while_another_drains_is_woken_by_the_end() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("idle", None, ROOM).await.unwrap();
        received.drain(soon());
        assert!(within(PATIENCE, received.next()).await.is_none());
        publish(&one, message("idle", "too late")).await;
        assert!(received.try_next().is_none());
    })
    .await;
}

/// The server counts what a full subscription lost and the client does not, so the agreed count is never reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_of_a_drain_holds_after_an_overflow() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("flood", None, CAPACITY_MAX).await.unwrap();
        for _ in 0..CAPACITY_MAX + 1000 {
            one.publish(message("flood", ""), soon()).await.unwrap();
        }
        one.fence(soon()).await.unwrap();
        other.fence(soon()).await.unwrap();
        let started = Instant::now();
        received.drain(started + Duration::from_secs(2));
        let all = async { while received.next().await.is_some() {} };
        within(PATIENCE, all).await;
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
    })
    .await;
}
