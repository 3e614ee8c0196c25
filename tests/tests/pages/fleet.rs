//! Services made by hand that say what services may say: much, little, nothing, or what they had better not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use metropolis::Bus;
use metropolis::bus::Outgoing;
use metropolis::service::{ANNOUNCE, INFO, PING, STATS};
use metropolis::subject::Subject;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::SOON;

/// Would run, if anybody took it for markup.
pub(crate) const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// Services on a bus; dropping it silences them.
pub(crate) struct Fleet {
    asked: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Fleet {
    pub(crate) async fn start(bus: &Bus) -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for service in [ledger(), mailer(), rogue()] {
            for (question, kind) in [(PING, "ping"), (INFO, "info"), (STATS, "stats")] {
                let mut questions = bus.subscribe(question, None, 256).await.unwrap();
                let (bus, service, asked) = (bus.clone(), service.clone(), Arc::clone(&asked));
                tasks.spawn(async move {
                    while let Some(question) = questions.next().await {
                        let times = match kind {
                            "stats" => asked.fetch_add(1, Relaxed) / 3,
                            _ => 0,
                        };
                        if let Some(to) = question.reply {
                            publish(&bus, to, service.answer(kind, times)).await;
                        }
                    }
                });
            }
            let topic = format!("{ANNOUNCE}.{name}.{name}-1", name = service.name);
            let topic = Subject::parse(topic).unwrap();
            publish(bus, topic, service.answer("info", 0)).await;
        }
        Self {
            asked,
            _tasks: tasks,
        }
    }

    /// How often each was asked how it is.
    pub(crate) fn times_asked(&self) -> u64 {
        self.asked.load(Relaxed) / 3
    }
}

async fn publish(bus: &Bus, to: Subject, answer: Value) {
    let outgoing = Outgoing {
        payload: answer.to_string().into(),
        ..Outgoing::empty(to)
    };
    bus.publish(outgoing, Instant::now() + SOON).await.unwrap();
}

/// One service with one instance. The numbers of its endpoints grow with each question.
#[derive(Clone)]
struct Made {
    name: &'static str,
    /// Name, subject, route, requests between two questions, and what it says beyond the standard.
    endpoints: Vec<(&'static str, &'static str, &'static str, u64, Option<Value>)>,
}

impl Made {
    fn answer(&self, kind: &str, times: u64) -> Value {
        let endpoints = self.endpoints.iter();
        let endpoints: Vec<Value> = endpoints
            .map(|(name, subject, route, requests, data)| match kind {
                "info" => json!({
                    "name": name, "subject": subject, "queue_group": "q", "metadata": { "metropolis.http": route },
                }),
                _ => json!({
                    "name": name, "subject": subject, "queue_group": "q", "num_requests": 1000 + times * requests,
                    "num_errors": times, "last_error": format!("500:{MARKUP}"),
                    "processing_time": times * requests * 2_500_000, "average_processing_time": 2_500_000,
                    "data": data.as_ref().map(|data| grown(data, times)),
                }),
            })
            .collect();
        let mut answer = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"), "name": self.name,
            "id": format!("{}-1", self.name), "version": "2.1.0", "metadata": {},
        });
        match kind {
            "info" => answer["endpoints"] = endpoints.into(),
            "stats" => {
                answer["started"] = "2026-01-02T03:04:05Z".into();
                answer["endpoints"] = endpoints.into();
            }
            _ => {}
        }
        answer
    }
}

fn grown(data: &Value, times: u64) -> Value {
    let mut data = data.clone();
    if let Some(calls) = data["calls"].as_object_mut() {
        calls
            .values_mut()
            .for_each(|count| *count = (times * 20).into());
    }
    data
}

/// Says everything that a worker of ours says.
fn ledger() -> Made {
    let data = json!({
        "busy": 12, "expired": 3, "refused": 1, "in_flight": 230, "waiting": 4, "concurrency": 256, "timeout_ms": 5000,
        "paused": false, "faults": { "overdrawn": 7, MARKUP: 2 },
        "latency_ms": { "p50": 1.5, "p95": 12.25, "p99": 40.0 }, "queue_age_ms": { "p50": 0.1, "p95": 0.4, "p99": 3.0 },
        "calls": { "books.{id}.get": 0, "mail.send": 0, "far.away": 0 },
    });
    let mut paused = data.clone();
    paused["paused"] = true.into();
    paused["calls"] = json!({});
    Made {
        name: "ledger",
        endpoints: vec![
            ("append", "ledger.append", "POST /ledger", 40, Some(data)),
            (
                "balance",
                "ledger.balance",
                "GET /ledger/balance",
                0,
                Some(paused),
            ),
        ],
    }
}

/// A service of somebody else's, which says what the standard asks for.
fn mailer() -> Made {
    Made {
        name: "mailer",
        endpoints: vec![("send", "mail.send", "none", 20, None)],
    }
}

/// Wants what it cannot have.
fn rogue() -> Made {
    Made {
        name: "rogue",
        endpoints: vec![("take", "rogue.take", "GET /_console/x", 0, None)],
    }
}
