//! The program `metropolis-gateway`, which knows no task.

use metropolis_tests::network::{self, examples};
use metropolis_tests::process::address_in;
use metropolis_tests::{Network, Process};

use super::*;

mod security;

/// A server where the program may do what it prints with these arguments, and no more, and the examples likewise.
pub(crate) async fn network(arguments: &[&str]) -> Network {
    let users = [
        ("gateway", network::printed(arguments).await),
        ("gateway-linked", examples::hello_gateway().to_string()),
        ("worker", examples::hello_worker().to_string()),
        ("worker-polyglot", examples::polyglot().to_string()),
    ];
    Network::start(users).await
}

/// The program on a free port, ready.
pub(crate) async fn started(network: &Network, arguments: &[&str]) -> (Process, SocketAddr) {
    let launch = Process::example("metropolis-gateway")
        .args([
            "--nats-url",
            &network.url("gateway"),
            "--listen",
            "127.0.0.1:0",
            "--discovery-interval",
            "60s",
        ])
        .args(arguments);
    let process = launch.start().await;
    let line = process
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let address = address_in(&line).unwrap();
    ready(address).await;
    (process, address)
}

/// One `hello-worker`, serving.
pub(crate) async fn worker(network: &Network) -> Process {
    let worker = Process::example("hello-worker")
        .env("METROPOLIS_NATS_URL", network.url("worker"))
        .start()
        .await;
    worker
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    worker
}

