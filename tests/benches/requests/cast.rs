//! Who plays in a contest: the processes of each contender, and where its load goes in.

use std::any::Any;
use std::net::SocketAddr;

use metropolis_tests::NatsServer;
use metropolis_tests::measure::Player;
use metropolis_tests::measure::load::Load;

use crate::nginx::Nginx;
use crate::roles::{Role, Side};
use crate::shape::{Payload, Shape};

/// Where every HTTP contender has the route of the task.
const PATH: &str = "/bench/echo";

/// The subject behind it.
const ECHO: &str = "bench.echo";

/// One way to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cast {
    /// A worker behind a server, asked on a subject.
    Worker(Side, &'static str),
    /// A gateway in front of a server, and the baseline's worker behind it.
    Gateway(Front),
    /// A gateway, a server, and a worker.
    Whole(Side),
    /// nginx in front of a back end that does the work itself.
    Nginx,
    /// HTTP and the work in one process.
    Embedded(Side),
}

/// What takes HTTP in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Front {
    /// axum and `client.request()`.
    Axum,
    /// `metropolis-gateway`, as it is installed.
    Program,
    /// `Gateway` in a program of the user's own.
    Library,
}

/// The processes of one contender, ready to be asked. Dropping it ends them.
pub(crate) struct Stage {
    /// The one that a contest of single processes is about comes first.
    pub(crate) processes: Vec<(&'static str, u32)>,
    entry: Entry,
    /// The server is new for every stage as well: an old one may not have noticed yet that the last worker is gone.
    _running: Vec<Box<dyn Any>>,
}

enum Entry {
    Nats { url: String, subject: &'static str },
    Http(SocketAddr),
}

impl Cast {
    /// `None`, with the reason, where this machine has not what it takes.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let is_missing = matches!(self, Self::Nginx) && Nginx::program().is_none();
        is_missing.then_some("no `nginx` on PATH or in /usr/sbin; Debian has it as a package")
    }

    pub(crate) async fn start(self) -> Stage {
        match self {
            Self::Worker(side, subject) => worker(side, subject).await,
            Self::Gateway(front) => gateway(front).await,
            Self::Whole(side) => whole(side).await,
            Self::Nginx => nginx().await,
            Self::Embedded(side) => embedded(side).await,
        }
    }
}

async fn worker(side: Side, subject: &'static str) -> Stage {
    let server = NatsServer::start().await;
    let worker = Role::Worker.start(side, &server.url()).await;
    Stage {
        processes: vec![("worker", worker.pid()), ("nats-server", server.pid())],
        entry: Entry::Nats {
            url: server.url(),
            subject,
        },
        _running: vec![Box::new(worker), Box::new(server)],
    }
}

async fn gateway(front: Front) -> Stage {
    let server = NatsServer::start().await;
    let worker = Role::Worker.start(Side::Baseline, &server.url()).await;
    let gateway = match front {
        Front::Axum => Role::Gateway.start(Side::Baseline, &server.url()).await,
        Front::Library => Role::Gateway.start(Side::Ours, &server.url()).await,
        // The baseline's worker announces nothing, so its route is configured.
        Front::Program => program(&server, Some(ECHO)).await,
    };
    Stage::of_three(server, gateway, worker)
}

async fn whole(side: Side) -> Stage {
    let server = NatsServer::start().await;
    let worker = Role::Worker.start(side, &server.url()).await;
    let gateway = match side {
        Side::Baseline => Role::Gateway.start(side, &server.url()).await,
        Side::Ours => program(&server, None).await,
    };
    Stage::of_three(server, gateway, worker)
}

async fn embedded(side: Side) -> Stage {
    let process = Role::Embedded.start(side, "").await;
    Stage {
        processes: vec![("process", process.pid())],
        entry: Entry::Http(process.address()),
        _running: vec![Box::new(process)],
    }
}

async fn nginx() -> Stage {
    let back_end = Role::Embedded.start(Side::Baseline, "").await;
    let nginx = Nginx::before(back_end.address()).await;
    Stage {
        processes: vec![("nginx", nginx.pid()), ("back end", back_end.pid())],
        entry: Entry::Http(nginx.address()),
        _running: vec![Box::new(nginx), Box::new(back_end)],
    }
}

/// The program, once it has the route.
async fn program(server: &NatsServer, configured: Option<&str>) -> Player {
    let file = server.dir().join("gateway.toml");
    let route = configured.map(|subject| {
        format!("[[route]]\nmethod = \"POST\"\npath = \"{PATH}\"\nsubject = \"{subject}\"\n")
    });
    std::fs::write(&file, route.unwrap_or_default()).expect("a file can be written beside it");
    let file = file
        .to_str()
        .expect("temporary directories have plain names");
    let gateway = Player::gateway(&server.url(), &["--config", file]).await;
    gateway.until_it_serves(PATH, &Payload::Small.bytes()).await;
    gateway
}

impl Stage {
    fn of_three(server: NatsServer, gateway: Player, worker: Player) -> Self {
        Self {
            processes: vec![
                ("gateway", gateway.pid()),
                ("nats-server", server.pid()),
                ("worker", worker.pid()),
            ],
            entry: Entry::Http(gateway.address()),
            _running: vec![Box::new(gateway), Box::new(worker), Box::new(server)],
        }
    }

    pub(crate) async fn load(&self, shape: Shape) -> Load {
        let body = shape.payload.bytes();
        match &self.entry {
            Entry::Nats { url, subject } => {
                Load::over_nats(url, &[(*subject).to_owned()], shape.in_flight, body).await
            }
            Entry::Http(address) => {
                Load::over_http(*address, &[PATH.to_owned()], shape.in_flight, body).await
            }
        }
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|(_, pid)| *pid).collect()
    }
}
