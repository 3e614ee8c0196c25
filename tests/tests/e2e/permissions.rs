//! The permissions a worker prints are enough for all it does, and every line of them is needed; a gateway's likewise.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use metropolis::bus::{NatsOptions, Outgoing, Subscription};
use metropolis::catalog::Catalog;
use metropolis::contract::ContractHash;
use metropolis::permissions::Permissions;
use metropolis::service::{self, Info, fetch_contract, gather};
use metropolis::subject::Subject;
use metropolis::{Bus, Client, Context, Fault, TaskSpec, Worker};
use metropolis_tests::{NatsServer, within};
use serde_json::json;

mod gateway;

const SERVICE: &str = "people";
/// How long a step may take that works.
const SOON: Duration = Duration::from_secs(5);
/// How long answers are collected whose number nobody knows.
const PATIENCE: Duration = Duration::from_millis(300);
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

fn permissions() -> Permissions {
    let specs = [TaskSpec::declared::<elsewhere>(), TaskSpec::of::<relay>()];
    let catalog = Catalog::of(specs).unwrap();
    Permissions::of(&catalog, SERVICE).unwrap()
}

async fn connect(server: &NatsServer, user: &str) -> Result<Bus, String> {
    let url = format!("nats://{user}:pass@{}", server.address());
    let connecting = Bus::connect(NatsOptions::new(url, user));
    let connected = within(2 * SOON, connecting).await;
    connected.map_err(|error| error.to_string())
}

/// Everything a worker does, seen by one who may see all; the first thing that does not work.
async fn works(permissions: &str) -> Result<(), String> {
    let config = format!(
        "authorization {{ users: [\n{{ user: witness, password: pass }}\n{{ user: worker, password: pass\n{permissions} }}\n] }}"
    );
    let server = NatsServer::start_with(&config).await;
    let witness = Witness::start(connect(&server, "witness").await?).await;
    let bus = connect(&server, "worker").await?;
    let worker = Worker::new(bus).serve::<relay>().with_service(SERVICE);
    let worker = within(2 * SOON, worker.start());
    let worker = worker.await.map_err(|error| error.to_string())?;
    let seen = witness.sees(worker.instance()).await;
    let instance = worker.instance().to_owned();
    within(2 * SOON, worker.stop()).await;
    let bus = witness.bus.clone();
    seen?;
    expect(
        witness.announces,
        &format!("{}.{SERVICE}.{instance}", service::ANNOUNCE),
    )
    .await?;
    expect(
        witness.contracts,
        &format!("{}.{}", service::CONTRACT, rival_hash()),
    )
    .await?;
    expect(
        witness.leaves,
        &format!("{}.{SERVICE}.{instance}", service::LEAVE),
    )
    .await?;
    bus.close(Instant::now() + SOON).await;
    Ok(())
}

/// Whom the worker works with: a service of the same subject and another contract, the task it calls, its callers.
struct Witness {
    bus: Bus,
    announces: Subscription,
    leaves: Subscription,
    contracts: Subscription,
}

impl Witness {
    async fn start(bus: Bus) -> Self {
        let subscribe = async |filter: &str| bus.subscribe(filter, None, 64).await.unwrap();
        let announces = subscribe(&format!("{}.>", service::ANNOUNCE)).await;
        let leaves = subscribe(&format!("{}.>", service::LEAVE)).await;
        let contracts = subscribe(&format!("{}.{}", service::CONTRACT, rival_hash())).await;
        let questions = subscribe(service::INFO).await;
        let calls = subscribe("permissions.elsewhere").await;
        tokio::spawn(answer(bus.clone(), questions, rival().to_string()));
        tokio::spawn(answer(bus.clone(), calls, "7".to_owned()));
        Self {
            bus,
            announces,
            leaves,
            contracts,
        }
    }

    async fn sees(&self, instance: &str) -> Result<(), String> {
        let client = Client::new(self.bus.clone());
        let called = client.call::<relay>(&1).await;
        if !matches!(called, Ok(7)) {
            return Err(format!("relay: {called:?}"));
        }
        let mut questions = Vec::new();
        for verb in [service::PING, service::INFO, service::STATS] {
            for rest in [
                String::new(),
                format!(".{SERVICE}"),
                format!(".{SERVICE}.{instance}"),
            ] {
                questions.push(self.answers(format!("{verb}{rest}"), instance));
            }
        }
        for answered in futures_util::future::join_all(questions).await {
            answered?;
        }
        let info = subject(format!("{}.{SERVICE}.{instance}", service::INFO));
        let infos = gather(&self.bus, info, PATIENCE)
            .await
            .map_err(|error| error.to_string())?;
        let info = Info::read(&infos[0].payload).map_err(|error| error.to_string())?;
        let hash = &info.endpoints[0].metadata[service::METADATA_CONTRACT];
        let hash = ContractHash::parse(hash).ok_or("no hash")?;
        let fetched = fetch_contract(&self.bus, &hash).await;
        fetched.map(drop).map_err(|error| error.to_string())
    }

    /// The worker is among those who answer a question.
    async fn answers(&self, question: String, instance: &str) -> Result<(), String> {
        let answers = gather(&self.bus, subject(question.clone()), PATIENCE).await;
        let answers = answers.map_err(|error| error.to_string())?;
        let names_it = |payload: &[u8]| String::from_utf8_lossy(payload).contains(instance);
        if answers.iter().any(|answer| names_it(&answer.payload)) {
            return Ok(());
        }
        Err(format!("no answer to {question}"))
    }
}

fn rival_hash() -> String {
    "a".repeat(64)
}

/// Another service that answers the same subject, with another contract.
fn rival() -> serde_json::Value {
    json!({
        "type": "io.nats.micro.v1.info_response", "name": "rival", "id": "rival", "version": "1.0.0",
        "description": "", "metadata": {},
        "endpoints": [{
            "name": "relay", "subject": "permissions.relay", "queue_group": "relays",
            "metadata": { service::METADATA_CONTRACT: rival_hash() },
        }],
    })
}

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

async fn expect(mut subscription: Subscription, wanted: &str) -> Result<(), String> {
    match tokio::time::timeout(Duration::from_secs(1), subscription.next()).await {
        Ok(Some(message)) if message.subject.as_str() == wanted => Ok(()),
        other => Err(format!("no {wanted}, but {other:?}")),
    }
}

fn subject(text: String) -> Subject {
    Subject::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_enough_and_every_line_of_them_is_needed() {
    let text = permissions().to_string();
    let enough = works(&text).await;
    assert_eq!(enough, Ok(()), "{text}");
    each_is_needed(&text, 1 + 9 + 2 + 6 + 1, works).await;
}

/// Without any one of so many lines something does not work.
async fn each_is_needed(text: &str, count: usize, works: impl AsyncFn(&str) -> Result<(), String>) {
    let lines: Vec<&str> = text.lines().collect();
    let needed: Vec<(&str, String)> = (0..lines.len())
        .filter(|at| lines[*at].trim().starts_with(['"', 'a']))
        .map(|at| {
            let rest = [&lines[..at], &lines[at + 1..]].concat();
            (lines[at], rest.join("\n"))
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
