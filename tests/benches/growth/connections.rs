//! Connections to one gateway, each with a request under way: cost of a request, memory.

use metropolis_tests::NatsServer;
use metropolis_tests::measure::load::Load;
use metropolis_tests::measure::{Plan, Player, books};

use crate::roles::{self, SMALL, sample};
use crate::steps::{self, Figure};

const SIZES: [usize; 5] = [1, 8, 64, 512, 4_096];

pub(crate) async fn report(plan: &Plan) -> String {
    let columns = [
        Figure::whole("gateway, CPU µs per request", 2),
        Figure::RESIDENT,
    ];
    steps::table(plan, "connections", &SIZES, columns, async |size| {
        measure(plan, size).await
    })
    .await
}

async fn measure(plan: &Plan, connections: usize) -> [f64; 2] {
    let server = NatsServer::start().await;
    let _worker = roles::worker(&server.url(), 1).await;
    let gateway = Player::gateway(&server.url(), &[]).await;
    let path = roles::path();
    gateway.until_it_serves(&path, &SMALL).await;
    let load = Load::over_http(gateway.address(), &[path], connections, SMALL).await;
    let sample = sample(plan, load, 2 * connections, &[gateway.pid()]).await;
    let memory = books::resident_mb(gateway.pid());
    [sample.spent[0], memory]
}
