//! Connections to one gateway: memory where none of them asks, then the cost of a request and memory where each has one under
//! way.

use std::net::SocketAddr;

use metropolis_tests::measure::load::Load;
use metropolis_tests::measure::{Plan, Player, books};
use metropolis_tests::{HttpClient, NatsServer};

use crate::roles::{self, SMALL, sample};
use crate::steps::{self, Figure};

const SIZES: [usize; 5] = [1, 8, 64, 512, 4_096];

pub(crate) async fn report(plan: &Plan) -> String {
    let columns = [
        Figure {
            name: "resident at rest, MB",
            ..Figure::RESIDENT
        },
        Figure::whole("gateway, CPU µs per request", 2),
        Figure::RESIDENT,
    ];
    steps::table(plan, "connections", &SIZES, columns, async |size| {
        measure(plan, size).await
    })
    .await
}

async fn measure(plan: &Plan, connections: usize) -> [f64; 3] {
    let server = NatsServer::start().await;
    let _worker = roles::worker(&server.url(), 1).await;
    let gateway = Player::gateway(&server.url(), &[]).await;
    let path = roles::path();
    gateway.until_it_serves(&path, &SMALL).await;
    let at_rest = rest(gateway.address(), connections).await;
    let resident_at_rest = books::resident_mb(gateway.pid());
    drop(at_rest);
    let load = Load::over_http(gateway.address(), &[path], connections, SMALL).await;
    let sample = sample(plan, load, 2 * connections, &[gateway.pid()]).await;
    let memory = books::resident_mb(gateway.pid());
    [resident_at_rest, sample.spent[0], memory]
}

/// Connections that have been answered something and ask nothing now.
async fn rest(address: SocketAddr, connections: usize) -> Vec<HttpClient> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let mut client = HttpClient::connect(address).await;
        let answer = client.send("GET", "/healthz", &[], "").await;
        assert_eq!(answer.status, 200);
        clients.push(client);
    }
    clients
}
