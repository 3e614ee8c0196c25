//! A worker between an internal and an external bus: what is internal cannot be reached from outside.

use std::time::Duration;

use metropolis::{Bus, CallError, Client, Context, Fault, RunningWorker, Worker};
use metropolis_tests::network::{self, user};
use metropolis_tests::{HttpClient, NatsServer, Network, eventually};

use crate::listening;
use crate::parts::{self, Parts, Tasks, serving};

#[metropolis::task(subject = "two.secret.get", bus = "internal")]
async fn secret() -> u8 {
    7
}

#[metropolis::task(subject = "two.open.get")]
async fn open(ctx: &Context) -> Result<u8, Fault> {
    Ok(ctx.call::<secret>(&()).await? * 2)
}

/// One worker keeps the secret, the other asks it.
fn tasks() -> [Tasks; 2] {
    [serving::<secret>(), serving::<open>().calling::<secret>()]
}

async fn start(workers: impl IntoIterator<Item = (Worker, Bus)>) -> Vec<RunningWorker> {
    let mut running = Vec::new();
    for (worker, internal) in workers {
        let worker = worker.with_internal_bus(internal);
        running.push(worker.start().await.unwrap());
    }
    running
}

#[tokio::test]
async fn an_internal_task_is_reached_from_the_internal_bus_alone() {
    let (outside, inside) = (
        Parts::on_a_server(tasks()).await,
        Parts::on_a_server(tasks()).await,
    );
    let running = start(outside.workers().into_iter().zip(inside.buses())).await;

    let colleague = inside.client();
    assert_eq!(colleague.call::<secret>(&()).await.unwrap(), 7);
    assert_eq!(colleague.call::<open>(&()).await.unwrap(), 14);

    let stranger = outside.client();
    assert_eq!(stranger.call::<open>(&()).await.unwrap(), 14);
    let refused = stranger.call::<secret>(&()).await.unwrap_err();
    assert!(matches!(refused, CallError::NoWorker(_)), "{refused:?}");
    parts::stop(running).await;
    let gone = colleague.call::<secret>(&()).await.unwrap_err();
    assert!(matches!(gone, CallError::NoWorker(_)), "{gone:?}");
}

#[tokio::test]
async fn where_there_is_one_bus_an_internal_task_is_served_on_it() {
    let bus = Bus::embedded();
    let running = Worker::new(bus.clone())
        .serve::<secret>()
        .start()
        .await
        .unwrap();
    assert_eq!(Client::new(bus).call::<secret>(&()).await.unwrap(), 7);
    running.stop().await;
}

#[tokio::test]
async fn two_accounts_of_one_server_are_two_buses_and_a_gateway_that_discovers_sees_the_outer_one()
{
    let account = |name: &str| -> String {
        let users = tasks().into_iter().enumerate();
        users
            .map(|(at, tasks)| user(format!("worker-{name}{at}"), tasks.permissions()))
            .collect()
    };
    let gateway = user("gateway", network::printed(["--subject", "two.>"]).await);
    let config = format!(
        "accounts {{ OUT {{ users: [\n{}{gateway}] }}, IN {{ users: [\n{}] }} }}",
        account("out"),
        account("in"),
    );
    let network = Network {
        server: NatsServer::start_with(&config).await,
    };
    let mut workers = Vec::new();
    for (at, tasks) in tasks().iter().enumerate() {
        let external = network.connect(&format!("worker-out{at}")).await;
        let internal = network.connect(&format!("worker-in{at}")).await;
        workers.push((tasks.worker(&external), internal));
    }
    let running = start(workers).await;
    let (_gateway, address) = listening("metropolis-gateway", Some(network.url("gateway"))).await;
    let mut client = HttpClient::connect(address).await;
    let mut status = async |path: &str| client.send("GET", path, &[], "").await.status;
    eventually(Duration::from_secs(10), async || {
        status("/two/open").await == 200
    })
    .await;
    assert_eq!(status("/two/secret").await, 404);
    parts::stop(running).await;
}
