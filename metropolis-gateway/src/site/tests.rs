use metropolis::task::{Fallible, Origin, Task};
use metropolis::{TaskMeta, TaskSpec};

use super::*;

/// Tasks made by hand are linked nowhere, so the catalogs of other tests do not have them.
macro_rules! task {
    ($name:ident, $http:literal) => {
        struct $name;

        impl Task for $name {
            const META: TaskMeta = TaskMeta {
                name: stringify!($name),
                subject: concat!("made.", stringify!($name)),
                http: Some($http),
                origin: Origin {
                    file: "made.rs",
                    line: 1,
                    package: "made",
                    version: "1.0.0",
                },
                ..TaskMeta::DEFAULT
            };
            type Input = serde_json::Value;
            type Output = u32;
            type Kind = Fallible<false>;
        }
    };
}

task!(Health, "POST /healthz");
task!(Console, "GET /_console/a/b");
task!(Docs, "GET /docs/a");

fn site(specs: impl IntoIterator<Item = TaskSpec>) -> Result<Site, Problems> {
    let catalog = Catalog::of(specs).expect("a good catalog");
    let plan = Plan {
        bus: Bus::embedded(),
        body_max: 1,
        headers: Vec::new(),
        is_local: false,
        address: None,
        pages: Pages {
            docs: true,
            console: true,
        },
        fixed: Vec::new(),
        discovery: None,
        bucket: None,
        metrics: true,
        trusts_traces: false,
    };
    Site::new(&catalog, plan)
}

#[tokio::test]
async fn all_paths_that_are_the_gateways_own_are_reported_at_once() {
    let specs = [
        TaskSpec::declared::<Health>(),
        TaskSpec::declared::<Console>(),
    ];
    let problems = site(specs).expect_err("two collisions");
    assert_eq!(
        problems.to_string(),
        "2 problems\nthe path of the route `GET /_console/a/b` is the gateway's own\n  Console  made.rs:1  made.Console\n  \
         give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`\n\
         the path of the route `POST /healthz` is the gateway's own\n  Health  made.rs:1  made.Health\n  \
         give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`"
    );
}

#[tokio::test]
async fn what_only_begins_like_a_path_of_the_gateway_is_free() {
    assert!(site([TaskSpec::declared::<Docs>()]).is_ok());
}

fn framing(lines: &[(&'static str, &'static str)]) -> Result<(), u16> {
    let lines = lines.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, value);
    }
    let status = |refusal: Refusal| refusal.into_response(None, None).status().as_u16();
    check_framing(&headers).map_err(status)
}

#[test]
fn what_reads_almost_like_the_end_of_a_message_is_refused() {
    for name in [
        "content_length",
        "content--length",
        "contentlength",
        "transfer_encoding",
        "transfer.encoding",
        "_transfer-encoding",
    ] {
        assert_eq!(framing(&[(name, "5")]), Err(400), "{name}");
    }
    for name in [
        "content-length",
        "x-content-length",
        "content-lengths",
        "te",
    ] {
        assert_eq!(framing(&[(name, "5")]), Ok(()), "{name}");
    }
    let twice = [("content-length", "5"), ("content-length", "5")];
    assert_eq!(framing(&twice), Err(400));
}

#[test]
fn a_framing_that_is_in_doubt_ends_the_connection() {
    let response = Refusal::Framing("why").into_response(None, None);
    assert_eq!(response.headers()["connection"], "close");
    let response = Refusal::Bad("why").into_response(None, None);
    assert!(!response.headers().contains_key("connection"));
}

#[test]
fn a_host_is_a_host_and_a_port() {
    for host in ["", "a", "a.b:80", "[::1]:80", "a_b", "a-b.", "%C3%A9.x"] {
        assert_eq!(framing(&[("host", host)]), Ok(()), "{host}");
    }
    for host in ["a b", "a/b", "a?b", "a#b", "a@b", "a\\b", "a\tb"] {
        assert_eq!(framing(&[("host", host)]), Err(400), "{host}");
    }
}
