//! The table of status codes, each row caused over a real socket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as PollContext, Waker};
use std::time::{Duration, Instant};

use metropolis::bus::{IN_FLIGHT_MAX, Outgoing};
use metropolis::subject::Subject;
use metropolis::{Bus, Fault, Worker};
use metropolis_tests::{NatsServer, eventually};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::exchange::{Answer, ask, get, request};
use crate::parties::{House, PATIENCE, connect, gateway};
use crate::paths::{echo, echo_body, echo_query};
use crate::peer::Peer;

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    status: u16,
}

#[metropolis::task(subject = "hostile.fails.get")]
async fn fails(wanted: Wanted) -> Result<(), Fault> {
    Err(Fault::new(wanted.status, "wanted", "as you wish"))
}

#[metropolis::task(subject = "hostile.panics.get")]
async fn panics() -> String {
    panic!("the secret is in src/secret.rs")
}

#[metropolis::task(subject = "hostile.breaks.get")]
async fn breaks() -> Result<String, Fault> {
    Err(std::io::Error::other("the secret is in src/secret.rs"))?
}

#[metropolis::task(subject = "hostile.overflows.get")]
async fn overflows() -> String {
    "x".repeat(2 << 20)
}

#[metropolis::task(subject = "hostile.hangs.get", timeout = "100ms")]
async fn hangs() -> String {
    std::future::pending().await
}

#[metropolis::task(subject = "hostile.occupied.get", concurrency = 1)]
async fn occupied() -> String {
    std::future::pending().await
}

/// Nobody serves it.
#[metropolis::task(subject = "hostile.elsewhere.get")]
async fn elsewhere() -> String;

/// Somebody takes it and does not answer.
#[metropolis::task(subject = "hostile.taken.get")]
async fn taken() -> String;

