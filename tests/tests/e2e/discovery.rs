//! The worker's side of discovery: ADR-32, contracts, announcements, and the refusal of a breaking start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use metropolis::bus::{Answer, Incoming, Outgoing, Subscription};
use metropolis::contract::{ContractError, ContractHash};
use metropolis::service::{self, FetchError, Info, Ping, Stats, fetch_contract, gather};
use metropolis::subject::Subject;
use metropolis::worker::StartError;
use metropolis::{Bus, TaskMeta, TaskSpec, Worker, wire};
use metropolis_tests::{WITNESS, eventually, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parts::{self, Parts, Tasks, on_both_buses, serving};

mod breaking;
mod strangers;

const SOON: Duration = Duration::from_secs(10);
/// How long a test waits for answers whose number it does not know.
const PATIENCE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct User {
    id: u64,
    name: Option<String>,
}

#[derive(Debug, Serialize, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {id}")]
    #[fault(status = 404, code = "user_not_found")]
    NotFound { id: u64 },
}

/// Looks a user up.
#[metropolis::task(subject = "discovery.users.{id}.get", queue = "users", timeout = "2s")]
async fn get_user(user: User) -> Result<User, UserFault> {
    match user.id {
        0 => Err(UserFault::NotFound { id: 0 }),
        _ => Ok(user),
    }
}

#[metropolis::task(subject = "discovery.hidden", http = "none", concurrency = 7)]
async fn hidden() {}

/// What the service `people` serves.
fn people() -> [Tasks; 1] {
    [serving::<get_user>().and::<hidden>().of_service("people")]
}

fn subject(text: impl Into<String>) -> Subject {
    Subject::parse(text.into()).unwrap()
}

/// Asks until so many have answered: on a busy machine one may take longer than the others are waited for.
async fn ask(bus: &Bus, question: &str, count: usize) -> Vec<Incoming> {
    let asking = async {
        loop {
            let answers = gather(bus, subject(question), PATIENCE).await.unwrap();
            assert!(
                answers.len() <= count,
                "{} answers to {question}",
                answers.len()
            );
            if answers.len() == count {
                return answers;
            }
        }
    };
    within(SOON, asking).await
}

async fn info(bus: &Bus) -> Info {
    Info::read(&ask(bus, service::INFO, 1).await[0].payload).unwrap()
}

