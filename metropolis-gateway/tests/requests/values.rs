//! What reaches a task, and what of its answer reaches the client.

use super::*;

#[tokio::test]
async fn a_body_reaches_the_task_and_its_value_comes_back() {
    let app = app().await;
    let response = app.post("/foo/bar", json!({ "data": "abc" })).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(body(&response), "cba");
}

#[tokio::test]
async fn texts_become_what_the_schema_says() {
    let app = app().await;
    let response = app.get("/items/7?tags=a&tags=b&note=").await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["a", "b"], "note": null })
    );
    let response = send(&app, "PUT", "/items/7", &[FORM], "tags=x+y&note=%26").await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["x y"], "note": "&" })
    );
    let response = send(&app, "PUT", "/items/7?note=q", &[], r#"{"tags":["a"]}"#).await;
    assert_eq!(
        body(&response),
        json!({ "id": 7, "tags": ["a"], "note": "q" })
    );
}

#[tokio::test]
async fn a_subject_can_take_its_values_from_the_body() {
    let app = app().await;
    let response = app.post("/moves", json!({ "id": 3, "tags": ["a"] })).await;
    assert_eq!(
        body(&response),
        json!({ "id": 3, "tags": ["a"], "note": null })
    );
    refused(
        &app,
        ("POST", "/moves", &[], r#"{"tags":[]}"#),
        400,
        "bad_input",
    )
    .await;
    refused(&app, ("POST", "/moves?id=", &[], "{}"), 400, "bad_input").await;
}

#[tokio::test]
async fn any_text_can_stand_in_a_path() {
    let app = app().await;
    for (raw, value) in [
        ("a%2Fb", "a/b"),
        ("%2A", "*"),
        ("%3E", ">"),
        ("a.b", "a.b"),
        ("%0D%0APUB%20x", "\r\nPUB x"),
        ("$JS.API", "$JS.API"),
        ("_INBOX.x", "_INBOX.x"),
        ("%252F", "%2F"),
        ("%C3%A9", "é"),
    ] {
        let response = app.get(&format!("/names/{raw}")).await;
        assert_eq!(
            (response.status().as_u16(), body(&response)),
            (200, json!(value)),
            "{raw}"
        );
    }
}

#[tokio::test]
async fn bytes_pass_through_with_their_media_type() {
    let app = app().await;
    let response = send(
        &app,
        "POST",
        "/bytes/echo",
        &[("content-type", "image/png")],
        "\u{1}x",
    )
    .await;
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(&response.body()[..], b"\x01x");
    let response = send(&app, "POST", "/bytes/echo", &[], "x").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    let response = app.get("/bytes/bad").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
}

#[tokio::test]
async fn status_and_headers_of_success_are_the_tasks() {
    let app = app().await;
    let response = app.post("/things/make", ()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "/things/1");
    let response = send(&app, "DELETE", "/items/7", &[], "").await;
    assert_eq!(response.status(), 204);
    assert!(response.body().is_empty());
    assert!(!response.headers().contains_key("content-type"));
}

#[tokio::test]
async fn only_allowed_headers_reach_a_task() {
    let app = app().await;
    let headers = [
        ("X-Request-ID", "7"),
        ("Nats-Msg-Id", "1"),
        ("METROPOLIS-TIMEOUT-MS", "1"),
        ("authorization", "Bearer x"),
    ];
    let response = send(&app, "GET", "/seen", &headers, "").await;
    assert_eq!(body(&response), json!(["7", null, null, null]));
}
