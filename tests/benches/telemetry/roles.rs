//! The processes of a measurement, and the parts of telemetry that are on in them.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use metropolis::{Settings, Worker, connect};
use metropolis_gateway::Gateway;
use metropolis_tests::Process;
use metropolis_tests::process::address_in;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// What tells a process of a measurement from the bench itself.
pub(crate) const ARGUMENT: &str = "role";

/// Printed once a role can be asked; one that listens adds its address.
const READY: &str = "ready";

/// What is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Off,
    Metrics,
    AccessLog,
    /// Recording is on, and nothing is chosen.
    TraceNone,
    TraceOne,
    TraceAll,
}

impl Part {
    /// The first is what the others are compared with.
    pub(crate) const ALL: [Self; 6] = [
        Self::Off,
        Self::Metrics,
        Self::AccessLog,
        Self::TraceNone,
        Self::TraceOne,
        Self::TraceAll,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "all off",
            Self::Metrics => "metrics",
            Self::AccessLog => "access log to a file",
            Self::TraceNone => "tracing at 0 %",
            Self::TraceOne => "tracing at 1 %",
            Self::TraceAll => "tracing at 100 %",
        }
    }

    /// The most it may cost, by what everything off costs.
    pub(crate) fn goal(self) -> Option<f64> {
        match self {
            Self::Metrics | Self::TraceOne => Some(1.05),
            Self::AccessLog => Some(1.10),
            Self::Off | Self::TraceNone | Self::TraceAll => None,
        }
    }

    fn variables(self, collector: Option<SocketAddr>) -> Vec<(&'static str, String)> {
        let is_on = |part: Self| u8::from(self == part).to_string();
        let log = match self {
            Self::AccessLog => "info",
            _ => "info,metropolis::access=off",
        };
        let mut variables = vec![
            ("METROPOLIS_METRICS", is_on(Self::Metrics)),
            ("METROPOLIS_LOG", log.to_owned()),
        ];
        let ratio = match self {
            Self::TraceNone => "0",
            Self::TraceOne => "0.01",
            Self::TraceAll => "1",
            _ => return variables,
        };
        if let Some(collector) = collector {
            let endpoint = format!("http://{collector}");
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
            variables.push(("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()));
            variables.push(("OTEL_TRACES_SAMPLER_ARG", ratio.to_owned()));
        }
        variables
    }
}

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Worker,
    Gateway,
    /// Takes spans and throws them away.
    Collector,
}

/// A process that can be asked.
pub(crate) struct Player {
    process: Process,
    /// Where it listens, if it does.
    pub(crate) address: Option<SocketAddr>,
}

impl Role {
    /// Starts a process and waits until it is ready. Its log goes to a file, as that of a service does.
    pub(crate) async fn start(
        self,
        part: Part,
        nats_url: &str,
        collector: Option<SocketAddr>,
    ) -> Player {
        let bench = std::env::current_exe().expect("a running bench has an executable");
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{self:?}.log"));
        let mut launch = Process::program("sh")
            .args(["-c", r#"exec "$0" role "$1" 2>"$2""#])
            .arg(bench)
            .args([format!("{self:?}").as_ref(), log.as_os_str()])
            .env("METROPOLIS_NATS_URL", nats_url);
        for (name, value) in part.variables(collector) {
            launch = launch.env(name, value);
        }
        let process = launch.start().await;
        let line = process.wait_for_line(|line| line.starts_with(READY)).await;
        Player {
            address: address_in(&line),
            process,
        }
    }
}

impl Player {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// The input and the value of the task.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

#[metropolis::task(subject = "bench.echo")]
async fn echo(ping: Ping) -> Ping {
    ping
}

/// Plays the role that the arguments name, until it is killed.
#[tokio::main]
pub(crate) async fn play(mut arguments: impl Iterator<Item = String>) {
    match arguments.next().as_deref() {
        Some("Worker") => worker().await,
        Some("Gateway") => gateway().await,
        Some("Collector") => collector().await,
        other => panic!("there is no role {other:?}"),
    }
    std::future::pending().await
}

async fn worker() {
    let settings = Settings::from_env().expect("good settings");
    let bus = connect(&settings, "worker").await.expect("a server");
    let worker = Worker::configured(bus, &settings).start().await;
    keep(worker.expect("the task has no problems"));
    ready("");
}

async fn gateway() {
    let settings = Settings::from_env().expect("good settings");
    let bus = connect(&settings, "gateway").await.expect("a server");
    let gateway = Gateway::configured(bus, &settings).with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.expect("a port is free");
    ready(&gateway.address().to_string());
    keep(gateway);
}

async fn collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let routes = Router::new().route("/v1/traces", post(async |_: Bytes| ()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    ready(&address.to_string());
}

/// What runs goes on until this process is killed.
fn keep<R>(running: R) {
    std::mem::forget(running);
}

/// On standard output, because the other one goes to a file.
#[expect(clippy::print_stdout, reason = "the bench waits for this line")]
fn ready(address: &str) {
    println!("{READY} {address}");
}
