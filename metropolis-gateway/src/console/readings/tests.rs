use std::time::Instant;

use bytes::Bytes;
use metropolis::subject::Subject;
use metropolis::wire::Headers;
use serde_json::json;

use super::*;

fn incoming(answer: &Value, arrived: Instant) -> Incoming {
    Incoming {
        subject: Subject::parse("_INBOX.x").expect("a subject"),
        reply: None,
        headers: Headers::new(),
        payload: Bytes::from(answer.to_string()),
        arrived,
    }
}

fn answer(id: &str, requests: u64, calls: u64) -> Value {
    json!({
        "type": "io.nats.micro.v1.stats_response", "name": "users", "id": id, "version": "1.0.0",
        "metadata": { "metropolis.instance": "w" }, "started": "2026-01-01T00:00:00Z",
        "endpoints": [{
            "name": "get", "subject": "users.*.get", "queue_group": "q", "num_requests": requests, "num_errors": 0,
            "last_error": "", "processing_time": requests * 1000, "average_processing_time": 1000,
            "data": { "busy": 0, "calls": { "mail.send": calls } },
        }],
    })
}

fn after(readings: &Readings, answers: &[Value], now: Instant) -> Readings {
    let answers: Vec<Incoming> = answers.iter().map(|answer| incoming(answer, now)).collect();
    readings.with(answers.iter().filter_map(read), now)
}

fn instance<'r>(readings: &'r Readings, id: &str) -> &'r Instance {
    &readings.instances[&("users".to_owned(), id.to_owned())]
}

fn later(seconds: f64) -> Instant {
    // Far from the beginning, so that nothing underflows.
    static BEGUN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    *BEGUN + Duration::from_secs_f64(1000.0 + seconds)
}

#[test]
fn growth_is_the_difference_of_two_answers() {
    let first = after(&Readings::default(), &[answer("a", 10, 3)], later(0.0));
    assert_eq!(instance(&first, "a").endpoints[0].growth, None);
    let second = after(&first, &[answer("a", 14, 5)], later(2.0));
    let expected = Growth {
        seconds: 2.0,
        requests: 4,
        faults: 0,
        processing_ns: 4000,
        calls: BTreeMap::from([("mail.send".to_owned(), 2)]),
    };
    assert_eq!(instance(&second, "a").endpoints[0].growth, Some(expected));
    assert_eq!(instance(&second, "a").worker, "w");
}

#[test]
fn nothing_is_compared_with_what_is_old_or_was_more() {
    let first = after(&Readings::default(), &[answer("a", 10, 0)], later(0.0));
    for (requests, at) in [(14, 11.0), (14, 0.1), (9, 2.0)] {
        let second = after(&first, &[answer("a", requests, 0)], later(at));
        assert_eq!(
            instance(&second, "a").endpoints[0].growth,
            None,
            "{requests} {at}"
        );
    }
}

#[test]
fn who_does_not_answer_is_remembered_for_a_while() {
    let first = after(
        &Readings::default(),
        &[answer("a", 1, 0), answer("b", 1, 0)],
        later(0.0),
    );
    let second = after(&first, &[answer("a", 2, 0)], later(5.0));
    assert_eq!(second.instances.len(), 2);
    let third = after(&second, &[answer("a", 2, 0)], later(16.0));
    assert_eq!(third.instances.len(), 1);
}

#[test]
fn services_of_others_are_read_with_leniency() {
    let go = json!({ "name": "go", "id": "1", "version": "1.0.0", "metadata": null, "started": "", "endpoints": null });
    let python = json!({
        "name": "py", "id": "2", "version": "1.0.0",
        "endpoints": [
            { "name": "e", "subject": "py.e", "num_requests": 3, "last_error": null, "data": ["mine"] },
            { "name": "f", "subject": "py.f", "num_requests": -1, "processing_time": 1.5, "data": { "busy": "very" } },
        ],
    });
    let readings = after(&Readings::default(), &[go, python], later(0.0));
    let endpoints = &readings.instances[&("py".to_owned(), "2".to_owned())].endpoints;
    assert_eq!(endpoints[0].said.num_requests, 3);
    assert_eq!(
        (endpoints[1].said.num_requests, endpoints[1].said.data.busy),
        (0, None)
    );
    assert_eq!(readings.instances.len(), 2);
}

#[test]
fn what_strangers_say_is_bounded() {
    let mut loud = answer("a", 1, 1);
    let many: serde_json::Map<String, Value> =
        (0..1000).map(|n| (format!("code{n}"), 1.into())).collect();
    loud["endpoints"][0]["data"]["faults"] = many.into();
    loud["endpoints"][0]["last_error"] = "x\u{1b}[2J".repeat(1000).into();
    let mut named = answer("b", 1, 1);
    named["name"] = "no name".into();
    let mut long = answer("c", 1, 1);
    long["endpoints"][0]["subject"] = "x".repeat(1000).into();
    let mut large = answer("d", 1, 1);
    large["started"] = "x".repeat(ANSWER_BYTES_MAX).into();
    let readings = after(
        &Readings::default(),
        &[loud, named, long, large],
        later(0.0),
    );
    assert_eq!(readings.instances.len(), 2);
    assert!(instance(&readings, "c").endpoints.is_empty());
    let said = &instance(&readings, "a").endpoints[0].said;
    assert_eq!(said.data.faults.len(), ENTRIES_MAX);
    assert!(said.last_error.len() < 2000 && !said.last_error.contains('\u{1b}'));
}

#[test]
fn calls_beyond_the_bound_are_counted() {
    let calls: serde_json::Map<String, Value> = (0..ENTRIES_MAX)
        .map(|n| (format!("t{n}"), 1.into()))
        .collect();
    let endpoint = json!({ "name": "e", "subject": "many.e", "data": { "calls": calls } });
    let many = |id: usize| json!({ "name": "many", "id": id.to_string(), "endpoints": vec![endpoint.clone(); 100] });
    let answers: Vec<Value> = (0..11).map(many).collect();
    let readings = after(&Readings::default(), &answers, later(0.0));
    assert_eq!(
        readings.calls_left_out,
        11 * 100 * ENTRIES_MAX - ENTRIES_TOTAL_MAX
    );
}

#[test]
fn endpoints_beyond_the_bound_are_counted() {
    let endpoint = json!({ "name": "e", "subject": "many.e" });
    let many = |id: usize| {
        json!({
            "name": "many", "id": id.to_string(), "version": "1.0.0", "endpoints": vec![endpoint.clone(); 1000],
        })
    };
    let answers: Vec<Value> = (0..20).map(many).collect();
    let readings = after(&Readings::default(), &answers, later(0.0));
    let kept: usize = readings
        .instances
        .values()
        .map(|instance| instance.endpoints.len())
        .sum();
    assert_eq!(
        (kept, readings.left_out),
        (ENDPOINTS_MAX, 20_000 - ENDPOINTS_MAX)
    );
}
