//! A gateway with its worker on a real server, and a witness there that sees every message.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use metropolis::{Bus, NatsOptions, Worker};
use metropolis_gateway::{Gateway, RunningGateway};
use metropolis_tests::{NatsServer, within};

/// How long anything in a case may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where the witness speaks to itself.
const MARK: &str = "witness.mark";

/// Everything that takes part in a case.
pub(crate) struct House {
    pub(crate) server: NatsServer,
    pub(crate) bus: Bus,
    pub(crate) gateway: RunningGateway,
    witness: Witness,
}

impl House {
    /// Starts all of it, with default settings.
    pub(crate) async fn start(tasks: impl FnOnce(Worker) -> Worker) -> Self {
        Self::start_with("", tasks, |gateway| gateway).await
    }

    /// Starts all of it with a configuration of the server and settings of the gateway.
    pub(crate) async fn start_with(
        config: &str,
        tasks: impl FnOnce(Worker) -> Worker,
        settings: impl FnOnce(Gateway) -> Gateway,
    ) -> Self {
        let server = NatsServer::start_with(config).await;
        let bus = connect(&server).await;
        let gateway = settings(gateway(&bus).with_worker(tasks(Worker::new(bus.clone()))));
        let gateway = gateway.start().await.unwrap();
        let witness = Witness::start(&server).await;
        Self {
            server,
            bus,
            gateway,
            witness,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Everything but replies that was published since the last look, by the time this was called.
    pub(crate) async fn seen(&mut self) -> Vec<async_nats::Message> {
        // What the gateway sent before the fence has passed the server before the mark does.
        self.bus.fence(Instant::now() + PATIENCE).await.unwrap();
        self.witness.seen().await
    }

    /// The subjects of [`House::seen`].
    pub(crate) async fn subjects(&mut self) -> Vec<String> {
        let seen = self.seen().await;
        seen.iter()
            .map(|message| message.subject.to_string())
            .collect()
    }
}

/// A gateway on any free port.
pub(crate) fn gateway(bus: &Bus) -> Gateway {
    Gateway::new(bus.clone()).with_listen(([127, 0, 0, 1], 0).into())
}

pub(crate) async fn connect(server: &NatsServer) -> Bus {
    let options = NatsOptions::new(server.url(), "gateway");
    within(PATIENCE, Bus::connect(options)).await.unwrap()
}

/// Who sees everything and says nothing.
struct Witness {
    client: async_nats::Client,
    everything: async_nats::Subscriber,
}

impl Witness {
    async fn start(server: &NatsServer) -> Self {
        let client = async_nats::connect(server.url()).await.unwrap();
        let everything = client.subscribe(">").await.unwrap();
        let mut witness = Self { client, everything };
        witness.seen().await;
        witness
    }

    async fn seen(&mut self) -> Vec<async_nats::Message> {
        self.client.publish(MARK, "".into()).await.unwrap();
        let mut seen = Vec::new();
        loop {
            let message = within(PATIENCE, self.everything.next()).await.unwrap();
            match message.subject.as_str() {
                MARK => return seen,
                subject if subject.starts_with("_INBOX_") => {}
                _ => seen.push(message),
            }
        }
    }
}
