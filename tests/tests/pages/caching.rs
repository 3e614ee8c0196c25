//! The files of the pages as a browser gets them.

use metropolis_tests::HttpClient;

use super::*;

const BUNDLE: &str = "/_docs/swagger-ui-5.35.0/swagger-ui-bundle.js";

#[tokio::test]
async fn a_page_allows_files_of_its_own_gateway_alone() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let mut client = HttpClient::connect(gateway.address()).await;
    for path in ["/docs", "/_console", BUNDLE, "/_console/console.js"] {
        let answer = client.send("GET", path, &[], "").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let mut client = HttpClient::connect(gateway.address()).await;
    for (path, kept) in [
        ("/_console/console.js", "no-cache"),
        (BUNDLE, "public, max-age=31536000, immutable"),
    ] {
        let gzip = ("accept-encoding", "gzip, br");
        let first = client.send("GET", path, &[gzip], "").await;
        assert_eq!(first.header("cache-control"), Some(kept));
        let tag = first.header("etag").unwrap();
        let again = client
            .send("GET", path, &[gzip, ("if-none-match", tag)], "")
            .await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(tag));
        let head = client.send("HEAD", path, &[gzip], "").await;
        let length = first.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_unpacks_nothing_gets_the_viewer_as_it_is() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let mut client = HttpClient::connect(gateway.address()).await;
    let packed = client
        .send("GET", BUNDLE, &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let plain = client.send("GET", BUNDLE, &[], "").await;
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.body.len() > 3 * packed.body.len());
    assert!(plain.text().starts_with("/*! For license information"));
    for answer in [&packed, &plain] {
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
    let licences = client
        .send("GET", &format!("{BUNDLE}.LICENSE.txt"), &[], "")
        .await;
    assert!(licences.text().contains("MIT"));
    gateway.stop().await;
}
