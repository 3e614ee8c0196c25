//! Dispatch of a task with no bus: time and allocations per call, beside the same serde work done by hand.
//!
//! `cargo bench -p metropolis-tests --bench dispatch`. The counting allocator is why this is a binary of its own.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use metropolis::__private::Alone;
use metropolis::bus::Incoming;
use metropolis::subject::Subject;
use metropolis::wire::Headers;
use metropolis_tests::measure::Plan;
use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::report::{self, Spread, ratio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 15;
/// Calls of one round; fewer of those that take long.
const CALLS: u32 = 100_000;
const LARGE_CALLS: u32 = 20_000;

/// The text of a ping that makes 32 bytes of JSON, and of one that makes 4 KiB.
const TEXTS: [usize; 2] = [10, 4074];

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

#[metropolis::task(subject = "bench.plain")]
async fn plain(ping: Ping) -> Ping {
    ping
}

#[metropolis::task(subject = "bench.{id}.keyed")]
async fn keyed(ping: Ping) -> Ping {
    ping
}

/// One way to answer a request.
struct Contender<'a> {
    name: &'a str,
    answer: &'a dyn Fn() -> Bytes,
}

impl Contender<'_> {
    fn nanoseconds(&self, calls: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            black_box((self.answer)());
        }
        start.elapsed().as_nanos() as f64 / f64::from(calls)
    }

    fn allocations(&self) -> (u64, u64) {
        let counted = allocation_counter::measure(|| drop(black_box((self.answer)())));
        (counted.count_total, counted.bytes_total)
    }
}

fn main() {
    let Part::Bench(plan) = Part::of_this_process() else {
        panic!("this bench has no roles");
    };
    let rows: Vec<_> = TEXTS
        .iter()
        .flat_map(|text| figures(&plan, *text))
        .collect();
    let heads = ["one call, no bus", "ns", "ratio", "allocations", "bytes"];
    let table = report::table(&heads, &rows);
    report::publish("dispatch", &format!("## Dispatch\n\n{table}"));
}

/// All contenders with a payload of one size.
fn figures(plan: &Plan, text: usize) -> Vec<Vec<String>> {
    let text = "a".repeat(text);
    let whole = Bytes::from(format!(r#"{{"id":12345,"text":"{text}"}}"#));
    let rest = Bytes::from(format!(r#"{{"text":"{text}"}}"#));
    let (plain, to_plain) = (Alone::of::<plain>(), subject("bench.plain"));
    let (keyed, to_keyed) = (Alone::of::<keyed>(), subject("bench.12345.keyed"));
    let contenders = [
        Contender {
            name: "serde by hand",
            answer: &|| by_hand(&whole),
        },
        Contender {
            name: "task",
            answer: &|| ask(&plain, &to_plain, &whole),
        },
        Contender {
            name: "task with a parameter in its subject",
            answer: &|| ask(&keyed, &to_keyed, &rest),
        },
    ];
    for contender in &contenders {
        assert_eq!((contender.answer)(), whole, "{}", contender.name);
    }
    compare(plan, &contenders, whole.len())
}

fn subject(text: &'static str) -> Subject {
    Subject::parse(text).expect("a subject of this file")
}

fn ask(task: &Alone, subject: &Subject, payload: &Bytes) -> Bytes {
    let incoming = Incoming {
        subject: subject.clone(),
        reply: None,
        headers: Headers::new(),
        payload: payload.clone(),
        arrived: Instant::now(),
    };
    let (_, reply) = task.answer(incoming).expect("the task does not wait");
    reply
}

fn by_hand(payload: &Bytes) -> Bytes {
    let ping: Ping = serde_json::from_slice(payload).expect("the payload is a ping");
    serde_json::to_vec(&ping)
        .expect("a ping has a JSON form")
        .into()
}

/// The first contender is the baseline; the rounds go through all of them in turn.
fn compare(plan: &Plan, contenders: &[Contender<'_>], size: usize) -> Vec<Vec<String>> {
    let calls = if size < 1024 { CALLS } else { LARGE_CALLS };
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..=plan.rounds(ROUNDS) {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let time = contender.nanoseconds(calls);
            if round > 0 {
                times.push(time);
            }
        }
    }
    let rows = contenders.iter().zip(&times);
    rows.map(|(contender, of_it)| row(contender, size, of_it, &times[0]))
        .collect()
}

fn row(contender: &Contender<'_>, size: usize, times: &[f64], baseline: &[f64]) -> Vec<String> {
    let (allocations, bytes) = contender.allocations();
    vec![
        format!("{}, {size} B", contender.name),
        format!("{:.0}", Spread::of(times.iter().copied())),
        ratio(times, baseline).to_string(),
        allocations.to_string(),
        bytes.to_string(),
    ]
}
