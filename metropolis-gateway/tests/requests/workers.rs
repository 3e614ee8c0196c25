//! What becomes of a request when its worker fails, is not there, or answers what it should not.

use super::*;

#[tokio::test]
async fn a_fault_keeps_its_status_and_gets_what_http_demands() {
    let app = app().await;
    for status in [400, 404, 409, 418, 422, 429, 500, 503, 599] {
        let response = refused(
            &app,
            ("GET", &format!("/fails?status={status}"), &[], ""),
            status,
            "wanted",
        )
        .await;
        assert!(!response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("proxy-status"));
    }
    let response = refused(&app, ("GET", "/fails?status=401", &[], ""), 401, "wanted").await;
    assert!(response.headers().contains_key("www-authenticate"));
    let response = refused(&app, ("GET", "/fails?status=405", &[], ""), 405, "wanted").await;
    assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    refused(&app, ("GET", "/fails?status=407", &[], ""), 500, "wanted").await;
    let response = refused(&app, ("GET", "/panics", &[], ""), 500, "internal").await;
    assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
}

#[tokio::test]
async fn a_task_nobody_serves_is_503() {
    let app = app().await;
    let response = refused(&app, ("GET", "/elsewhere", &[], ""), 503, "no_worker").await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        response.headers()["proxy-status"],
        "metropolis; error=destination_unavailable"
    );
}

