//! A worker between an internal and an external bus: what is internal cannot be reached from outside.

use std::time::Duration;

use metropolis::{Bus, CallError, Client, Context, Fault, NatsOptions, Worker};
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process, eventually};

use crate::connect;

#[metropolis::task(subject = "two.secret.get", bus = "internal")]
async fn secret() -> u8 {
    7
}

#[metropolis::task(subject = "two.open.get")]
async fn open(ctx: &Context) -> Result<u8, Fault> {
    Ok(ctx.call::<secret>(&()).await? * 2)
}

fn worker(external: Bus, internal: Bus) -> Worker {
    let worker = Worker::new(external).with_internal_bus(internal);
    worker.serve::<secret>().serve::<open>()
}

#[tokio::test]
async fn an_internal_task_is_reached_from_the_internal_bus_alone() {
    let (outside, inside) = (NatsServer::start().await, NatsServer::start().await);
    let (external, internal) = (
        connect(&outside, "worker").await,
        connect(&inside, "worker").await,
    );
    let running = worker(external, internal).start().await.unwrap();

    let colleague = Client::new(connect(&inside, "client").await);
    assert_eq!(colleague.call::<secret>(&()).await.unwrap(), 7);
    assert_eq!(colleague.call::<open>(&()).await.unwrap(), 14);

    let stranger = Client::new(connect(&outside, "client").await);
    assert_eq!(stranger.call::<open>(&()).await.unwrap(), 14);
    let refused = stranger.call::<secret>(&()).await.unwrap_err();
    assert!(matches!(refused, CallError::NoWorker(_)), "{refused:?}");
    running.stop().await;
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
    let server = NatsServer::start_with(
        "accounts {
            OUT { users: [ { user: out, password: out } ] }
            IN { users: [ { user: in, password: in } ] }
        }",
    )
    .await;
    let url = |name: &str| {
        server
            .url()
            .replace("nats://", &format!("nats://{name}:{name}@"))
    };
    let account = async |name: &str| {
        Bus::connect(NatsOptions::new(url(name), "worker"))
            .await
            .unwrap()
    };
    let running = worker(account("out").await, account("in").await)
        .start()
        .await
        .unwrap();
    let gateway = Process::example("metropolis-gateway")
        .env("METROPOLIS_NATS_URL", url("out"))
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    let line = gateway
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let mut client = HttpClient::connect(address_in(&line).unwrap()).await;
    let mut status = async |path: &str| client.send("GET", path, &[], "").await.status;
    eventually(Duration::from_secs(10), async || {
        status("/two/open").await == 200
    })
    .await;
    assert_eq!(status("/two/secret").await, 404);
    running.stop().await;
}
