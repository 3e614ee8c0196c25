//! The parts of a test: workers, somebody who calls them, and a witness who sees and says what it likes.
//!
//! On the embedded bus they share it. On a server each has a connection of its own, and workers and caller may do what
//! their printed permissions say and no more.

use std::time::{Duration, Instant};

use metropolis::catalog::Catalog;
use metropolis::permissions::Permissions;
use metropolis::task::{Served, Task};
use metropolis::{Bus, Client, RunningWorker, TaskSpec, Worker};
use metropolis_tests::{Network, WITNESS};

const SOON: Duration = Duration::from_secs(5);

/// The tasks of one worker: those it serves, and those of others that it calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    specs: Vec<TaskSpec>,
    service: Option<&'static str>,
}

/// Begins with a task that is served.
pub(crate) fn serving<T: Served>() -> Tasks {
    Tasks::default().and::<T>()
}

/// Begins with a task that is only called.
pub(crate) fn calling<T: Task>() -> Tasks {
    Tasks::default().calling::<T>()
}

impl Tasks {
    pub(crate) fn and<T: Served>(self) -> Self {
        self.with([TaskSpec::of::<T>()])
    }

    pub(crate) fn calling<T: Task>(self) -> Self {
        self.with([TaskSpec::declared::<T>()])
    }

    pub(crate) fn with(mut self, specs: impl IntoIterator<Item = TaskSpec>) -> Self {
        self.specs.extend(specs);
        self
    }

    /// Names the service.
    pub(crate) fn of_service(mut self, name: &'static str) -> Self {
        self.service = Some(name);
        self
    }

    fn are_served(&self) -> bool {
        self.specs.iter().any(TaskSpec::is_served)
    }

    /// A worker that serves those that have a body, and calls the others.
    pub(crate) fn worker(&self, bus: &Bus) -> Worker {
        let worker = Worker::new(bus.clone());
        let worker = self.specs.iter().copied().fold(worker, Worker::serve_spec);
        match self.service {
            Some(name) => worker.with_service(name),
            None => worker,
        }
    }

    /// What a worker of these tasks prints.
    pub(crate) fn permissions(&self) -> Permissions {
        self.worker(&Bus::embedded()).permissions().unwrap()
    }

    /// What somebody prints who only calls these tasks.
    pub(crate) fn permissions_to_call(&self) -> Permissions {
        Permissions::of_caller(&Catalog::of(self.specs.iter().copied()).unwrap())
    }
}

/// Everybody, connected.
pub(crate) struct Parts {
    /// Each with a connection of its own.
    workers: Vec<(Tasks, Bus)>,
    pub(crate) caller: Bus,
    pub(crate) witness: Bus,
    network: Option<Network>,
}

impl Parts {
    /// All on one embedded bus.
    pub(crate) fn embedded(tasks: impl IntoIterator<Item = Tasks>) -> Self {
        let bus = Bus::embedded();
        Self {
            workers: tasks
                .into_iter()
                .map(|tasks| (tasks, bus.clone()))
                .collect(),
            caller: bus.clone(),
            witness: bus,
            network: None,
        }
    }

    /// Each on a server as a user of its own.
    pub(crate) async fn on_a_server(tasks: impl IntoIterator<Item = Tasks>) -> Self {
        let tasks: Vec<Tasks> = tasks.into_iter().collect();
        let caller = tasks.iter().map(Tasks::permissions_to_call);
        let caller = caller.reduce(Permissions::with).unwrap();
        let served = tasks.into_iter().filter(Tasks::are_served);
        let served: Vec<(String, Tasks)> = served
            .enumerate()
            .map(|(at, tasks)| (format!("worker-{at}"), tasks))
            .collect();
        let users = served
            .iter()
            .map(|(name, tasks)| (name.clone(), tasks.permissions()));
        let network = Network::start(users.chain([("client".to_owned(), caller)])).await;
        let mut workers = Vec::new();
        for (name, tasks) in served {
            workers.push((tasks, network.connect(&name).await));
        }
        Self {
            workers,
            caller: network.connect("client").await,
            witness: network.connect(WITNESS).await,
            network: Some(network),
        }
    }

    /// The only worker, or the first of several.
    pub(crate) fn worker(&self) -> Worker {
        self.workers().remove(0)
    }

    /// All workers, in the order of their tasks.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        self.workers
            .iter()
            .map(|(tasks, bus)| tasks.worker(bus))
            .collect()
    }

    /// Starts all workers.
    pub(crate) async fn start(&self) -> Vec<RunningWorker> {
        let mut running = Vec::new();
        for worker in self.workers() {
            running.push(worker.start().await.unwrap());
        }
        running
    }

    /// The connections of the workers.
    pub(crate) fn buses(&self) -> Vec<Bus> {
        self.workers.iter().map(|(_, bus)| bus.clone()).collect()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.caller.clone())
    }

    /// Waits until what workers and witness have sent so far is where it belongs.
    pub(crate) async fn settle(&self) {
        let workers = self.workers.iter().map(|(_, bus)| bus);
        for bus in workers.chain([&self.witness]) {
            bus.fence(Instant::now() + SOON).await.unwrap();
        }
    }

    /// The server, where there is one.
    pub(crate) fn network(&self) -> &Network {
        self.network.as_ref().unwrap()
    }
}

pub(crate) async fn stop(workers: Vec<RunningWorker>) {
    for worker in workers {
        worker.stop().await;
    }
}

/// Runs a test on the embedded bus, then on a real server.
pub(crate) async fn on_both_buses(
    tasks: impl IntoIterator<Item = Tasks> + Clone,
    test: impl AsyncFn(&Parts),
) {
    test(&Parts::embedded(tasks.clone())).await;
    test(&Parts::on_a_server(tasks).await).await;
}
