//! The permissions a worker prints are enough for all it does, and every line of them is needed; those of a caller,
//! of a gateway, and of a process that is worker and gateway likewise.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use metropolis::bus::{NatsOptions, Outgoing, Subscription};
use metropolis::contract::ContractHash;
use metropolis::service::{self, Info, fetch_contract, gather};
use metropolis::subject::Subject;
use metropolis::{Bus, Client, Context, Fault, RunningWorker, Setting, Worker};
use metropolis_tests::bucket::JETSTREAM;
use metropolis_tests::wait::holds_within;
use metropolis_tests::{Bucket, Network, Process, WITNESS, within};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::parts::{Tasks, serving};

mod gateway;
mod one_process;
mod witness;

use witness::{Job, Witness};

const SERVICE: &str = "people";
/// How long a step may take that works.
const SOON: Duration = Duration::from_secs(5);
/// How long answers are collected whose number nobody knows.
const PATIENCE: Duration = Duration::from_millis(300);
/// A line that helps nobody.
const UNUSED: &str = "\"nobody.uses.this\"";
/// Servers at a time.
const AT_ONCE: usize = 8;

/// Lives elsewhere.
#[metropolis::task(subject = "permissions.elsewhere", timeout = "1s")]
async fn elsewhere(number: u64) -> u64;

/// Calls what lives elsewhere.
#[metropolis::task(subject = "permissions.relay", queue = "relays", timeout = "1s")]
async fn relay(ctx: &Context, number: u64) -> Result<u64, Fault> {
    Ok(ctx.call::<elsewhere>(&number).await?)
}

const RELAY: Job = Job {
    service: SERVICE,
    task: ["permissions.relay", "1", "7"],
    called: ["permissions.elsewhere", "7"],
};

/// A value of the application's own.
#[derive(Deserialize, JsonSchema, Setting)]
#[setting(key = "level")]
struct Level(u32);

fn tasks() -> Tasks {
    let tasks = serving::<relay>().calling::<elsewhere>();
    tasks.of_service(SERVICE)
}

/// A worker of the tasks, which follows a setting as well.
fn worker(bus: &Bus) -> Worker {
    tasks().worker(bus).follow(Level(0))
}

/// As the harness does, but a connection that is not made is one of the things that do not work.
async fn connect(network: &Network, user: &str) -> Result<Bus, String> {
    let connecting = Bus::connect(NatsOptions::new(network.url(user), user));
    let connected = within(2 * SOON, connecting).await;
    connected.map_err(|error| error.to_string())
}

/// Everything a worker does, seen by one who may see all; the first thing that does not work.
async fn works(permissions: &str) -> Result<(), String> {
    let network = Network::start_with(JETSTREAM, [("worker", permissions)]).await;
    let mut witness = Witness::start(&network, RELAY).await;
    let bucket = Bucket::create(witness.bus(), "metropolis").await;
    let bus = connect(&network, "worker").await?;
    let worker = within(2 * SOON, worker(&bus).start());
    let worker = worker.await.map_err(|error| error.to_string())?;
    let instance = witness.announced().await?;
    witness.sees(&instance).await?;
    follows(&witness, &bucket, &worker).await?;
    within(2 * SOON, worker.stop()).await;
    witness.parted(&instance).await
}

/// The worker hears of what is put into the bucket, and reads it.
async fn follows(witness: &Witness, bucket: &Bucket, worker: &RunningWorker) -> Result<(), String> {
    bucket.put("setting.people.level", "7").await;
    let level = || worker.setting::<Level>().map(|level| level.0);
    if !holds_within(SOON, async || level() == Some(7)).await {
        return Err(format!("the setting is {:?}", level()));
    }
    witness.steers(bucket, worker.instance()).await
}

/// Answers everybody alike.
async fn answer(bus: Bus, mut subscription: Subscription, text: String) {
    while let Some(request) = subscription.next().await {
        let Some(reply) = request.reply else { continue };
        let outgoing = Outgoing {
            payload: text.clone().into(),
            ..Outgoing::empty(reply)
        };
        let _ = bus.publish(outgoing, Instant::now() + SOON).await;
    }
}

fn subject(text: String) -> Subject {
    Subject::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_enough_and_every_line_of_them_is_needed() {
    let text = worker(&Bus::embedded()).permissions().unwrap().to_string();
    let enough = works(&text).await;
    assert_eq!(enough, Ok(()), "{text}");
    each_is_needed(&text, 1 + 9 + 2 + 2 + 5 + 1 + 1, works).await;
}

/// Everything a caller does.
async fn calls(permissions: &str) -> Result<(), String> {
    let network = Network::start([("client", permissions)]).await;
    let witness = network.connect(WITNESS).await;
    let requests = witness.subscribe("permissions.*", None, 64).await.unwrap();
    tokio::spawn(answer(witness, requests, "7".to_owned()));
    let bus = connect(&network, "client").await?;
    let fenced = bus.fence(Instant::now() + Duration::from_secs(1)).await;
    fenced.map_err(|error| error.to_string())?;
    let client = Client::new(bus);
    let called = [
        client.call::<elsewhere>(&1).await,
        client.call::<relay>(&1).await,
    ];
    match called {
        [Ok(7), Ok(7)] => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_a_caller_are_enough_and_every_line_of_them_is_needed() {
    let text = tasks().permissions_to_call().to_string();
    assert_eq!(calls(&text).await, Ok(()), "{text}");
    each_is_needed(&text, 1 + 2, calls).await;
}

/// Without any one of so many lines something does not work.
async fn each_is_needed(text: &str, count: usize, works: impl AsyncFn(&str) -> Result<(), String>) {
    let lines: Vec<&str> = text.lines().collect();
    let needed: Vec<(&str, String)> = (0..lines.len())
        .filter(|at| lines[*at].trim().starts_with(['"', 'a']))
        .map(|at| {
            let line = lines[at];
            // An empty list would allow everything, so a subject that nobody uses takes the place of the line.
            let is_subject = line.trim().starts_with('"');
            let instead = if is_subject { UNUSED } else { "" };
            let rest = [&lines[..at], &[instead], &lines[at + 1..]].concat();
            (line, rest.join("\n"))
        })
        .collect();
    assert_eq!(needed.len(), count, "{text}");
    let works = &works;
    let tried = stream::iter(needed)
        .map(async |(line, rest)| (line, works(&rest).await))
        .buffer_unordered(AT_ONCE);
    let tried: Vec<_> = tried.collect().await;
    for (line, outcome) in tried {
        eprintln!("without {line}: {outcome:?}");
        assert!(outcome.is_err(), "not needed: {line}");
    }
}
