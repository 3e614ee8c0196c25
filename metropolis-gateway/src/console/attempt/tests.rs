use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let parsed = lines.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, value.parse().expect("header text"))
    });
    parsed.collect()
}

/// The status a request with these headers is refused with, beside the header of the console's own.
fn check(lines: &[(&'static str, &str)], expected: Result<(), u16>) {
    let marked = [&[("metropolis-console", "1")], lines].concat();
    let checked = check_origin(&headers(&marked));
    let status = |refusal: Refusal| refusal.into_response(None, None).status().as_u16();
    assert_eq!(checked.map_err(status), expected, "{lines:?}");
}

#[test]
fn the_page_of_the_console_may_try_requests() {
    for host in [
        "127.0.0.1:8080",
        "localhost:8080",
        "LOCALHOST",
        "[::1]:8080",
        "10.1.2.3:9090",
    ] {
        check(&[("host", host)], Ok(()));
        let origin = format!("http://{host}");
        check(&[("host", host), ("origin", &origin)], Ok(()));
        let site = ("sec-fetch-site", "same-origin");
        check(&[("host", host), ("origin", &origin), site], Ok(()));
    }
    check(&[("host", "[::1]"), ("origin", "https://[::1]")], Ok(()));
}

#[test]
fn pages_of_others_may_not() {
    let host = ("host", "127.0.0.1:8080");
    for site in ["cross-site", "same-site", "none", ""] {
        check(&[host, ("sec-fetch-site", site)], Err(403));
    }
    for origin in [
        "null",
        "http://evil.example",
        "http://127.0.0.1:8081",
        "127.0.0.1:8080",
        "http://127.0.0.1:8080/",
    ] {
        check(&[host, ("origin", origin)], Err(403));
    }
    check(&[], Err(403));
    let unmarked = headers(&[host, ("origin", "http://127.0.0.1:8080")]);
    assert!(check_origin(&unmarked).is_err());
}

#[test]
fn a_name_that_anybody_could_own_is_no_address() {
    for host in [
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.1.2",
    ] {
        let origin = format!("http://{host}");
        let site = ("sec-fetch-site", "same-origin");
        check(&[("host", host), ("origin", &origin), site], Err(403));
    }
}

fn typed(method: &str, path: &str) -> Result<(Parts, Full<Bytes>), Refusal> {
    let typed = serde_json::json!({ "method": method, "path": path });
    let attempt: Attempt = serde_json::from_value(typed).expect("an attempt");
    attempt.request()
}

#[test]
fn what_is_typed_is_a_request_to_a_path_of_this_gateway() {
    for (method, path) in [("GET", "/a/b?c=d"), ("DELETE", "/%41"), ("POST", "/")] {
        let (head, _) = typed(method, path).expect("a request");
        assert_eq!(
            (head.method.as_str(), head.uri.to_string().as_str()),
            (method, path)
        );
    }
    for (method, path) in [
        ("GET", "http://evil.example/a"),
        ("GET", "a"),
        ("GET", "*"),
        ("GET", ""),
        ("GET", "/a b"),
        ("G T", "/a"),
        ("", "/a"),
    ] {
        assert!(typed(method, path).is_err(), "{method} {path}");
    }
}

fn told(body: impl Into<Bytes>) -> serde_json::Value {
    let outcome = outcome(&Response::new(body.into()), Duration::from_micros(1500));
    serde_json::from_slice(outcome.body()).expect("JSON")
}

#[test]
fn an_answer_is_told_as_far_as_it_is_text_and_fits() {
    let short = told("abc");
    assert_eq!(
        (&short["body"], &short["bytes"], &short["is_cut"]),
        (&"abc".into(), &3.into(), &false.into())
    );
    assert_eq!(short["took_ms"], 1.5);
    assert_eq!(told(&b"\xff\xfe"[..])["body"], serde_json::Value::Null);
    // The cut is in the middle of a letter.
    let long = told(format!("a{}", "é".repeat(SHOWN_MAX)));
    assert_eq!(long["is_cut"], true);
    assert_eq!(long["body"].as_str().map(str::len), Some(SHOWN_MAX - 1));
}
