//! Who talks to whom in a case, and the few words they all need.

use std::time::{Duration, Instant};

use bytes::Bytes;
use metropolis::bus::{Bus, Incoming, NatsOptions, Outgoing, Subscription};
use metropolis::subject::{Queue, Subject};
use metropolis::wire::Headers;
use metropolis_tests::{NatsServer, within};
use tokio::task::JoinHandle;

/// How long anything in a case may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Room enough for a case's messages.
pub(crate) const ROOM: usize = 4096;

/// Runs a case on the embedded bus, on one connection to a server, and on two to a server of every version.
pub(crate) async fn on_every_bus(case: impl AsyncFn(Bus, Bus)) {
    on_embedded(&case).await;
    on_one_connection(&case, NatsServer::start().await).await;
    for version in NatsServer::versions() {
        on_two_connections(&case, version).await;
    }
}

async fn on_embedded(case: &impl AsyncFn(Bus, Bus)) {
    eprintln!("on the embedded bus");
    let bus = Bus::embedded();
    within(3 * PATIENCE, case(bus.clone(), bus)).await;
}

async fn on_one_connection(case: &impl AsyncFn(Bus, Bus), server: NatsServer) {
    eprintln!("on one connection");
    let bus = connect(&server.url()).await;
    within(3 * PATIENCE, case(bus.clone(), bus)).await;
}

async fn on_two_connections(case: &impl AsyncFn(Bus, Bus), version: &str) {
    eprintln!("on two connections to a server of {version}");
    let server = NatsServer::of_version(version).await;
    let (one, other) = (connect(&server.url()).await, connect(&server.url()).await);
    within(3 * PATIENCE, case(one, other)).await;
}

pub(crate) async fn connect(url: &str) -> Bus {
    let options = NatsOptions::new(url, "test");
    within(PATIENCE, Bus::connect(options)).await.unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub(crate) fn after(delay: Duration) -> Instant {
    Instant::now() + delay
}

pub(crate) fn subject(text: &str) -> Subject {
    Subject::parse(text.to_owned()).unwrap()
}

pub(crate) fn queue(name: &str) -> Queue {
    Queue::parse(name).unwrap()
}

pub(crate) fn message(to: &str, payload: impl Into<Bytes>) -> Outgoing {
    Outgoing {
        payload: payload.into(),
        ..Outgoing::empty(subject(to))
    }
}

pub(crate) fn with_headers(mut outgoing: Outgoing, headers: &[(&'static str, &str)]) -> Outgoing {
    let mut all = Headers::new();
    for (name, value) in headers {
        all.append(*name, *value).unwrap();
    }
    outgoing.headers = all;
    outgoing
}

/// Publishes, and waits until whoever subscribes to it has been sent it.
pub(crate) async fn publish(bus: &Bus, outgoing: Outgoing) {
    bus.publish(outgoing, soon()).await.unwrap();
    bus.fence(soon()).await.unwrap();
}

pub(crate) async fn next(subscription: &mut Subscription) -> Incoming {
    within(PATIENCE, subscription.next())
        .await
        .expect("the subscription goes on")
}

/// Answers with the payload and headers of a request.
pub(crate) async fn answer(bus: &Bus, request: Incoming) {
    let reply = request.reply.expect("a request says where its answer goes");
    let outgoing = Outgoing {
        subject: reply,
        reply: None,
        headers: request.headers,
        payload: request.payload,
    };
    bus.publish(outgoing, soon()).await.unwrap();
}

/// A party that answers whatever comes.
pub(crate) struct Echo {
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) fn start(bus: &Bus, mut subscription: Subscription) -> Self {
        let bus = bus.clone();
        let task = tokio::spawn(async move {
            while let Some(request) = subscription.next().await {
                answer(&bus, request).await;
            }
        });
        Self { task }
    }
}

impl Echo {
    /// Ends at once; what it was sent is lost with it.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends what a case published on a subject, so that everything before it can be counted.
pub(crate) const END: &str = "end";

/// Counts what came before the payload [`END`], which this publishes itself.
pub(crate) async fn count_until_end(bus: &Bus, to: &str, subscription: &mut Subscription) -> u64 {
    publish(bus, message(to, END)).await;
    let mut count = 0;
    while next(subscription).await.payload != END {
        count += 1;
    }
    count
}