#[tokio::test]
async fn it_serves_what_a_gateway_serves_that_has_the_tasks_linked_in() {
    let network = network(&["--subject", "foo.>"]).await;
    let linked = Process::example("hello-gateway")
        .env("METROPOLIS_NATS_URL", network.url("gateway-linked"))
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    let line = linked
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let linked_address = address_in(&line).unwrap();
    let (_gateway, address) = started(&network, &[]).await;
    let _worker = worker(&network).await;
    answers(address, "GET", "/foo/who", 200).await;
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(1024 * 1024));
    let many = format!("/foo/who?{}", "a=1&".repeat(300));
    for (method, path, headers, body) in [
        ("GET", "/openapi.json", &[][..], ""),
        ("POST", "/foo/bar", &[JSON], r#"{"data":"abc"}"#),
        ("POST", "/foo/bar", &[JSON], r#"{"data":5}"#),
        ("POST", "/foo/bar", &[JSON], "{"),
        ("POST", "/foo/bar", &[JSON], ""),
        ("POST", "/foo/bar", &[JSON], &large),
        ("POST", "/foo/bar?data=abc", &[], ""),
        ("POST", "/foo/bar?data=abc", &[JSON], r#"{"data":"abc"}"#),
        (
            "POST",
            "/foo/bar",
            &[("content-type", "application/x-www-form-urlencoded")],
            "data=abc",
        ),
        ("POST", "/foo/bar", &[("content-type", "text/plain")], "abc"),
        (
            "POST",
            "/foo/bar",
            &[JSON, ("accept", "text/html")],
            r#"{"data":"abc"}"#,
        ),
        ("GET", "/foo/bar", &[], ""),
        ("OPTIONS", "/foo/bar", &[], ""),
        ("HEAD", "/foo/who", &[], ""),
        ("GET", "/foo/who", &[], "{}"),
        ("GET", &many, &[], ""),
        ("GET", "/nowhere", &[], ""),
    ] {
        // A refused body may cost its connection, so each request has one of its own.
        let mut linked = HttpClient::connect(linked_address).await;
        let mut discovered = HttpClient::connect(address).await;
        let expected = linked.send(method, path, headers, body.to_owned()).await;
        let found = discovered
            .send(method, path, headers, body.to_owned())
            .await;
        let shown = path.split('?').next().unwrap_or_default();
        assert_eq!(found.status, expected.status, "{method} {shown}");
        assert_eq!(found.text(), expected.text(), "{method} {shown}");
        for header in ["content-type", "allow", "accept-post", "retry-after"] {
            assert_eq!(
                found.header(header),
                expected.header(header),
                "{method} {shown}"
            );
        }
    }
    let [linked, discovered] = [listed(linked_address).await, listed(address).await];
    assert_eq!(discovered["routes"], linked["routes"]);
    assert_eq!(discovered["services"][0]["service"], "metropolis-examples");
}

async fn ran(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut launch = Process::example("metropolis-gateway").args(arguments);
    for (name, value) in variables {
        launch = launch.env(name, value);
    }
    let mut process = launch.start().await;
    let status = process.wait_exit(SOON).await;
    (status.success(), process.output())
}

#[tokio::test]
async fn it_says_what_it_can_do_and_what_is_wrong() {
    let (is_good, help) = ran(&["--help"], &[]).await;
    assert!(is_good);
    for part in [
        "--nats-url <URL>",
        "--listen <ADDR>",
        "--admin-listen",
        "--config <FILE>",
        "METROPOLIS_LISTEN",
        "--nats-creds <FILE>",
        "METROPOLIS_NATS_CREDS",
        "permissions",
        "[[route]]",
    ] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
    let version = format!("metropolis-gateway {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(ran(&["--version"], &[]).await, (true, version));
    for (arguments, variables, expected) in [
        (
            &[][..],
            &[][..],
            "a gateway alone on the embedded bus reaches nobody",
        ),
        (
            &["--listen", "8080"],
            &[],
            "invalid value '8080' for '--listen <ADDR>'",
        ),
        (
            &["--stop-timeout", "soon"],
            &[],
            "write it as 500ms, 2s or 1m",
        ),
        (&["--lisen", "x"], &[], "--listen"),
        (
            &["permissions", "--subject", ">"],
            &[],
            "`>` cannot be permitted",
        ),
        (
            &[],
            &[("METROPOLIS_LISTEN", "8080")],
            "METROPOLIS_LISTEN: `8080` is no address and port",
        ),
        (
            &["--config", "/nowhere.toml"],
            &[],
            "the configuration file /nowhere.toml: ",
        ),
    ] {
        let (is_good, output) = ran(arguments, variables).await;
        assert!(
            !is_good && output.contains(expected),
            "{expected} is missing in:\n{output}"
        );
    }
}

#[tokio::test]
async fn a_wrong_file_is_named_with_its_line_and_no_value_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let route = "method = \"GET\"\npath = \"/a\"\nsubject = \"a.b\"\n";
    for (text, expected) in [
        ("nats-url = \"nats://u:secret@h\n".to_owned(), "line 1: "),
        (
            "nats-url = 5".to_owned(),
            "`nats-url` must be a text in quotes",
        ),
        (
            "lisen = \"x\"".to_owned(),
            "`lisen` is no setting; there are `nats-url`, `listen`",
        ),
        (
            format!("[[route]]\n{route}queue = \"q\""),
            "unknown field `queue`",
        ),
        (
            format!("[[route]]\n{route}timeout = \"soon\""),
            "the timeout `soon` of `GET /a` is none",
        ),
        (
            format!("[[route]]\n{route}format = \"xml\""),
            "unknown variant `xml`",
        ),
        (
            format!("nats-url = \"nats://127.0.0.1:1\"\nlisten = \"x\"\n[[route]]\n{route}"),
            "`x` is no address and port",
        ),
    ] {
        std::fs::write(&file, &text).unwrap();
        let (is_good, output) = ran(&["--config", file.to_str().unwrap()], &[]).await;
        assert!(
            !is_good && output.contains(expected),
            "{expected} is missing in:\n{output}"
        );
        assert!(!output.contains("secret"), "{output}");
    }
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let network = network(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "nats-url = \"nats://127.0.0.1:1\"\nlisten = \"127.0.0.2:0\"\nadmin-listen = \"127.0.0.4:0\"\n").unwrap();
    let gateway = Process::example("metropolis-gateway")
        .args([
            "--config",
            file.to_str().unwrap(),
            "--nats-url",
            &network.url("gateway"),
        ])
        .env("METROPOLIS_NATS_URL", "nats://127.0.0.1:2")
        .env("METROPOLIS_LISTEN", "127.0.0.3:0")
        .start()
        .await;
    gateway
        .wait_for_line(|line| line.contains("administrative paths on http://127.0.0.4:"))
        .await;
    gateway
        .wait_for_line(|line| line.contains("listening on http://127.0.0.3:"))
        .await;
}