/// What every row says: status, code, `Retry-After`, the error of `Proxy-Status`.
type Row = (
    u16,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

#[track_caller]
fn check(answer: &Answer, (status, code, again, error): Row) {
    answer.is_problem(status, code);
    assert_eq!(answer.header("retry-after"), again, "{answer:?}");
    let error = error.map(|error| format!("metropolis; error={error}"));
    assert_eq!(
        answer.header("proxy-status"),
        error.as_deref(),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_problem_of_4xx() {
    let tasks = |worker: Worker| {
        worker
            .serve::<echo>()
            .serve::<echo_query>()
            .serve::<echo_body>()
    };
    let mut house = House::start(tasks).await;
    let text = "Content-Type: text/plain\r\n";
    let long = "x".repeat(9000);
    let large = "x".repeat(metropolis_gateway::BODY_MAX_DEFAULT + 1);
    let rows: &[(Vec<u8>, u16, &str)] = &[
        (get("/nowhere"), 404, "no_route"),
        (
            request("PUT", "/hostile/echo/a", "", ""),
            405,
            "method_not_allowed",
        ),
        (get("/hostile/echo/%zz"), 400, "bad_request"),
        (get("/hostile/echo/%FF"), 400, "bad_request"),
        (get("/hostile/echo/a?value=b"), 400, "bad_input"),
        (get("/hostile/query"), 400, "bad_input"),
        (
            request("GET", "/hostile/echo/a", "", "{}"),
            400,
            "bad_request",
        ),
        (request("POST", "/hostile/body", "", "{"), 400, "bad_input"),
        (
            request("POST", "/hostile/body", "", "{\"value\":1}"),
            400,
            "bad_input",
        ),
        (
            request("POST", "/hostile/body", "", large),
            413,
            "body_too_large",
        ),
        (
            get(format!("/hostile/query?value={long}")),
            414,
            "uri_too_long",
        ),
        (
            request("GET", "/hostile/echo/a", "Accept: text/html\r\n", ""),
            406,
            "not_acceptable",
        ),
        (
            get(format!("/hostile/echo/{}", &long[..300])),
            400,
            "values_too_long",
        ),
        (
            request("POST", "/hostile/body", text, "x"),
            415,
            "media_type",
        ),
        (
            request("GET", "/hostile/echo/a", format!("a: {long}{long}\r\n"), ""),
            431,
            "headers_too_large",
        ),
    ];
    for (bytes, status, code) in rows {
        let answer = ask(house.address(), bytes).await;
        check(&answer, (*status, code, None, None));
        let allow = (*status == 405).then_some("GET, HEAD, OPTIONS");
        assert_eq!(answer.header("allow"), allow);
        let accept =
            (*status == 415).then_some("application/json, application/x-www-form-urlencoded");
        assert_eq!(answer.header("accept-post"), accept);
    }
    house.seen().await;
    let answer = ask(
        house.address(),
        &request("POST", "/hostile/body", "", "{\"value\":1}"),
    )
    .await;
    assert_eq!(answer.json()["data"]["pointer"], "/value");
}

#[tokio::test]
async fn what_a_task_says_is_passed_on_as_it_is() {
    let house = House::start(|worker| worker.serve::<fails>()).await;
    for status in [400, 404, 410, 418, 451, 500, 501, 502, 503, 504, 599] {
        let answer = ask(
            house.address(),
            &get(format!("/hostile/fails?status={status}")),
        )
        .await;
        check(&answer, (status, "wanted", None, None));
    }
    for status in [0, 100, 200, 302, 399, 407, 600, 65_535] {
        let answer = ask(
            house.address(),
            &get(format!("/hostile/fails?status={status}")),
        )
        .await;
        check(&answer, (500, "wanted", None, None));
    }
    let answer = ask(house.address(), &get("/hostile/fails?status=401")).await;
    assert!(answer.header("www-authenticate").is_some());
    let answer = ask(house.address(), &get("/hostile/fails?status=405")).await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn what_a_task_does_wrong_is_500_and_tells_nothing() {
    let tasks = |worker: Worker| {
        worker
            .serve::<panics>()
            .serve::<breaks>()
            .serve::<overflows>()
    };
    let house = House::start(tasks).await;
    for (path, code) in [
        ("/hostile/panics", "internal"),
        ("/hostile/breaks", "internal"),
        ("/hostile/overflows", "reply_too_large"),
    ] {
        let answer = ask(house.address(), &get(path)).await;
        check(&answer, (500, code, None, None));
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("secret"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_task_that_is_too_slow_is_504() {
    let house = House::start(|worker| worker.serve::<hangs>()).await;
    let answer = ask(house.address(), &get("/hostile/hangs")).await;
    answer.is_problem(504, "timed_out");
    assert_eq!(answer.header("retry-after"), None);
    // The worker's own word wins where it is quick enough; only the gateway's has this header.
    let proxy = answer.header("proxy-status");
    assert!([None, Some("metropolis; error=http_response_timeout")].contains(&proxy));
}

#[tokio::test]
async fn a_task_that_nobody_serves_is_503() {
    // Without a witness, whose `>` counts as somebody who may answer.
    let server = NatsServer::start().await;
    let gateway = gateway(&connect(&server).await).start().await.unwrap();
    let answer = ask(gateway.address(), &get("/hostile/elsewhere")).await;
    let row = (503, "no_worker", Some("1"), Some("destination_unavailable"));
    check(&answer, row);
}

#[tokio::test]
async fn a_task_whose_places_are_taken_is_503() {
    let house = House::start(|worker| worker.serve::<occupied>()).await;
    let address = house.address();
    let waiting: Vec<_> = (0..2)
        .map(|_| tokio::spawn(async move { ask(address, &get("/hostile/occupied")).await }))
        .collect();
    eventually(PATIENCE, async || house.bus.counters().in_flight == 2).await;
    let answer = ask(address, &get("/hostile/occupied")).await;
    answer.is_problem(503, "busy");
    let again: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&again), "{again}");
    let proxy = answer.header("proxy-status");
    assert_eq!(proxy, Some("metropolis; error=connection_limit_reached"));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_connection_that_is_lost_says_what_may_have_happened() {
    let mut house = House::start(|worker| worker.serve::<echo>()).await;
    let address = house.address();
    let mut peer = Peer::start(&house.server, "hostile.taken.get").await;
    let waiting = tokio::spawn(async move { ask(address, &get("/hostile/taken")).await });
    peer.request().await;
    house.server.kill().await;
    // It was sent: it may have run, and nobody may repeat it lightly.
    let answer = waiting.await.unwrap();
    check(
        &answer,
        (502, "connection_lost", None, Some("connection_terminated")),
    );
    assert_eq!(answer.json()["maybe_executed"], true);
    // It was not sent.
    let answer = ask(address, &get("/hostile/echo/a")).await;
    let row = (
        503,
        "unavailable",
        Some("1"),
        Some("destination_unavailable"),
    );
    check(&answer, row);
    assert!(answer.json().get("maybe_executed").is_none());
    check(&ask(address, &get("/readyz")).await, row);
    assert_eq!(ask(address, &get("/healthz")).await.status, 200);
    // What needs no bus is answered still, and everything else once it is back.
    assert_eq!(ask(address, &get("/nowhere")).await.status, 404);
    house.server.restart_on_same_port().await;
    eventually(PATIENCE, async || {
        ask(address, &get("/hostile/echo/a")).await.status == 200
    })
    .await;
    assert_eq!(ask(address, &get("/readyz")).await.status, 200);
}

#[tokio::test]
async fn too_many_requests_in_flight_are_503() {
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone()).serve::<echo>();
    let gateway = gateway(&bus).with_worker(worker).start().await.unwrap();
    let subject = Subject::parse("nobody.answers").unwrap();
    let _silent = bus.subscribe("nobody.answers", None, 1).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut pending: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for _ in 0..IN_FLIGHT_MAX {
        let outgoing = Outgoing::empty(subject.clone());
        let mut request = Box::pin(bus.request(outgoing, deadline));
        let mut context = PollContext::from_waker(Waker::noop());
        assert!(request.as_mut().poll(&mut context).is_pending());
        pending.push(request);
    }
    assert_eq!(bus.counters().in_flight, IN_FLIGHT_MAX);
    let answer = ask(gateway.address(), &get("/hostile/echo/a")).await;
    let row = (
        503,
        "overloaded",
        Some("1"),
        Some("connection_limit_reached"),
    );
    check(&answer, row);
    drop(pending);
    let answer = ask(gateway.address(), &get("/hostile/echo/a")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_gateway_that_stops_is_not_ready_and_answers_what_it_has() {
    let house = House::start(|worker| worker.serve::<echo>()).await;
    let address = house.address();
    // A connection that is open keeps the gateway lingering.
    let mut client = metropolis_tests::HttpClient::connect(address).await;
    assert_eq!(client.send("GET", "/readyz", &[], "").await.status, 200);
    let stopping = tokio::spawn(house.gateway.stop());
    let mut ready = client.send("GET", "/readyz", &[], "").await;
    if ready.status == 200 {
        ready = client.send("GET", "/readyz", &[], "").await;
    }
    assert_eq!(ready.status, 503);
    assert_eq!(ready.header("retry-after"), Some("1"));
    assert_eq!(ready.header("connection"), Some("close"));
    stopping.await.unwrap();
}
