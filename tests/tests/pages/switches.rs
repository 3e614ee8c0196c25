//! Where the pages are, and that they can be left out.

use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process};

use super::*;

const PATHS: [&str; 6] = [
    "/docs",
    "/_docs/docs.js",
    "/_console",
    "/_console/console.js",
    "/_console/data",
    "/_console/task?subject=books",
];

/// Which of the paths there are.
async fn there(address: SocketAddr) -> [bool; 6] {
    let mut client = HttpClient::connect(address).await;
    let mut there = [false; 6];
    for (at, path) in PATHS.iter().enumerate() {
        there[at] = match client.send("GET", path, &[], "").await.status {
            200 => true,
            404 => false,
            other => panic!("{path}: {other}"),
        };
    }
    there
}

const NEITHER: [bool; 6] = [false; 6];
const BOTH: [bool; 6] = [true; 6];
const DOCS: [bool; 6] = [true, true, false, false, false, false];
const CONSOLE: [bool; 6] = [false, false, true, true, true, true];

#[tokio::test]
async fn the_console_is_where_administrative_paths_are() {
    let bus = Bus::embedded();
    let local = stage(&bus).start().await.unwrap();
    assert_eq!(there(local.address()).await, BOTH);
    local.stop().await;

    let open = stage(&Bus::embedded())
        .with_listen("0.0.0.0:0".parse().unwrap())
        .with_admin_listen("127.0.0.1:0".parse().unwrap());
    let open = open.start().await.unwrap();
    let public = SocketAddr::from(([127, 0, 0, 1], open.address().port()));
    assert_eq!(there(public).await, DOCS);
    assert_eq!(there(open.admin_address().unwrap()).await, CONSOLE);
    open.stop().await;
}

#[tokio::test]
async fn each_can_be_left_out() {
    let without = stage(&Bus::embedded())
        .without_console()
        .start()
        .await
        .unwrap();
    assert_eq!(there(without.address()).await, DOCS);
    without.stop().await;
    let without = stage(&Bus::embedded())
        .without_docs()
        .start()
        .await
        .unwrap();
    assert_eq!(there(without.address()).await, CONSOLE);
    without.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_takes_both_switches_in_each_spelling() {
    let server = NatsServer::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "docs = \"0\"\nconsole = \"0\"").unwrap();
    let program = || {
        Process::example("metropolis-gateway").args([
            "--nats-url",
            &server.url(),
            "--listen",
            "127.0.0.1:0",
        ])
    };
    let spellings = [
        program().args(["--docs", "0", "--console", "0"]),
        program()
            .env("METROPOLIS_DOCS", "0")
            .env("METROPOLIS_CONSOLE", "0"),
        program().arg("--config").arg(file.path()),
    ];
    for launch in spellings {
        let process = launch.start().await;
        let line = process
            .wait_for_line(|line| line.contains("listening on"))
            .await;
        assert_eq!(there(address_in(&line).unwrap()).await, NEITHER);
    }
}
