//! What a careful programmer writes without metropolis: axum and async-nats, and a door that lets in as many as there are
//! places.
#![expect(
    clippy::disallowed_methods,
    reason = "what the framework does without is what it is compared with"
)]

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;
use metropolis_tests::measure::player::ready;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::{LONGER, Ping, WAIT, WORK, compute};

/// Requests that the gateway has under way at most: as many as a task of ours has places, unless it says otherwise.
const DOOR: usize = 512;

/// Calls of the task that waits at a time.
const WAITING_MAX: usize = 16;

/// Answers in the loop where nothing has to wait, and spawns per message where something has to.
pub(super) async fn worker(nats_url: &str) {
    let client = connect(nats_url).await;
    let loops = [
        tokio::spawn(answer_in_place(
            client.clone(),
            "bench.cheap",
            Duration::ZERO,
        )),
        tokio::spawn(answer_in_place(client.clone(), "bench.works", WORK)),
        tokio::spawn(answer_in_place(
            client.clone(),
            "bench.works-longer",
            LONGER,
        )),
        tokio::spawn(spawn_each(client.clone(), "bench.waits")),
    ];
    // When the subscriptions are active shows at the gateway, which is asked until it answers.
    ready(None);
    for task in loops {
        task.await.expect("a loop does not panic");
    }
}

async fn connect(nats_url: &str) -> Client {
    let client = async_nats::connect(nats_url).await;
    client.expect("the server listens")
}

async fn subscribe(client: &Client, subject: &'static str) -> Subscriber {
    let messages = client.queue_subscribe(subject, "worker".to_owned()).await;
    messages.expect("the server takes it")
}

async fn answer_in_place(client: Client, subject: &'static str, work: Duration) {
    let mut messages = subscribe(&client, subject).await;
    while let Some(message) = messages.next().await {
        let ping = decode(&message.payload);
        compute(work, &ping);
        answer(&client, message, &ping).await;
    }
}

async fn spawn_each(client: Client, subject: &'static str) {
    let mut messages = subscribe(&client, subject).await;
    let places = Arc::new(Semaphore::new(WAITING_MAX));
    while let Some(message) = messages.next().await {
        let place = Arc::clone(&places).acquire_owned().await;
        let client = client.clone();
        tokio::spawn(async move {
            let ping = decode(&message.payload);
            sleep(WAIT).await;
            answer(&client, message, &ping).await;
            drop(place);
        });
    }
}

fn decode(payload: &[u8]) -> Ping {
    serde_json::from_slice(payload).expect("the payload is a ping")
}

async fn answer(client: &Client, message: Message, ping: &Ping) {
    let payload = serde_json::to_vec(ping).expect("a ping has a JSON form");
    let reply = message.reply.expect("every request wants a reply");
    let sent = client.publish(reply, payload.into()).await;
    sent.expect("the server listens");
}

#[derive(Clone)]
struct Gateway {
    client: Client,
    door: Arc<Semaphore>,
}

/// One handler that asks NATS, unless too many others are under way.
pub(super) async fn gateway(nats_url: &str) {
    let gateway = Gateway {
        client: connect(nats_url).await,
        door: Arc::new(Semaphore::new(DOOR)),
    };
    let routes = Router::new().route("/bench/{task}", post(forward));
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    ready(Some(address));
    let served = axum::serve(listener, routes.with_state(gateway)).await;
    served.expect("a listener goes on");
}

async fn forward(
    State(gateway): State<Gateway>,
    Path(task): Path<String>,
    body: Bytes,
) -> Response {
    let Ok(_place) = gateway.door.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response();
    };
    match gateway.client.request(format!("bench.{task}"), body).await {
        Ok(answer) => ([("content-type", "application/json")], answer.payload).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
