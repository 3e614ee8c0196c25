//! What is refused before anything is sent.

use super::*;

#[tokio::test]
async fn methods_that_are_not_there_are_named() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/items/7", &[], ""),
        405,
        "method_not_allowed",
    )
    .await;
    assert_eq!(
        response.headers()["allow"],
        "GET, PUT, DELETE, HEAD, OPTIONS"
    );
    refused(
        &app,
        ("BREW", "/items/7", &[], ""),
        405,
        "method_not_allowed",
    )
    .await;
    let response = send(&app, "OPTIONS", "/foo/bar", &[], "").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (204, &HeaderValue::from_static("POST, OPTIONS"))
    );
    let response = send(&app, "HEAD", "/items/7", &[], "").await;
    assert_eq!(response.status(), 200);
    assert!(response.body().is_empty());
    let length = app.get("/items/7").await.body().len();
    assert_eq!(response.headers()["content-length"], length.to_string());
}

#[tokio::test]
async fn paths_that_are_not_there_are_404() {
    let app = app().await;
    for path in [
        "/",
        "/foo",
        "/foo/bar/",
        "//foo/bar",
        "/foo.bar",
        "/hidden",
        "/items",
        "/foo%2Fbar",
        "/names/",
    ] {
        refused(&app, ("POST", path, &[], ""), 404, "no_route").await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_400() {
    let app = app().await;
    for path in [
        "/names/%",
        "/names/%FF",
        "/names/%00",
        "/names/..",
        "/names/%2e",
        "/names/%C0%AE",
        "/names/a?x=%zz",
    ] {
        refused(&app, ("GET", path, &[], ""), 400, "bad_request").await;
    }
    refused(&app, ("GET", "/items/7", &[], "{}"), 400, "bad_request").await;
    let twice = [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    refused(&app, ("POST", "/foo/bar", &twice, "{}"), 400, "bad_request").await;
    let both = [("content-length", "2"), ("transfer-encoding", "chunked")];
    refused(&app, ("POST", "/foo/bar", &both, "{}"), 400, "bad_request").await;
    refused(
        &app,
        ("POST", "/foo/bar", &[("x-request-id", "\t")], "{}"),
        400,
        "bad_input",
    )
    .await;
    refused(
        &app,
        ("POST", "/foo/bar", &[("x-request-id", "a\tb")], "{}"),
        400,
        "bad_request",
    )
    .await;
}

#[tokio::test]
async fn what_does_not_fit_the_input_is_400_and_says_where() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/foo/bar", &[], r#"{"data":1}"#),
        400,
        "bad_input",
    )
    .await;
    assert_eq!(body(&response)["data"]["pointer"], "/data");
    let response = refused(&app, ("GET", "/items/x", &[], ""), 400, "bad_input").await;
    assert_eq!(body(&response)["data"]["pointer"], "/id");
    for request in [
        ("POST", "/foo/bar", ""),
        ("POST", "/foo/bar", "{"),
        ("POST", "/foo/bar", "[]"),
        ("PUT", "/items/7", r#"{"id":7}"#),
        ("GET", "/items/7?id=7", ""),
        ("GET", "/items/7?note=a&note=b", ""),
    ] {
        refused(
            &app,
            (request.0, request.1, &[], request.2),
            400,
            "bad_input",
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let app = app().await;
    let large = "x".repeat(1001);
    refused(
        &app,
        ("POST", "/foo/bar", &[], &large),
        413,
        "body_too_large",
    )
    .await;
    let text = format!("{{\"data\":\"{}\"}}", "x".repeat(989));
    assert_eq!(
        send(&app, "POST", "/foo/bar", &[], &text).await.status(),
        200
    );
    let path = format!("/names/{}", "x".repeat(8 * 1024));
    refused(&app, ("GET", &path, &[], ""), 414, "uri_too_long").await;
    let path = format!("/names/{}", "x".repeat(250));
    let response = refused(&app, ("GET", &path, &[], ""), 400, "values_too_long").await;
    assert!(!String::from_utf8_lossy(response.body()).contains("names."));
    let many: Vec<(String, String)> = (0..81)
        .map(|number| (format!("x-{number}"), String::new()))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    refused(&app, ("GET", "/seen", &many, ""), 431, "headers_too_large").await;
    let long = "x".repeat(4097);
    refused(
        &app,
        ("GET", "/seen", &[("x-request-id", &long)], ""),
        431,
        "headers_too_large",
    )
    .await;
    let long = "x".repeat(17_000);
    refused(
        &app,
        ("GET", "/seen", &[("cookie", &long)], ""),
        431,
        "headers_too_large",
    )
    .await;
}

#[tokio::test]
async fn a_media_type_that_is_not_taken_is_415() {
    let app = app().await;
    let response = refused(
        &app,
        ("POST", "/foo/bar", &[("content-type", "text/plain")], "x"),
        415,
        "media_type",
    )
    .await;
    assert_eq!(
        response.headers()["accept-post"],
        "application/json, application/x-www-form-urlencoded"
    );
    let merge = [("content-type", "application/vnd.api+json")];
    assert_eq!(
        send(&app, "POST", "/foo/bar", &merge, r#"{"data":""}"#)
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_client_that_takes_no_json_is_told_before_anything_runs() {
    let app = app().await;
    let html: &[(&str, &str)] = &[("accept", "text/html")];
    refused(&app, ("GET", "/panics", html, ""), 406, "not_acceptable").await;
    let response = send(&app, "DELETE", "/items/7", html, "").await;
    assert_eq!(response.status(), 204);
}
