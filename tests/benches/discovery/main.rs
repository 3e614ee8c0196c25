//! From a worker's announcement to its first answer through a gateway that had never heard of it.
//!
//! `cargo bench -p metropolis-tests --bench discovery`. The gateway is the program of that name; the clock
//! starts when this process hears the announcement, which is when the gateway does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metropolis::service::ANNOUNCE;
use metropolis::{Bus, NatsOptions, TaskMeta, TaskSpec, Worker};
use metropolis_tests::measure::Player;
use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::report::{self, percentile, table, verdict};
use metropolis_tests::{HttpClient, NatsServer, eventually};

/// Workers that join, one after the other; a few more go before them.
const WORKERS: usize = 300;
const WARM_UP: usize = 20;

const MEDIAN_GOAL_MS: f64 = 10.0;
const MOST_GOAL_MS: f64 = 20.0;

/// How long the gateway may take to be ready.
const READY_DEADLINE: Duration = Duration::from_secs(10);

#[metropolis::task(subject = "bench.joined.get")]
async fn joined() -> u32 {
    7
}

#[tokio::main]
async fn main() {
    let Part::Bench(plan) = Part::of_this_process() else {
        panic!("this bench has no roles");
    };
    let server = NatsServer::start().await;
    let gateway = gateway(&server).await;
    let bus = connect(&server).await;
    let workers = plan.either(WORKERS, WARM_UP);
    let mut times = Vec::new();
    for number in 0..WARM_UP + workers {
        let time = join(&server, &bus, gateway.address(), number).await;
        if number >= WARM_UP {
            times.push(time.as_secs_f64() * 1000.0);
        }
    }
    report::publish("discovery", &report(&mut times));
}

fn report(times: &mut [f64]) -> String {
    let mut row = |name: &str, share, goal| {
        let time = percentile(times, share);
        let figure = format!("{time:.1}");
        vec![name.to_owned(), figure, verdict(time, goal)]
    };
    let rows = [
        row("median", 0.5, Some(MEDIAN_GOAL_MS)),
        row("99 of 100", 0.99, Some(MOST_GOAL_MS)),
        row("all", 1.0, None),
    ];
    let heads = ["announce to first answer, ms", "metropolis", "goal"];
    let table = table(&heads, &rows);
    format!("## Discovery\n\n{} workers.\n\n{table}", times.len())
}

/// The gateway, ready, with no polling that could help it.
async fn gateway(server: &NatsServer) -> Player {
    let gateway = Player::gateway(&server.url(), &["--discovery-interval", "1h"]).await;
    let mut client = HttpClient::connect(gateway.address()).await;
    eventually(READY_DEADLINE, async || {
        client.send("GET", "/readyz", &[], "").await.status == 200
    })
    .await;
    gateway
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
