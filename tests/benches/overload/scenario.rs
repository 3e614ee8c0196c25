//! One kind of overload: a stage, its capacity, and multiples of that.

use std::time::Duration;

use bytes::Bytes;
use metropolis_tests::NatsServer;
use metropolis_tests::measure::cores::Cores;
use metropolis_tests::measure::offer::{Arrivals, Offer, Outcome};
use metropolis_tests::measure::{Plan, Player, books};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::roles::Side;

/// What is offered, as multiples of the capacity.
const LOADS: [f64; 4] = [0.5, 1.0, 2.0, 3.0];

/// Crowds that are tried to find the capacity.
const CROWDS: [usize; 4] = [16, 32, 128, 512];

/// Connections of an offered load: fewer than the gateway takes, and far more than it can serve at a time.
const CONNECTIONS: usize = 8_000;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long the processes recover between two loads.
const REST: Duration = Duration::from_millis(500);

const BODY: Bytes = Bytes::from_static(br#"{"id":12345,"text":"abcdefghij"}"#);

/// A task, where its worker runs, and what there is not enough of.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    path: &'static str,
    room: Room,
    pub(crate) about: &'static str,
}

/// Who shares a core with whom; there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// The worker has one to itself, as a pod has its own share of processor time.
    Own,
    /// Worker, server and gateway have one together, so that whatever a refusal takes is taken from the answers.
    Shared,
}

pub(crate) const ALL: [Scenario; 6] = [
    Scenario {
        name: "waits",
        path: "/bench/waits",
        room: Room::Own,
        about: "A task waits for 2 ms and has 16 places: the worker has enough of its core, and no more places.",
    },
    Scenario {
        name: "works",
        path: "/bench/works",
        room: Room::Own,
        about: "A task computes for 200 µs: the worker's core is the limit.",
    },
    Scenario {
        name: "waits, one core",
        path: "/bench/waits",
        room: Room::Shared,
        about: "The same as `waits` while worker, server and gateway share a core.",
    },
    Scenario {
        name: "works longer, one core",
        path: "/bench/works-longer",
        room: Room::Shared,
        about: "A task computes for 1 ms: the core is the limit, and nearly all of it is the task's.",
    },
    Scenario {
        name: "works, one core",
        path: "/bench/works",
        room: Room::Shared,
        about: "A task computes for 200 µs: the core is the limit, and most of it is the task's.",
    },
    Scenario {
        name: "cheap, one core",
        path: "/bench/cheap",
        room: Room::Shared,
        about: "A task does nothing: the core is the limit, and most of it is the gateway's and the server's.",
    },
];

/// What one run found.
#[derive(Debug)]
pub(crate) struct Run {
    /// The most that was answered well per second when nobody asked before having been answered.
    pub(crate) capacity: f64,
    pub(crate) steps: Vec<Step>,
    /// What gateway and worker said of trouble.
    pub(crate) complaints: Vec<String>,
}

/// What one load found.
#[derive(Debug)]
pub(crate) struct Step {
    /// As a multiple of the capacity.
    pub(crate) load: f64,
    pub(crate) per_second: f64,
    pub(crate) outcome: Outcome,
    /// The most that the gateway and the worker held in memory, in MB.
    pub(crate) memory: [f64; 2],
}

struct Stage {
    gateway: Player,
    worker: Player,
    _server: NatsServer,
}

impl Scenario {
    /// Whether the baseline is measured as well: where a refusal is paid for by the answers.
    pub(crate) fn is_compared(&self) -> bool {
        self.room == Room::Shared
    }

    pub(crate) async fn run(&self, side: Side, plan: &Plan, cores: &Cores, files: usize) -> Run {
        let stage = self.start(side, cores).await;
        let capacity = self.capacity(plan, cores, &stage).await;
        let mut steps = Vec::new();
        for load in LOADS {
            let per_second = load * capacity;
            // Half of the files, because there may be more open than these.
            let connections = CONNECTIONS.min(files / 2);
            let arrivals = Arrivals::PerSecond(per_second);
            let offer = self.offer(plan, &stage, arrivals, connections);
            let (outcome, memory) = measure(offer, cores, &stage).await;
            steps.push(Step {
                load,
                per_second,
                outcome,
                memory,
            });
            sleep(REST).await;
        }
        Run {
            capacity,
            steps,
            complaints: [stage.gateway.complaints(), stage.worker.complaints()].concat(),
        }
    }

    /// Everything that is measured is started on its core, so that its runtimes know that they have one.
    async fn start(&self, side: Side, cores: &Cores) -> Stage {
        self.room.take_for_gateway(cores);
        let server = NatsServer::start().await;
        let gateway = side.gateway(&server.url()).await;
        cores.take_measured();
        let worker = side.worker(&server.url()).await;
        cores.take_load();
        gateway.until_it_serves(self.path, &BODY).await;
        Stage {
            gateway,
            worker,
            _server: server,
        }
    }

    async fn capacity(&self, plan: &Plan, cores: &Cores, stage: &Stage) -> f64 {
        let mut capacity: f64 = 0.0;
        for crowd in CROWDS {
            let offer = self.offer(plan, stage, Arrivals::OnAnswer, crowd);
            let (outcome, _) = measure(offer, cores, stage).await;
            capacity = capacity.max(outcome.goodput);
        }
        capacity
    }

    fn offer(&self, plan: &Plan, stage: &Stage, arrivals: Arrivals, connections: usize) -> Offer {
        let [warm_up, window] = plan
            .either([1_000, 3_000], [300, 1_000])
            .map(Duration::from_millis);
        Offer {
            address: stage.gateway.address(),
            path: self.path.to_owned(),
            body: BODY,
            arrivals,
            connections,
            warm_up,
            window,
        }
    }
}

impl Run {
    /// The most that was answered well per second under any load that was offered.
    pub(crate) fn peak(&self) -> f64 {
        let goodputs = self.steps.iter().map(|step| step.outcome.goodput);
        goodputs.fold(0.0, f64::max)
    }
}

impl Room {
    /// Binds this thread, and what it starts, to the core of server and gateway.
    fn take_for_gateway(self, cores: &Cores) {
        match self {
            Self::Own => cores.take_load(),
            Self::Shared => cores.take_measured(),
        }
    }
}

/// Makes an offer on the load's core, and looks at memory meanwhile.
async fn measure(offer: Offer, cores: &Cores, stage: &Stage) -> (Outcome, [f64; 2]) {
    let cores = cores.clone();
    let mut load = spawn_blocking(move || {
        // The thread may be an old one.
        cores.take_load();
        offer.make()
    });
    let pids = [stage.gateway.pid(), stage.worker.pid()];
    let mut most = [0.0; 2];
    loop {
        tokio::select! {
            outcome = &mut load => return (outcome.expect("the load goes to its end"), most),
            () = sleep(LOOK) => {}
        }
        let now = pids.map(books::resident_mb);
        most = [most[0].max(now[0]), most[1].max(now[1])];
    }
}