#[tokio::test]
async fn a_task_that_is_too_slow_is_504() {
    let app = app().await;
    let response = refused(&app, ("GET", "/slow", &[], ""), 504, "timed_out").await;
    assert!(!response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_full_worker_is_503_with_a_time_to_come_back() {
    let app = app().await;
    let (one, two, three) = tokio::join!(app.get("/busy"), app.get("/busy"), app.get("/busy"));
    let busy: Vec<Response<Bytes>> = [one, two, three]
        .into_iter()
        .filter(|response| response.status() == 503)
        .collect();
    assert_eq!(busy.len(), 1);
    assert_eq!(body(&busy[0])["code"], "busy");
    assert_eq!(
        busy[0].headers()["proxy-status"],
        "metropolis; error=connection_limit_reached"
    );
    let seconds = busy[0].headers()["retry-after"].to_str().expect("ASCII");
    assert!(seconds.parse::<u64>().expect("a number") >= 1);
}

/// What a worker in another language might send: header lines and a payload.
type Reply = (&'static [(&'static str, &'static str)], Bytes);

/// Answers `liar.get` with one reply after another.
async fn lie(bus: &Bus, replies: Vec<Reply>) -> JoinHandle<()> {
    let subscription = bus.subscribe("liar.get", None, 10).await;
    let mut subscription = subscription.expect("a subscription");
    let bus = bus.clone();
    tokio::spawn(async move {
        for (headers, payload) in replies {
            let request = subscription.next().await.expect("a request");
            let mut outgoing = Outgoing::empty(request.reply.expect("a reply subject"));
            for (name, value) in headers {
                outgoing.headers.append(*name, *value).expect("a header");
            }
            outgoing.payload = payload;
            let deadline = Instant::now() + Duration::from_secs(1);
            bus.publish(outgoing, deadline).await.expect("published");
        }
    })
}

/// Sends replies and checks status and code of what comes of each.
async fn hostile(cases: Vec<(Reply, u16, &str)>) {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    let liar = lie(
        &bus,
        cases.iter().map(|(reply, _, _)| reply.clone()).collect(),
    )
    .await;
    for ((headers, payload), status, code) in cases {
        let shown = format!("{headers:?} {:?}", &payload[..payload.len().min(20)]);
        let response = app.get("/liar").await;
        assert_eq!(response.status(), status, "{shown}");
        if status == 200 {
            assert_eq!(response.headers()["content-type"], "application/json");
        } else {
            assert_eq!(body(&response)["code"], code, "{shown}");
        }
        assert!(!response.headers().contains_key("set-cookie"));
    }
    liar.await.expect("every reply was wanted");
}

#[tokio::test]
async fn a_payload_that_is_not_json_does_no_harm() {
    let plain = |payload: &'static [u8]| -> Reply { (&[], Bytes::from_static(payload)) };
    hostile(vec![
        (plain(b"7"), 200, ""),
        (plain(b"null"), 200, ""),
        (plain(b""), 502, "bad_answer"),
        (plain(b"not json"), 502, "bad_answer"),
        (plain(b"{} {}"), 502, "bad_answer"),
        (plain(b"\"\xFF\""), 502, "bad_answer"),
        ((&[], b"[".repeat(1024 * 1024).into()), 502, "bad_answer"),
    ])
    .await;
}

#[tokio::test]
async fn no_header_of_a_hostile_worker_does_harm() {
    let with = |headers| -> Reply { (headers, Bytes::from_static(b"1")) };
    hostile(vec![
        (with(&[("Nats-Service-Error-Code", "abc")]), 500, "unknown"),
        (with(&[("Nats-Service-Error-Code", "0")]), 500, "unknown"),
        (
            with(&[("Nats-Service-Error-Code", "99999")]),
            500,
            "unknown",
        ),
        (with(&[("Nats-Service-Error-Code", "200")]), 500, "unknown"),
        (with(&[("nats-service-error-code", "404")]), 404, "unknown"),
        (with(&[("Nats-Service-Error", "é")]), 500, "unknown"),
        (with(&[("Metropolis-Not-Started", "busy")]), 503, "busy"),
        (
            with(&[("Metropolis-Not-Started", "expired")]),
            504,
            "expired",
        ),
        (with(&[("Metropolis-Not-Started", "perhaps")]), 200, ""),
        (with(&[("Location", "é"), ("Set-Cookie", "a=b")]), 200, ""),
        (with(&[("Content-Type", "text/html")]), 200, ""),
    ])
    .await;
}

#[tokio::test]
async fn an_error_text_of_any_kind_gives_one_clean_answer() {
    let detail = format!("two\r\nlines, é and {}", "x".repeat(64 * 1024));
    let problem = json!({ "status": 418, "code": "teapot", "detail": detail });
    let payload = Bytes::from(problem.to_string());
    hostile(vec![(
        (&[("Nats-Service-Error-Code", "418")], payload),
        418,
        "teapot",
    )])
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    {
        let request = std::pin::pin!(app.get("/busy"));
        let waiting = tokio::time::timeout(Duration::from_millis(20), request).await;
        assert!(waiting.is_err());
        assert_eq!(bus.counters().in_flight, 1);
    }
    // The future is dropped with its scope.
    assert_eq!(bus.counters().in_flight, 0);
}

#[tokio::test]
async fn a_bus_that_is_gone_is_503_and_not_ready_but_alive() {
    let bus = Bus::embedded();
    let app = app_on(bus.clone()).await;
    assert_eq!(app.get("/readyz").await.status(), 200);
    bus.close(Instant::now()).await;
    let response = refused(&app, ("GET", "/readyz", &[], ""), 503, "unavailable").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(app.get("/healthz").await.status(), 200);
    refused(&app, ("GET", "/seen", &[], ""), 503, "unavailable").await;
}

#[tokio::test]
async fn the_routes_are_listed() {
    let app = app().await;
    let routes = body(&app.get("/_routes").await);
    let line = routes["routes"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|line| line["task"] == "reverse")
        .expect("a task");
    assert_eq!(
        *line,
        json!({
            "task": "reverse", "method": "POST", "path": "/foo/bar", "subject": "foo.bar", "queue": "worker",
            "description": "Returns the text reversed.",
        })
    );
    assert_eq!(
        (&routes["services"], &routes["quarantined"]),
        (&json!([]), &json!([]))
    );
}
