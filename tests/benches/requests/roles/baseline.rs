//! What a careful programmer writes without metropolis: async-nats and axum, nothing around them.
#![expect(
    clippy::disallowed_methods,
    reason = "what the framework does without is what it is compared with"
)]

use std::future::ready as ready_now;
use std::time::Duration;

use async_nats::{Client, Message};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::StreamExt;
use metropolis_tests::measure::player::ready;
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Ping;
use crate::shape::Payload;

/// Answers in the loop where nothing has to wait, and spawns per message where something has to.
pub(super) async fn worker(nats_url: &str) {
    let client = connect(nats_url).await;
    let loops = [
        tokio::spawn(answer_in_place(client.clone())),
        tokio::spawn(spawn_each(client.clone(), "bench.spawn", || ready_now(()))),
        tokio::spawn(spawn_each(client.clone(), "bench.yield", yield_now)),
        tokio::spawn(spawn_each(client.clone(), "bench.sleep", || {
            sleep(Duration::from_millis(1))
        })),
    ];
    // The subscriptions are active once a request of our own has come back.
    for subject in ["bench.echo", "bench.spawn", "bench.yield", "bench.sleep"] {
        let payload = Payload::Small.bytes();
        while client.request(subject, payload.clone()).await.is_err() {
            yield_now().await;
        }
    }
    ready(None);
    for task in loops {
        task.await.expect("a loop does not panic");
    }
}

async fn connect(nats_url: &str) -> Client {
    async_nats::connect(nats_url)
        .await
        .expect("the server listens")
}

async fn answer_in_place(client: Client) {
    let mut messages = client
        .queue_subscribe("bench.echo", "worker".to_owned())
        .await
        .expect("the server takes it");
    while let Some(message) = messages.next().await {
        let ping = decode(&message.payload);
        answer(&client, message, &ping).await;
    }
}

async fn spawn_each<W: Future<Output = ()> + Send + 'static>(
    client: Client,
    subject: &'static str,
    wait: impl Fn() -> W,
) {
    let mut messages = client
        .queue_subscribe(subject, "worker".to_owned())
        .await
        .expect("the server takes it");
    while let Some(message) = messages.next().await {
        let (client, wait) = (client.clone(), wait());
        tokio::spawn(async move {
            let ping = decode(&message.payload);
            wait.await;
            answer(&client, message, &ping).await;
        });
    }
}

fn decode(payload: &[u8]) -> Ping {
    serde_json::from_slice(payload).expect("the payload is a ping")
}

async fn answer(client: &Client, message: Message, ping: &Ping) {
    let payload = serde_json::to_vec(ping).expect("a ping has a JSON form");
    let reply = message.reply.expect("every request wants a reply");
    client
        .publish(reply, payload.into())
        .await
        .expect("the server listens");
}

/// One handler that asks NATS.
pub(super) async fn gateway(nats_url: &str) {
    let routes = Router::new().route("/bench/echo", post(forward));
    serve(routes.with_state(connect(nats_url).await)).await;
}

async fn forward(
    State(client): State<Client>,
    body: Bytes,
) -> Result<([(&'static str, &'static str); 1], Bytes), StatusCode> {
    match client.request("bench.echo", body).await {
        Ok(answer) => Ok(([("content-type", "application/json")], answer.payload)),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

/// One handler that does the work itself.
pub(super) async fn embedded() {
    serve(Router::new().route("/bench/echo", post(echo))).await;
}

async fn echo(Json(ping): Json<Ping>) -> Json<Ping> {
    Json(ping)
}

async fn serve(routes: Router) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    ready(Some(address));
    axum::serve(listener, routes)
        .await
        .expect("a listener goes on");
}
