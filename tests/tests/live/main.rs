//! Configuration that changes while worker and gateway run: by a bucket of a real JetStream, by the program, by a file.
//!
//! On the server each may do what its printed permissions say and no more; the witness plays the operator.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod bucket;
mod file;
mod foreign;
mod gateway;
mod knobs;
mod leaf;
mod page;
mod places;
mod process;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metropolis::permissions::Permissions;
use metropolis::service::{self, EndpointStats, Stats, gather};
use metropolis::subject::Subject;
use metropolis::{Bus, Client, Worker};
use metropolis_tests::bucket::JETSTREAM;
use metropolis_tests::{Bucket, Network, WITNESS, eventually};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// How soon a change that was heard of is in force. Looking again, which is the repair, comes after 30 seconds.
const SOON: Duration = Duration::from_secs(10);
/// How long answers to `STATS` are collected.
const PATIENCE: Duration = Duration::from_millis(100);
/// The service of every worker here, unless it has another.
const SERVICE: &str = "live";
/// The key of its document.
const KEY: &str = "service.live";

#[derive(Serialize, Deserialize, JsonSchema)]
struct Pause {
    ms: u64,
}

/// Some calls end in place, some have to wait.
#[metropolis::task(subject = "live.wait", concurrency = 64, timeout = "5s")]
async fn wait(pause: Pause) -> u64 {
    if pause.ms > 0 {
        tokio::time::sleep(Duration::from_millis(pause.ms)).await;
    }
    pause.ms
}

/// Where calls of a test stand and wait until they may go on.
#[derive(Clone)]
struct Gate {
    entered: Arc<AtomicUsize>,
    passes: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self {
            entered: Arc::default(),
            passes: Arc::new(Semaphore::new(0)),
        }
    }

    async fn pass(&self) {
        self.entered.fetch_add(1, Ordering::Relaxed);
        self.passes.acquire().await.unwrap().forget();
    }

    /// Waits until so many calls have come as far as this.
    async fn has_seen(&self, calls: usize) {
        eventually(SOON, async || self.entered() == calls).await;
    }

    fn entered(&self) -> usize {
        self.entered.load(Ordering::Relaxed)
    }

    fn open(&self, calls: usize) {
        self.passes.add_permits(calls);
    }
}

/// A server with a bucket, an operator, a worker's user and a caller's.
struct Scene {
    network: Network,
    operator: Bus,
    bucket: Bucket,
}

impl Scene {
    /// The worker's user may do what a worker prints that is made so.
    async fn start(worker: impl Fn(Bus) -> Worker) -> Self {
        let permissions = worker(Bus::embedded()).permissions().unwrap();
        Self::with_users([("worker", permissions.to_string())]).await
    }

    async fn with_users<'n>(users: impl IntoIterator<Item = (&'n str, String)>) -> Self {
        let caller = Permissions {
            subscribe: vec!["_INBOX_client.>".to_owned()],
            publish: vec!["live.>".to_owned()],
            responses: None,
        };
        let caller = ("client", caller.to_string());
        let network = Network::start_with(JETSTREAM, users.into_iter().chain([caller])).await;
        let operator = network.connect(WITNESS).await;
        Self {
            bucket: Bucket::create(&operator, "metropolis").await,
            operator,
            network,
        }
    }

    async fn worker_bus(&self) -> Bus {
        self.network.connect("worker").await
    }

    async fn client(&self) -> Client {
        Client::new(self.network.connect("client").await)
    }
}

/// What an instance says it did; the operator asks.
async fn stats(operator: &Bus, instance: &str) -> Stats {
    let question = format!("{}.{SERVICE}.{instance}", service::STATS);
    let question = Subject::parse(question).unwrap();
    let mut answers = Vec::new();
    eventually(2 * SOON, async || {
        // While a server comes back nobody answers.
        let gathered = gather(operator, question.clone(), PATIENCE).await;
        answers = gathered.unwrap_or_default();
        !answers.is_empty()
    })
    .await;
    serde_json::from_slice(&answers[0].payload).unwrap()
}

/// Concurrency, timeout in milliseconds and pause of a task as `STATS` has them.
async fn limits(operator: &Bus, instance: &str, task: &str) -> (u64, u64, bool) {
    let stats = stats(operator, instance).await;
    let is_meant = |endpoint: &&EndpointStats| endpoint.name == task;
    let endpoint = stats.endpoints.iter().find(is_meant).unwrap();
    let data = endpoint.data.as_ref().unwrap();
    (
        data["concurrency"].as_u64().unwrap(),
        data["timeout_ms"].as_u64().unwrap(),
        data["paused"].as_bool().unwrap(),
    )
}

/// What `STATS` says of a key: `applied`, `refused` or `ignored`.
async fn told(operator: &Bus, instance: &str, what: &str, key: &str) -> Option<String> {
    let stats = stats(operator, instance).await;
    let name = format!("metropolis.{what}.{key}");
    stats.identity.metadata.get(&name).cloned()
}

/// Waits until `STATS` says that this revision of a key is in force.
async fn is_applied(operator: &Bus, instance: &str, key: &str, revision: u64) {
    let wanted = Some(revision.to_string());
    eventually(SOON, async || {
        told(operator, instance, "applied", key).await == wanted
    })
    .await;
}
