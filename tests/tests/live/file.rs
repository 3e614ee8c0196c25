//! The program `metropolis-gateway` reads its file again when it is told to.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use metropolis::bus::Outgoing;
use metropolis_tests::load::{self, outcome};
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, Process};

use super::*;

const KEPT: &str = r#"
    [[route]]
    method = "GET"
    path = "/kept"
    subject = "file.kept"
"#;

/// A line for each request would push out what is waited for.
const QUIET: &str = "metropolis::access=off";

/// A file with a filter of the log and a route, beside the one that stays.
fn file_of(log: &str, path: &str, subject: &str) -> String {
    format!("log = \"{log},{QUIET}\"\n{}", route(path, subject))
}

fn route(path: &str, subject: &str) -> String {
    format!("[[route]]\nmethod = \"GET\"\npath = \"{path}\"\nsubject = \"{subject}\"\n{KEPT}")
}

async fn write_and_reload(gateway: &Process, file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    gateway.signal("HUP").await;
}

async fn status(address: SocketAddr, path: &str) -> u16 {
    let mut client = HttpClient::connect(address).await;
    client.send("GET", path, &[], "").await.status
}

async fn comes(address: SocketAddr, path: &str, wanted: u16) {
    eventually(SOON, async || status(address, path).await == wanted).await;
}

async fn says(gateway: &Process, words: &[&str]) {
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    gateway.wait_for_line(has_all).await;
}

/// Answers `1` to everybody who asks below `file`.
async fn answer_all(bus: Bus) {
    let mut requests = bus.subscribe("file.*", None, 1024).await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let Some(reply) = request.reply else { continue };
            let outgoing = Outgoing {
                payload: "1".into(),
                ..Outgoing::empty(reply)
            };
            bus.publish(outgoing, Instant::now() + SOON).await.unwrap();
        }
    });
}

#[tokio::test]
async fn routes_and_log_change_under_load_and_a_bad_file_changes_nothing() {
    let network = Network::start([] as [(&str, &str); 0]).await;
    answer_all(network.connect(WITNESS).await).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, file_of("info", "/one", "file.one")).unwrap();
    let gateway = Process::example("metropolis-gateway")
        .args(["--log-format", "text"])
        .args([
            "--nats-url",
            &network.url(WITNESS),
            "--listen",
            "127.0.0.1:0",
            "--config",
        ])
        .arg(&file)
        .start()
        .await;
    let line = gateway.wait_for_line(|line| line.contains("listening on"));
    let address = address_in(&line.await).unwrap();
    comes(address, "/one", 200).await;

    let scenario = async {
        let text = file_of("debug", "/two", "file.two");
        write_and_reload(&gateway, &file, &format!("stop-timeout = \"1s\"\n{text}")).await;
        comes(address, "/two", 200).await;
        assert_eq!(status(address, "/one").await, 404);
        says(
            &gateway,
            &[
                "the filter of the log changes",
                &format!("old=\"info,{QUIET}\" new=\"debug,{QUIET}\""),
            ],
        )
        .await;
        says(
            &gateway,
            &[
                "these settings change with a restart alone",
                "settings=\"stop-timeout\"",
            ],
        )
        .await;
        says(
            &gateway,
            &[
                "a configured route is gone",
                "old=GET /one to file.one within 30s",
            ],
        )
        .await;
        says(
            &gateway,
            &[
                "a configured route is there",
                "new=GET /two to file.two within 30s",
            ],
        )
        .await;

        for (bad, why) in [
            ("log = \"loud\"", "log: `loud` is no level"),
            ("lgo = \"info\"", "`lgo` is no setting"),
            (
                "[[route]]\nmethod = \"FETCH\"\npath = \"/x\"\nsubject = \"file.x\"",
                "a configured route is wrong",
            ),
            (
                "[[route]]\nmethod = \"GET\"\npath = \"/healthz\"\nsubject = \"file.x\"",
                "the gateway's own",
            ),
            (
                "stop-timeout = \"soon\"",
                "METROPOLIS_STOP_TIMEOUT: `soon` is no duration",
            ),
            ("[[route", "gateway.toml"),
        ] {
            let text = format!("{bad}\n{}", route("/three", "file.three"));
            write_and_reload(&gateway, &file, &text).await;
            says(&gateway, &["ERROR", "the old configuration stays", why]).await;
            assert_eq!(status(address, "/two").await, 200, "{bad}");
            assert_eq!(status(address, "/three").await, 404, "{bad}");
        }

        write_and_reload(&gateway, &file, &file_of("info", "/two", "file.other")).await;
        says(
            &gateway,
            &[
                "a configured route has changed",
                "to file.two",
                "to file.other",
            ],
        )
        .await;
        says(
            &gateway,
            &[
                "the filter of the log changes",
                &format!("old=\"debug,{QUIET}\" new=\"info,{QUIET}\""),
            ],
        )
        .await;
        comes(address, "/two", 200).await;
    };
    let connect = async || {
        HttpClient::try_connect(address)
            .await
            .map_err(|error| error.to_string())
    };
    let request =
        async |client: &mut HttpClient| outcome(client.try_send("GET", "/kept", &[], "").await);
    let ((), tally) = load::during(scenario, 4, connect, request).await;
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
    assert!(tally.ok > 20, "{tally:?}");
}

/// Without a file there is nothing to read again, and the signal means what it always does.
#[tokio::test]
async fn without_a_file_the_signal_ends_the_program() {
    let network = Network::start([] as [(&str, &str); 0]).await;
    let mut gateway = Process::example_with_default_signals("metropolis-gateway")
        .args(["--log-format", "text"])
        .args([
            "--nats-url",
            &network.url(WITNESS),
            "--listen",
            "127.0.0.1:0",
        ])
        .start()
        .await;
    says(&gateway, &["listening on"]).await;
    gateway.signal("HUP").await;
    assert!(!gateway.wait_exit(SOON).await.success());
}
