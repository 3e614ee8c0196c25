//! Bytes of a request, and as many of its answer: cost in every process of the whole path.

use bytes::Bytes;
use metropolis_tests::NatsServer;
use metropolis_tests::measure::load::Load;
use metropolis_tests::measure::{Plan, Player};

use crate::roles::{self, SMALL, sample};
use crate::steps::{self, Figure};

/// The last one is what a NATS server takes at most when nobody configured it.
const SIZES: [usize; 5] = [32, 1_024, 16 * 1_024, 256 * 1_024, 1_024 * 1_024];
const IN_FLIGHT: usize = 4;

pub(crate) async fn report(plan: &Plan) -> String {
    let columns = ["gateway", "nats-server", "worker"].map(|name| Figure::whole(name, 1));
    let table = steps::table(plan, "bytes", &SIZES, columns, async |size| {
        measure(plan, size).await
    });
    format!(
        "\nCPU µs per request, {IN_FLIGHT} in flight:\n{}",
        table.await
    )
}

async fn measure(plan: &Plan, bytes: usize) -> [f64; 3] {
    let server = NatsServer::start().await;
    let worker = roles::worker(&server.url(), 1).await;
    let gateway = Player::gateway(&server.url(), &[]).await;
    let path = roles::path();
    gateway.until_it_serves(&path, &SMALL).await;
    let load = Load::over_http(gateway.address(), &[path], IN_FLIGHT, payload(bytes)).await;
    let pids = [gateway.pid(), server.pid(), worker.pid()];
    let sample = sample(plan, load, 2 * IN_FLIGHT, &pids).await;
    [0, 1, 2].map(|at| sample.spent[at])
}

/// JSON of exactly so many bytes.
fn payload(bytes: usize) -> Bytes {
    let head = r#"{"id":12345,"text":""#;
    let text = "a".repeat(bytes - head.len() - 2);
    format!("{head}{text}\"}}").into()
}
