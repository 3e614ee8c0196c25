use std::time::Instant;

use serde_json::{Value, json};

use super::super::readings::{EndpointStats, Growth, Reading};
use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::admission;
use crate::discovery::Seen;
use crate::fixed::{self, StaticRoute};

fn admitted(routes: &[(&str, &str)]) -> Admitted {
    let routes: Vec<StaticRoute> = routes
        .iter()
        .map(|(http, subject)| StaticRoute::new(*http, *subject))
        .collect();
    let own = fixed::beside(Vec::new(), &routes).expect("good routes");
    admission::admit(&own, &Seen::default(), &HashSet::new())
}

fn reading(subject: &str, calls: &[(&str, u64)]) -> Reading {
    let calls: BTreeMap<&str, u64> = calls.iter().copied().collect();
    let said = json!({ "name": "named", "subject": subject, "num_requests": 5, "data": { "calls": calls } });
    let said: EndpointStats = serde_json::from_value(said).expect("statistics");
    Reading {
        growth: Some(Growth {
            seconds: 1.0,
            requests: 2,
            faults: 0,
            processing_ns: 0,
            calls: said.data.calls.clone(),
        }),
        said,
    }
}

fn readings(instances: Vec<(&str, &str, Vec<Reading>)>) -> Readings {
    let heard = Instant::now();
    let instances = instances.into_iter().map(|(service, id, endpoints)| {
        let instance = Instance {
            version: "1.0.0".to_owned(),
            worker: id.to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            heard,
            endpoints,
        };
        ((service.to_owned(), id.to_owned()), Arc::new(instance))
    });
    Readings {
        instances: instances.collect(),
        left_out: 0,
        calls_left_out: 0,
        asked: Some(heard),
    }
}

fn view(admitted: Admitted, readings: Readings) -> View {
    View {
        find: String::new(),
        subject: String::new(),
        admitted: Arc::new(admitted),
        readings: Arc::new(readings),
        trouble: None,
        about: About {
            version: "0.1.0",
            is_discovering: false,
            has_docs: true,
            address: None,
        },
        now: Now {
            is_ready: true,
            is_elsewhere: false,
        },
        uptime: Duration::from_secs(1),
        bus: Bus::embedded(),
    }
}

fn picture(view: &View) -> Value {
    serde_json::from_slice(&view.to_json()).expect("JSON")
}

fn column<'v>(list: &'v Value, name: &str) -> Vec<&'v Value> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|line| &line[name])
        .collect()
}

#[test]
fn routes_and_numbers_meet_at_what_is_subscribed_to() {
    let routes = [
        ("GET /users/{id}", "users.{id}"),
        ("DELETE /users/{id}", "users.{id}"),
    ];
    let said = readings(vec![
        ("users", "a", vec![reading("users.*", &[])]),
        (
            "users",
            "b",
            vec![reading("users.*", &[]), reading("hidden", &[])],
        ),
    ]);
    let picture = picture(&view(admitted(&routes), said));
    assert_eq!(
        column(&picture["tasks"], "subject"),
        ["hidden", "users.{id}"]
    );
    assert_eq!(
        column(&picture["tasks"], "source"),
        ["unrouted", "configured"]
    );
    let task = &picture["tasks"][1];
    assert_eq!(column(&task["routes"], "method"), ["GET", "DELETE"]);
    assert_eq!(
        (&task["numbers"]["requests"], &task["numbers"]["rate"]),
        (&10.into(), &4.0.into())
    );
    assert_eq!(task["services"], json!(["users"]));
    assert_eq!(column(&picture["services"], "state"), ["served"]);
    assert_eq!(picture["totals"]["numbers"]["requests"], 15);
}

#[test]
fn a_task_that_nobody_speaks_for_has_no_numbers() {
    let picture = picture(&view(admitted(&[("GET /a", "a")]), Readings::default()));
    assert_eq!(picture["tasks"][0]["numbers"], Value::Null);
    assert_eq!(picture["services"], json!([]));
}

#[test]
fn calls_lead_to_tasks_however_their_subjects_are_written() {
    let routes = [("GET /users/{id}", "users.{id}.get"), ("GET /a", "a")];
    let calls = [
        ("users.{id}.get", 1),
        ("users.*.get", 2),
        ("users.7.get", 4),
        ("far.away", 8),
    ];
    let said = readings(vec![("a", "1", vec![reading("a", &calls)])]);
    let picture = picture(&view(admitted(&routes), said));
    assert_eq!(column(&picture["calls"], "from"), ["a", "a"]);
    assert_eq!(
        column(&picture["calls"], "to"),
        ["far.away", "users.{id}.get"]
    );
    assert_eq!(column(&picture["calls"], "is_known"), [false, true]);
    assert_eq!(column(&picture["calls"], "count"), [8, 7]);
    assert_eq!(column(&picture["calls"], "rate"), [8.0, 7.0]);
}

#[test]
fn one_task_is_shown_by_its_instances() {
    let said = readings(vec![
        ("users", "a", vec![reading("users.*", &[])]),
        ("users", "b", vec![reading("other", &[])]),
    ]);
    let mut view = view(admitted(&[("GET /users/{id}", "users.{id}")]), said);
    view.subject = "users.{id}".to_owned();
    assert_eq!(column(&picture(&view)["instances"], "instance"), ["a"]);
}

#[test]
fn what_is_left_out_is_counted_and_can_be_found() {
    let names: Vec<String> = (0..TASKS_MAX + 20).map(|n| format!("task{n:04}")).collect();
    let endpoints = names.iter().map(|name| reading(name, &[])).collect();
    let mut view = view(
        Admitted::default(),
        readings(vec![("many", "a", endpoints)]),
    );
    let all = picture(&view);
    assert_eq!(all["left_out"]["tasks"], 20);
    assert_eq!(all["totals"]["tasks"], TASKS_MAX + 20);
    view.find = "task0519".to_owned();
    let found = picture(&view);
    assert_eq!(column(&found["tasks"], "subject"), ["task0519"]);
    assert_eq!(found["left_out"]["tasks"], 0);
    assert_eq!(found["totals"]["tasks"], TASKS_MAX + 20);
    view.subject = "task0001".to_owned();
    assert_eq!(
        column(&picture(&view)["tasks"], "subject"),
        ["task0519", "task0001"]
    );
}

#[test]
fn instances_are_cut_over_all_services() {
    let instance = |id: usize| ("s", id.to_string());
    let ids: Vec<(&str, String)> = (0..INSTANCES_MAX + 3).map(instance).collect();
    let said = ids
        .iter()
        .map(|(service, id)| (*service, id.as_str(), vec![reading("a", &[])]));
    let picture = picture(&view(Admitted::default(), readings(said.collect())));
    assert_eq!(picture["left_out"]["instances"], 3);
    assert_eq!(picture["totals"]["instances"], INSTANCES_MAX + 3);
}

#[test]
fn what_has_not_changed_is_not_drawn_again() {
    let one = view(admitted(&[("GET /a", "a")]), Readings::default());
    let mut other = view(Admitted::default(), Readings::default());
    assert!(!one.is_same(&other));
    other.admitted = Arc::clone(&one.admitted);
    other.readings = Arc::clone(&one.readings);
    other.uptime *= 7;
    assert!(one.is_same(&other));
    other.find = "a".to_owned();
    assert!(!one.is_same(&other));
}
