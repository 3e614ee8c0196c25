use metropolis::bus::RequestError;
use serde_json::Value;

use super::*;

/// Checks status, code, `Proxy-Status` error and `Retry-After` of an answer of the gateway's own.
fn check(refusal: Refusal, status: u16, code: &str, proxy_error: &str, retry_after: &str) {
    let shown = format!("{refusal:?}");
    let response = refusal.into_response(None, None);
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or("", |value| value.to_str().expect("ASCII"))
    };
    let error = header("proxy-status").trim_start_matches("metropolis; error=");
    assert_eq!(
        (response.status().as_u16(), error, header("retry-after")),
        (status, proxy_error, retry_after),
        "{shown}"
    );
    assert_eq!(header("content-type"), PROBLEM_JSON);
    let problem: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(
        (problem["status"].as_u64(), problem["code"].as_str()),
        (Some(status.into()), Some(code)),
        "{shown}"
    );
    assert_eq!(
        problem["maybe_executed"] == true,
        code == "connection_lost",
        "{shown}"
    );
    let text = problem["detail"].as_str().expect("a detail");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_the_client_did_wrong_is_its_own_fault() {
    check(Refusal::NotFound, 404, "no_route", "", "");
    check(Refusal::Method, 405, "method_not_allowed", "", "");
    check(Refusal::Path(PathError::Dots), 400, "bad_request", "", "");
    check(Refusal::Bad("because"), 400, "bad_request", "", "");
    check(
        Refusal::ValuesTooLong { max: 1 },
        400,
        "values_too_long",
        "",
        "",
    );
    check(Refusal::NotAcceptable, 406, "not_acceptable", "", "");
    check(Refusal::BodyTimeout, 408, "body_timeout", "", "");
    check(
        Refusal::BodyTooLarge { max: 1 },
        413,
        "body_too_large",
        "",
        "",
    );
    check(Refusal::UriTooLong { max: 1 }, 414, "uri_too_long", "", "");
    check(
        Refusal::HeadersTooLarge {
            max: 1,
            what: "bytes",
        },
        431,
        "headers_too_large",
        "",
        "",
    );
    check(
        Refusal::Call(CallError::BadInput("secret".to_owned())),
        413,
        "body_too_large",
        "",
        "",
    );
    check(
        Refusal::Call(CallError::NotSent(RequestError::SubjectTooLong)),
        400,
        "values_too_long",
        "",
        "",
    );
}

#[test]
fn nothing_ran_where_the_client_may_try_again() {
    let call = |error| Refusal::Call(error);
    let gone = "destination_unavailable";
    let full = "connection_limit_reached";
    check(
        call(CallError::NoWorker("secret".to_owned())),
        503,
        "no_worker",
        gone,
        "1",
    );
    check(
        call(CallError::NotSent(RequestError::NotConnected)),
        503,
        "unavailable",
        gone,
        "1",
    );
    check(Refusal::NotReady, 503, "unavailable", gone, "1");
    check(
        call(CallError::NotSent(RequestError::Overloaded)),
        503,
        "overloaded",
        full,
        "1",
    );
    for (ms, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
        let retry_after = Duration::from_millis(ms);
        check(
            call(CallError::Busy {
                retry_after,
                places: None,
            }),
            503,
            "busy",
            full,
            seconds,
        );
    }
}

#[test]
fn what_may_have_run_is_never_to_be_tried_again() {
    let late = "http_response_timeout";
    check(
        Refusal::Call(CallError::TimedOut(Duration::ZERO)),
        504,
        "timed_out",
        late,
        "",
    );
    check(Refusal::Call(CallError::Expired), 504, "expired", late, "");
    check(
        Refusal::Call(CallError::ConnectionLost),
        502,
        "connection_lost",
        "connection_terminated",
        "",
    );
    check(
        Refusal::BadAnswer("secret"),
        502,
        "bad_answer",
        "http_protocol_error",
        "",
    );
}

#[test]
fn a_fault_is_the_workers_and_not_the_gateways() {
    let fault = |status| Refusal::Call(CallError::Fault(Fault::new(status, "mine", "text")));
    for status in [400, 404, 409, 429, 500, 503, 599] {
        check(fault(status), status, "mine", "", "");
    }
    check(fault(200), 500, "mine", "", "");
    check(fault(407), 500, "mine", "", "");
}

#[test]
fn what_http_demands_of_a_status_is_added() {
    let fault = |status| Refusal::Call(CallError::Fault(Fault::new(status, "mine", "text")));
    let allow = HeaderValue::from_static("GET");
    assert_eq!(
        fault(405).into_response(Some(&allow), None).headers()[ALLOW],
        "GET"
    );
    assert_eq!(
        Refusal::Method.into_response(Some(&allow), None).headers()[ALLOW],
        "GET"
    );
    assert_eq!(
        fault(401).into_response(None, None).headers()[WWW_AUTHENTICATE],
        "Bearer"
    );
    assert!(
        !fault(404)
            .into_response(Some(&allow), None)
            .headers()
            .contains_key(ALLOW)
    );
}

#[test]
fn every_documented_row_has_a_code_of_its_own() {
    let rows: Vec<&Row> = OF_EVERY_ROUTE.iter().chain(OF_BODIES).collect();
    for (at, row) in rows.iter().enumerate() {
        assert!(
            rows[..at].iter().all(|other| other.code != row.code),
            "{}",
            row.code
        );
    }
}
