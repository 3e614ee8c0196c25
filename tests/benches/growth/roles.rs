//! The processes that are measured, or asked by those that are. Each is this binary with a role and the address of a server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use metropolis::{Bus, NatsOptions, TaskMeta, TaskSpec, Worker};
use metropolis_tests::measure::load::{Load, Sample};
use metropolis_tests::measure::player::ready;
use metropolis_tests::measure::{Plan, Player, books};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// 32 bytes of JSON.
pub(crate) const SMALL: Bytes = Bytes::from_static(br#"{"id":12345,"text":"abcdefghij"}"#);

/// How often a load is asked how far it is.
const LOOK: Duration = Duration::from_millis(10);

/// The role that answers every message with itself, and does no more.
const ECHO: &str = "echo";
/// The role that serves tasks.
const WORKER: &str = "worker";

/// The task, and the others which only differ in their numbers.
const SUBJECT: &str = "bench.task0";

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

#[metropolis::task(subject = "bench.task")]
async fn numbered(ping: Ping) -> Ping {
    ping
}

/// The path of the task.
pub(crate) fn path() -> String {
    format!("/{}", SUBJECT.replace('.', "/"))
}

/// Answers whatever is sent below a subject.
pub(crate) async fn echo(nats_url: &str, filter: &str) -> Player {
    Player::role(&[ECHO, nats_url, filter]).await
}

/// Serves so many tasks.
pub(crate) async fn worker(nats_url: &str, tasks: usize) -> Player {
    Player::role(&[WORKER, nats_url, &tasks.to_string()]).await
}

/// A process that starts, with the ms until it says that it serves, and those of CPU time.
pub(crate) async fn timed(starting: impl Future<Output = Player>) -> (Player, [f64; 2]) {
    let begun = Instant::now();
    let player = starting.await;
    let times = [begun.elapsed(), books::spent(player.pid())];
    (player, times.map(|time| time.as_secs_f64() * 1e3))
}

/// One window of a load, after so many requests: what is asked for the first time costs more.
pub(crate) async fn sample(plan: &Plan, mut load: Load, after: usize, pids: &[u32]) -> Sample {
    while load.answered() < after as u64 {
        sleep(LOOK).await;
    }
    let [warm_up, window] = plan.either([200, 600], [100, 200]);
    let [warm_up, window] = [warm_up, window].map(Duration::from_millis);
    load.sample(pids, warm_up, window).await
}

#[tokio::main]
pub(crate) async fn play(words: &[String]) {
    match words {
        [role, nats_url, filter] if role == ECHO => play_echo(nats_url, filter.clone()).await,
        [role, nats_url, tasks] if role == WORKER => play_worker(nats_url, tasks).await,
        _ => panic!("there is no role {words:?}"),
    }
}

async fn play_echo(nats_url: &str, filter: String) {
    let client = async_nats::connect(nats_url).await;
    let client = client.expect("the server listens");
    let messages = client.subscribe(filter).await;
    let mut messages = messages.expect("the server takes it");
    fence(&client).await;
    ready(None);
    while let Some(message) = messages.next().await {
        let reply = message.reply.expect("every request wants a reply");
        let sent = client.publish(reply, message.payload).await;
        sent.expect("the server listens");
    }
}

/// The server has heard of the subscription once a message to oneself, sent after it, is back.
async fn fence(client: &async_nats::Client) {
    let inbox = client.new_inbox();
    let own = client.subscribe(inbox.clone()).await;
    let mut own = own.expect("the server takes it");
    let sent = client.publish(inbox, Bytes::new()).await;
    sent.expect("the server listens");
    own.next().await;
}

async fn play_worker(nats_url: &str, tasks: &str) {
    let tasks = tasks.parse().expect("a number of tasks");
    let bus = Bus::connect(NatsOptions::new(nats_url, "worker")).await;
    let worker = Worker::new(bus.expect("the server listens"));
    let worker = (0..tasks).fold(worker, |worker, number| worker.serve_spec(task(number)));
    let running = worker.start().await.expect("the tasks have no problems");
    ready(None);
    std::future::pending::<()>().await;
    drop(running);
}

fn task(number: usize) -> TaskSpec {
    let mut spec = TaskSpec::of::<numbered>();
    spec.meta = TaskMeta {
        subject: format!("bench.task{number}").leak(),
        ..spec.meta
    };
    spec
}
