//! Requests that are tried from the console: the form, and who may not use what stands behind it.

use metropolis_tests::browser::Scheme;
use metropolis_tests::http::Response;
use metropolis_tests::{Browser, HttpClient};
use serde_json::{Value, json};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_sends_the_real_request_from_the_administrative_listener_too() {
    let gateway = stage(&Bus::embedded())
        .with_admin_listen("127.0.0.1:0".parse().unwrap())
        .start()
        .await
        .unwrap();
    let admin = gateway.admin_address().unwrap();
    let browser = Browser::start().await;
    let page = browser.page((1280, 900), Scheme::Light).await;
    page.open(&url(admin, "/_console#/tasks/books.%7Bid%7D.get"))
        .await;
    page.click(".try input[name=id]").await;
    page.enter("3").await;
    let public = url(gateway.address(), "/books/3");
    page.shows(".curl", &format!("curl -X GET '{public}'"))
        .await;
    page.click(".try button.primary").await;
    page.shows(".answer", "Volume 3").await;
    // Numbers are shown as they are, in the answer as in the schema.
    page.shows(".answer", "18446744073709551615").await;
    page.shows("main", "0 to 18446744073709551615").await;
    page.shows(".answer .status", "200").await;

    page.enter("4").await;
    page.click(".try button.primary").await;
    page.shows(".answer .status", "404").await;
    page.shows(".answer", "book_not_found").await;
    inspect(&page, "console-tried-light-1280").await;

    page.open(&url(admin, "/_console#/tasks/books")).await;
    page.comes_true("JSON.parse(document.querySelector('.try textarea').value).title === 'text'")
        .await;
    page.click(".try button.primary").await;
    page.shows(".answer .status", "201").await;

    // An option that is left out is no parameter of the query.
    page.open(&url(admin, "/_console#/tasks/books.get")).await;
    page.click(".try input[name=limit]").await;
    page.enter("2").await;
    page.shows(".curl", "/books?limit=2'").await;
    page.click(".try button.primary").await;
    page.shows(".answer", "\"title\": \"2\"").await;
    assert_clean(&page, admin);
    browser.stop().await;
    gateway.stop().await;
}

/// Tries a request as the page does, with other headers in place of its own.
async fn tried(address: SocketAddr, headers: &[(&str, &str)], attempt: &Value) -> Response {
    let mut client = HttpClient::connect(address).await;
    let json = [("content-type", "application/json")];
    let headers = [&json[..], headers].concat();
    let path = "/_console/try";
    client
        .send("POST", path, &headers, attempt.to_string())
        .await
}

const MARK: (&str, &str) = ("metropolis-console", "1");

#[tokio::test]
async fn only_the_consoles_own_page_may_try_requests() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let address = gateway.address();
    let attempt = json!({ "method": "GET", "path": "/books/1" });
    let own = format!("http://{address}");
    let good = tried(
        address,
        &[MARK, ("origin", &own), ("sec-fetch-site", "same-origin")],
        &attempt,
    )
    .await;
    assert_eq!(good.status, 200, "{}", good.text());
    assert_eq!(good.header("cache-control"), Some("no-store"));

    let evil = ("origin", "http://evil.example");
    for headers in [
        &[][..],
        &[evil],
        &[MARK, evil],
        &[MARK, ("origin", "null")],
        &[MARK, ("sec-fetch-site", "cross-site")],
        // A name that leads here, as whoever owns it can make it do.
        &[
            MARK,
            evil,
            ("host", "evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        let refused = tried(address, headers, &attempt).await;
        assert_eq!(refused.status, 403, "{headers:?}");
        assert_eq!(refused.json::<Value>()["code"], "forbidden");
    }

    // A browser that asks before it sends another page's request gets no permission.
    let mut client = HttpClient::connect(address).await;
    let asks = [
        evil,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", MARK.0),
    ];
    let preflight = client.send("OPTIONS", "/_console/try", &asks, "").await;
    assert!(
        !preflight
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control-"))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_tried_reaches_tasks_alone() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let address = gateway.address();
    for path in [
        "/_console/data",
        "/_console/try",
        "/openapi.json",
        "/_routes",
        "/nowhere",
        "/%zz",
    ] {
        for method in ["GET", "POST"] {
            let attempt = json!({ "method": method, "path": path, "body": "{}", "media_type": "application/json" });
            let told = tried(address, &[MARK], &attempt).await;
            let inner = told.json::<Value>()["status"].as_u64().unwrap();
            assert_eq!(told.status, 200, "{method} {path}: {}", told.text());
            assert!(inner == 404 || inner == 400, "{method} {path}: {inner}");
        }
    }
    for wrong in [
        json!({}),
        json!("x"),
        json!({ "method": "GET", "path": "http://evil.example/" }),
    ] {
        assert_eq!(tried(address, &[MARK], &wrong).await.status, 400, "{wrong}");
    }
    let large = json!({ "method": "POST", "path": "/books", "body": "x".repeat(3 << 20) });
    assert_eq!(tried(address, &[MARK], &large).await.status, 413);
    gateway.stop().await;
}
