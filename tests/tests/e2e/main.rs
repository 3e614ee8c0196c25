//! Behaviour of whole workers and gateways: one module per behaviour, on the embedded bus and on a real server.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod calls;
mod discovery;
mod examples;
mod readme;
mod replies;
mod stalls;
mod startup;
mod stop;

use metropolis::{Bus, NatsOptions};
use metropolis_tests::NatsServer;

/// Runs a test on the embedded bus, then on a real server.
async fn on_both_buses(test: impl AsyncFn(Bus)) {
    test(Bus::embedded()).await;
    let server = NatsServer::start().await;
    let bus = connect(&server, "worker").await;
    test(bus).await;
}

/// A bus of its own connection to a server.
async fn connect(server: &NatsServer, role: &str) -> Bus {
    Bus::connect(NatsOptions::new(server.url(), role))
        .await
        .unwrap()
}
