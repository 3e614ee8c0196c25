//! Dispatch of a task with no bus: time and allocations per call, beside the same serde work done by hand.
//!
//! `cargo bench -p metropolis-tests --bench dispatch`. The counting allocator is why this is a binary of its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use metropolis::__private::Alone;
use metropolis::bus::Incoming;
use metropolis::subject::Subject;
use metropolis::wire::Headers;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use report::{Spread, ratio};

#[path = "../report.rs"]
mod report;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 15;
const CALLS: u32 = 100_000;

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
    fn nanoseconds(&self) -> f64 {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box((self.answer)());
        }
        per_call(start.elapsed())
    }

    fn allocations(&self) -> (u64, u64) {
        let counted = allocation_counter::measure(|| drop(black_box((self.answer)())));
        (counted.count_total, counted.bytes_total)
    }
}

fn per_call(time: Duration) -> f64 {
    time.as_nanos() as f64 / f64::from(CALLS)
}

fn main() {
    let whole = Bytes::from_static(br#"{"id":12345,"text":"abcdefghij"}"#);
    let rest = Bytes::from_static(br#"{"text":"abcdefghij"}"#);
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
    report::publish("bench-dispatch", &report(&contenders));
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
fn report(contenders: &[Contender<'_>]) -> String {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..=ROUNDS {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let time = contender.nanoseconds();
            if round > 0 {
                times.push(time);
            }
        }
    }
    let rows: Vec<Vec<String>> = contenders
        .iter()
        .zip(&times)
        .map(|(contender, of_it)| row(contender, of_it, &times[0]))
        .collect();
    let heads = ["one call, no bus", "ns", "ratio", "allocations", "bytes"];
    format!("## Dispatch\n\n{}", report::table(&heads, &rows))
}

fn row(contender: &Contender<'_>, times: &[f64], baseline: &[f64]) -> Vec<String> {
    let (allocations, bytes) = contender.allocations();
    vec![
        contender.name.to_owned(),
        format!("{:.0}", Spread::of(times.iter().copied())),
        ratio(times, baseline).to_string(),
        allocations.to_string(),
        bytes.to_string(),
    ]
}