/// Checks an answer against the schema that NATS publishes for it.
fn check_form(verb: &str, answer: &Value) {
    let schema = match verb {
        service::PING => include_str!("../../fixtures/micro/ping_response.json"),
        service::INFO => include_str!("../../fixtures/micro/info_response.json"),
        _ => include_str!("../../fixtures/micro/stats_response.json"),
    };
    let schema: Value = serde_json::from_str(schema).unwrap();
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {answer:#}");
    // The schemas take `null` too; ADR-32 does not.
    assert!(answer["metadata"].is_object(), "{answer:#}");
}

#[tokio::test]
async fn answers_have_the_published_form_for_all_by_name_and_by_id() {
    on_both_buses(people(), async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        let user = |id| User { id, name: None };
        client.call::<get_user>(&user(5)).await.unwrap();
        client.call::<get_user>(&user(0)).await.unwrap_err();
        for verb in [service::PING, service::INFO, service::STATS] {
            let by_id = format!("{verb}.people.{}", worker.instance());
            for question in [verb.to_owned(), format!("{verb}.people"), by_id] {
                let answers = ask(&parts.witness, &question, 1).await;
                check_form(verb, &serde_json::from_slice(&answers[0].payload).unwrap());
            }
            for question in [format!("{verb}.other"), format!("{verb}.people.other")] {
                ask(&parts.witness, &question, 0).await;
            }
        }
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn info_holds_what_a_gateway_needs_and_the_contract_the_rest() {
    on_both_buses(people(), async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let info = info(&parts.witness).await;
        assert_eq!(info.identity.name, "people");
        assert_eq!(info.identity.id, worker.instance());
        assert_eq!(info.identity.version, env!("CARGO_PKG_VERSION"));
        let [hidden, get] = &info.endpoints[..] else {
            panic!("two endpoints, not {info:?}");
        };
        assert_eq!(hidden.metadata[service::METADATA_HTTP], "none");
        assert_eq!(get.name, "get_user");
        assert_eq!(get.subject, "discovery.users.*.get");
        assert_eq!(get.queue_group, "users");
        assert_eq!(
            get.metadata[service::METADATA_SUBJECT],
            "discovery.users.{id}.get"
        );
        assert_eq!(
            get.metadata[service::METADATA_HTTP],
            "GET /discovery/users/{id}"
        );
        assert_eq!(get.metadata[service::METADATA_TIMEOUT_MS], "2000");
        let hash = ContractHash::parse(&get.metadata[service::METADATA_CONTRACT]).unwrap();
        let contract = fetch_contract(&parts.witness, &hash).await.unwrap();
        assert_eq!(
            contract.input.unwrap()["properties"]["id"]["maximum"],
            u64::MAX
        );
        assert_eq!(contract.faults[0].code, "user_not_found");
        assert_eq!((contract.status, contract.empty), (200, false));
        assert_eq!(contract.docs.trim(), "Looks a user up.");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn stats_count_what_the_worker_did() {
    on_both_buses(people(), async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        for id in [1, 2, 0] {
            let _ = client.call::<get_user>(&User { id, name: None }).await;
        }
        let refused = Outgoing {
            reply: Some(subject("$SYS.reply")),
            ..Outgoing::empty(subject("discovery.users.1.get"))
        };
        parts
            .witness
            .publish(refused, Instant::now() + SOON)
            .await
            .unwrap();
        let mut stats = None;
        eventually(SOON, async || {
            let answer = ask(&parts.witness, service::STATS, 1).await.remove(0);
            let read: Stats = serde_json::from_slice(&answer.payload).unwrap();
            let is_refused = read.endpoints[1].data.as_ref().unwrap()["refused"] == 1;
            stats = Some(read);
            is_refused
        })
        .await;
        let stats = stats.unwrap();
        let (hidden, get) = (&stats.endpoints[0], &stats.endpoints[1]);
        assert_eq!((get.num_requests, get.num_errors), (3, 1));
        assert_eq!(get.last_error, "404:no user 0");
        assert!(get.processing_time > 0);
        assert_eq!(get.average_processing_time, get.processing_time / 3);
        let data = get.data.as_ref().unwrap();
        assert_eq!((&data["in_flight"], &data["busy"]), (&0.into(), &0.into()));
        assert_eq!(data["concurrency"], 256);
        assert_eq!((hidden.num_requests, &*hidden.last_error), (0, ""));
        assert_eq!(hidden.data.as_ref().unwrap()["concurrency"], 7);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn every_instance_answers_and_each_by_its_id() {
    let [one, other] = [people(), people()].map(|[tasks]| tasks);
    let parts = Parts::on_a_server([one, other]).await;
    let (workers, witness) = (parts.start().await, &parts.witness);
    let ids = |answers: Vec<Incoming>| {
        let id = |it: &Incoming| {
            serde_json::from_slice::<Ping>(&it.payload)
                .unwrap()
                .identity
                .id
        };
        answers.iter().map(id).collect::<BTreeSet<_>>()
    };
    let both: BTreeSet<_> = workers.iter().map(|it| it.instance().to_owned()).collect();
    assert_eq!(ids(ask(witness, "$SRV.PING", 2).await), both);
    assert_eq!(ids(ask(witness, "$SRV.PING.people", 2).await), both);
    for id in both {
        let alone = ask(witness, &format!("$SRV.PING.people.{id}"), 1).await;
        assert_eq!(ids(alone), BTreeSet::from([id]));
    }
    parts::stop(workers).await;
    ask(witness, "$SRV.PING", 0).await;
}

#[tokio::test]
async fn a_question_is_answered_in_an_inbox_or_not_at_all() {
    on_both_buses(people(), async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let mut elsewhere = parts
            .witness
            .subscribe("elsewhere.>", None, 16)
            .await
            .unwrap();
        for question in [service::PING, service::INFO, service::STATS] {
            for reply in [None, Some(subject("elsewhere.reply"))] {
                let question = Outgoing {
                    reply,
                    ..Outgoing::empty(subject(question))
                };
                parts
                    .witness
                    .publish(question, Instant::now() + SOON)
                    .await
                    .unwrap();
            }
        }
        ask(&parts.witness, service::PING, 1).await;
        assert!(elsewhere.try_next().is_none());
        worker.stop().await;
    })
    .await;
}

#[metropolis::task(subject = "discovery.blocks")]
async fn blocks() {
    std::thread::sleep(Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_blocks_its_thread_holds_up_no_answer() {
    on_both_buses([serving::<blocks>()], async |parts| {
        let bus = &parts.witness;
        let worker = parts.worker().start().await.unwrap();
        let call = Outgoing::empty(subject("discovery.blocks"));
        let start = Instant::now();
        bus.publish(call, Instant::now() + SOON).await.unwrap();
        for question in [service::PING, service::INFO, service::STATS] {
            bus.request(Outgoing::empty(subject(question)), Instant::now() + SOON)
                .await
                .unwrap();
        }
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "it took {:?}",
            start.elapsed()
        );
        worker.stop().await;
    })
    .await;
}

fn leaked(text: String) -> &'static str {
    text.leak()
}

/// A task of its own name and subject, as hundreds of functions would make them.
fn numbered(number: usize) -> TaskSpec {
    let mut spec = TaskSpec::of::<get_user>();
    spec.meta = TaskMeta {
        name: leaked(format!("look_up_something_with_a_longish_name_{number}")),
        subject: leaked(format!(
            "discovery.many.tasks.of.one.worker.number{number}.{{id}}"
        )),
        docs: leaked(format!("Task {number}. {}", "Has much to say. ".repeat(20))),
        ..spec.meta
    };
    spec
}

#[tokio::test]
async fn five_hundred_tasks_are_all_found_in_small_pieces() {
    const TASKS: usize = 500;
    let tasks = Tasks::default().with((0..TASKS).map(numbered));
    on_both_buses([tasks], async |parts| {
        let bus = &parts.witness;
        let worker = parts.worker().start().await.unwrap();
        let patience = Duration::from_secs(2);
        let answers = gather(bus, subject(service::INFO), patience).await.unwrap();
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for answer in &answers {
            assert!(answer.payload.len() <= service::INFO_MAX);
            check_form(
                service::INFO,
                &serde_json::from_slice(&answer.payload).unwrap(),
            );
            let info = Info::read(&answer.payload).unwrap();
            assert_eq!(info.identity.name, worker.service());
            let instance = &info.identity.metadata[service::METADATA_INSTANCE];
            assert_eq!(instance, worker.instance());
            names.extend(info.endpoints.into_iter().map(|endpoint| endpoint.name));
            ids.insert(info.identity.id);
        }
        assert_eq!(names.len(), TASKS);
        assert_eq!(ids.len(), answers.len());
        assert!(ids.len() > 1);
        for id in &ids {
            let question = format!("$SRV.STATS.{}.{id}", worker.service());
            let stats = ask(bus, &question, 1).await;
            check_form(
                service::STATS,
                &serde_json::from_slice(&stats[0].payload).unwrap(),
            );
        }
        within(SOON, worker.stop()).await;
    })
    .await;
}

async fn ask_part(bus: &Bus, hash: &ContractHash, payload: &'static str) -> Answer {
    let request = Outgoing {
        payload: payload.into(),
        ..Outgoing::empty(subject(format!("{}.{hash}", service::CONTRACT)))
    };
    bus.request(request, Instant::now() + SOON).await.unwrap()
}

#[tokio::test]
async fn a_large_contract_comes_in_parts() {
    let mut spec = TaskSpec::of::<get_user>();
    spec.meta.docs = leaked("A long story. ".repeat(50_000));
    on_both_buses([Tasks::default().with([spec])], async |parts| {
        let bus = &parts.witness;
        let worker = parts.worker().start().await.unwrap();
        let metadata = info(bus).await.endpoints.remove(0).metadata;
        let hash = ContractHash::parse(&metadata[service::METADATA_CONTRACT]).unwrap();
        let contract = fetch_contract(bus, &hash).await.unwrap();
        assert_eq!(contract.docs, spec.meta.docs);
        let first = ask_part(bus, &hash, "").await;
        assert_eq!(first.headers.get(wire::PARTS), Some("3"));
        assert_eq!(first.payload.len(), service::PART_MAX);
        assert_eq!(
            ask_part(bus, &hash, r#"{"part":0}"#).await.payload,
            first.payload
        );
        let last = ask_part(bus, &hash, r#"{"part":2}"#).await;
        assert_eq!(last.headers.get(wire::PARTS), Some("3"));
        for (payload, code) in [
            (r#"{"part":3}"#, "404"),
            (r#"{"part":-1}"#, "400"),
            ("x", "400"),
        ] {
            let refused = ask_part(bus, &hash, payload).await;
            assert_eq!(
                refused.headers.get(wire::ERROR_CODE),
                Some(code),
                "{payload}"
            );
        }
        worker.stop().await;
    })
    .await;
}

/// Serves something on a contract's subject that is no contract of that hash.
async fn forge(bus: &Bus, hash: &ContractHash, parts: &'static str, payload: &'static [u8]) {
    let filter = format!("{}.{hash}", service::CONTRACT);
    let mut requests = bus.subscribe(&filter, None, 16).await.unwrap();
    let bus = bus.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let mut reply = Outgoing::empty(request.reply.unwrap());
            reply.headers.append(wire::PARTS, parts).unwrap();
            reply.payload = payload.into();
            bus.publish(reply, Instant::now() + SOON).await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_contract_is_what_its_hash_says_or_an_error() {
    on_both_buses([serving::<hidden>()], async |parts| {
        let (witness, buses) = (&parts.witness, parts.buses());
        let hash = |at: usize| ContractHash::parse(&format!("{at:064}")).unwrap();
        let error = fetch_contract(&buses[0], &hash(0)).await.unwrap_err();
        assert!(matches!(error, FetchError::Unavailable(_)), "{error}");
        let large = vec![b'['; 512 * 1024].leak();
        for (at, parts, payload) in [
            (1, "1", &b"{\"status\":200}"[..]),
            (2, "0", b""),
            (3, "many", b""),
            (4, "100000", b""),
            (5, "1", b"\xff"),
            (6, "1", large),
            (7, "1000", large),
        ] {
            forge(witness, &hash(at), parts, payload).await;
            let error = fetch_contract(&buses[0], &hash(at)).await.unwrap_err();
            let fits = match at {
                1 => matches!(error, FetchError::Contract(ContractError::Mismatch { .. })),
                2..=4 => matches!(error, FetchError::Parts),
                5 | 6 => matches!(error, FetchError::Contract(ContractError::Unreadable(_))),
                _ => matches!(error, FetchError::Contract(ContractError::TooLarge { .. })),
            };
            assert!(fits, "{at}: {error}");
        }
    })
    .await;
}

async fn next(subscription: &mut Subscription) -> Incoming {
    within(SOON, subscription.next()).await.unwrap()
}

#[tokio::test]
async fn a_worker_says_that_it_comes_once_it_serves_and_that_it_goes_before_it_stops() {
    on_both_buses(people(), async |parts| {
        let mut announced = parts
            .witness
            .subscribe("metropolis.announce.>", None, 16)
            .await
            .unwrap();
        let mut left = parts
            .witness
            .subscribe("metropolis.leave.>", None, 16)
            .await
            .unwrap();
        let worker = parts.worker().start().await.unwrap();
        let id = worker.instance().to_owned();
        let news = next(&mut announced).await;
        assert_eq!(
            news.subject.as_str(),
            format!("metropolis.announce.people.{id}")
        );
        let info = Info::read(&news.payload).unwrap();
        assert_eq!(info, self::info(&parts.witness).await);
        let client = parts.client();
        client.call::<hidden>(&()).await.unwrap();
        let stopping = tokio::spawn(worker.stop());
        let news = next(&mut left).await;
        assert_eq!(
            news.subject.as_str(),
            format!("metropolis.leave.people.{id}")
        );
        let ping: Ping = serde_json::from_slice(&news.payload).unwrap();
        assert_eq!(ping.identity.id, id);
        // Whoever asks after the notice must not be told that it is still there.
        ask(&parts.witness, service::PING, 0).await;
        stopping.await.unwrap();
        parts.settle().await;
        assert!(announced.try_next().is_none() && left.try_next().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_service_name_that_is_no_token_is_a_mistake() {
    for name in ["", "a.b", "a b", "ä", ">"] {
        let worker = Worker::new(Bus::embedded()).serve::<hidden>();
        let error = worker.with_service(name).start().await.unwrap_err();
        assert!(error.to_string().contains("is no service name"), "{error}");
    }
}

#[tokio::test]
async fn a_version_that_is_none_does_not_spoil_the_answers() {
    let bus = Bus::embedded();
    let mut spec = TaskSpec::of::<hidden>();
    spec.meta.origin.version = "v1";
    let worker = Worker::new(bus.clone()).serve_spec(spec);
    let worker = worker.start().await.unwrap();
    let answer = ask(&bus, service::PING, 1).await.remove(0);
    check_form(
        service::PING,
        &serde_json::from_slice(&answer.payload).unwrap(),
    );
    worker.stop().await;
}
