//! From a worker's announcement to its first answer through a gateway that had never heard of it.
//!
//! `cargo bench -p metropolis-tests --bench discovery`. The gateway is a process of its own, this binary
//! again; the clock starts when this process hears the announcement, which is when the gateway does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metropolis::service::ANNOUNCE;
use metropolis::{Bus, NatsOptions, TaskMeta, TaskSpec, Worker};
use metropolis_gateway::Gateway;
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process};

use report::table;

#[path = "../report.rs"]
#[expect(dead_code, reason = "figures of one contender have no ratios")]
mod report;

/// Workers that join, one after the other; a few more go before them.
const WORKERS: usize = 300;
const WARM_UP: usize = 20;

#[metropolis::task(subject = "bench.joined.get")]
async fn joined() -> u32 {
    7
}

/// What this binary is called with to be the gateway.
const GATEWAY: &str = "gateway";

#[tokio::main]
async fn main() {
    if std::env::args().any(|word| word == GATEWAY) {
        return play_gateway().await;
    }
    let server = NatsServer::start().await;
    let (_gateway, address) = gateway(&server).await;
    let bus = connect(&server).await;
    let mut times = Vec::new();
    for number in 0..WARM_UP + WORKERS {
        let time = join(&server, &bus, address, number).await;
        if number >= WARM_UP {
            times.push(time.as_secs_f64() * 1000.0);
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| format!("{:.2} ms", times[(times.len() - 1) * percent / 100]);
    let row = vec![at(50), at(99), at(100), "10 ms, 20 ms".to_owned()];
    let text = table(&["median", "p99", "max", "goal of median and p99"], &[row]);
    report::publish(
        "bench-discovery",
        &format!("Announce to first answer, {WORKERS} workers\n\n{text}"),
    );
}

/// A gateway with no polling that could help it.
async fn play_gateway() {
    let gateway = Gateway::from_env().await.expect("the server is there");
    let gateway = gateway.with_discovery_interval(Duration::from_secs(3600));
    let ended = gateway.with_discovery().run().await;
    ended.expect("the gateway can start");
}

/// The gateway's process, ready.
async fn gateway(server: &NatsServer) -> (Process, SocketAddr) {
    let own = std::env::current_exe().expect("the system knows what runs here");
    let gateway = Process::program(own)
        .args([GATEWAY])
        .env("METROPOLIS_NATS_URL", server.url())
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    let line = gateway
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let address = address_in(&line).expect("the line names the address");
    let mut client = HttpClient::connect(address).await;
    while client.send("GET", "/readyz", &[], "").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (gateway, address)
}

/// A worker of a task of its own joins, is asked until it answers, and leaves.
async fn join(server: &NatsServer, bus: &Bus, address: SocketAddr, number: usize) -> Duration {
    let news = bus.subscribe(&format!("{ANNOUNCE}.>"), None, 16).await;
    let mut news = news.expect("the server takes a subscription");
    let worker = Worker::new(connect(server).await)
        .serve_spec(numbered(number))
        .with_service(format!("bench{number}"))
        .with_allow_breaking();
    let mut client = HttpClient::connect(address).await;
    let path = format!("/bench/joined{number}");
    let heard = async {
        news.next().await;
        let begun = Instant::now();
        while client.send("GET", &path, &[], "").await.status != 200 {}
        begun.elapsed()
    };
    let (worker, time) = tokio::join!(worker.start(), heard);
    worker.expect("the task is a good one").stop().await;
    time
}

fn numbered(number: usize) -> TaskSpec {
    let mut spec = TaskSpec::of::<joined>();
    spec.meta = TaskMeta {
        subject: format!("bench.joined{number}.get").leak(),
        docs: format!("The one numbered {number}, so that its contract is its own.").leak(),
        ..spec.meta
    };
    spec
}

async fn connect(server: &NatsServer) -> Bus {
    let options = NatsOptions::new(server.url(), "bench");
    Bus::connect(options).await.expect("the server is there")
}
