//! The processes of a measurement, and the parts of telemetry that are on in them.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use metropolis::{Settings, Worker, connect};
use metropolis_gateway::Gateway;
use metropolis_tests::Process;
use metropolis_tests::measure::Player;
use metropolis_tests::measure::player::{ROLE, ready};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

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

    pub(crate) fn variables(self, collector: Option<SocketAddr>) -> Vec<(&'static str, String)> {
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
            .args(["-c", r#"exec "$0" "$1" "$2" 2>"$3""#])
            .arg(bench)
            .args([ROLE.as_ref(), format!("{self:?}").as_ref(), log.as_os_str()])
            .env("METROPOLIS_NATS_URL", nats_url);
        for (name, value) in part.variables(collector) {
            launch = launch.env(name, value);
        }
        Player::ready(launch).await
    }
}

/// The input and the value of the task.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ping {
    id: u64,
    text: String,
}

#[metropolis::task(subject = "bench.echo")]
pub(crate) async fn echo(ping: Ping) -> Ping {
    ping
}

/// Plays the role that the arguments name, until it is killed.
#[tokio::main]
pub(crate) async fn play(words: &[String]) {
    match words {
        [role] if role == "Worker" => worker().await,
        [role] if role == "Gateway" => gateway().await,
        [role] if role == "Collector" => collector().await,
        _ => panic!("there is no role {words:?}"),
    }
    std::future::pending().await
}

async fn worker() {
    let settings = Settings::from_env().expect("good settings");
    let bus = connect(&settings, "worker").await.expect("a server");
    let worker = Worker::configured(bus, &settings).start().await;
    keep(worker.expect("the task has no problems"));
    ready(None);
}

async fn gateway() {
    let settings = Settings::from_env().expect("good settings");
    let bus = connect(&settings, "gateway").await.expect("a server");
    let gateway = Gateway::configured(bus, &settings)
        .with_discovery()
        .with_listen(([127, 0, 0, 1], 0).into());
    let gateway = gateway.start().await.expect("a port is free");
    ready(Some(gateway.address()));
    keep(gateway);
}

async fn collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let routes = Router::new().route("/v1/traces", post(async |_: Bytes| ()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    ready(Some(address));
}

/// What runs goes on until this process is killed.
fn keep<R>(running: R) {
    std::mem::forget(running);
}
