//! Closed-loop load: each connection sends a request, waits for its outcome, and sends the next.
//!
//! The load runs around a scenario, for as long as that takes, and every request started is
//! counted exactly once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::http::{HttpError, Response};

/// How long a request may take before it is counted as an error.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection that failed rests before it tries again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(5);

/// What came of one request.
pub type Outcome = Result<u16, String>;

/// The outcome of an HTTP request made with [`HttpClient::try_send`](crate::HttpClient::try_send).
///
/// # Errors
///
/// When there was no response.
pub fn outcome(result: Result<Response, HttpError>) -> Outcome {
    match result {
        Ok(response) => Ok(response.status),
        Err(error) => Err(error.to_string()),
    }
}

/// What came of all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests answered with a status of 200 to 299.
    pub ok: u64,
    /// Requests answered, by status, the good ones included.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests and connections that failed, by what was said about it.
    pub errors: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one outcome.
    pub fn record(&mut self, outcome: Outcome) {
        match outcome {
            Ok(status) => {
                self.ok += u64::from((200..300).contains(&status));
                *self.by_status.entry(status).or_default() += 1;
            }
            Err(error) => *self.errors.entry(error).or_default() += 1,
        }
    }

    /// How many outcomes were counted.
    pub fn total(&self) -> u64 {
        self.by_status.values().chain(self.errors.values()).sum()
    }

    /// How many outcomes were anything but good.
    pub fn not_ok(&self) -> u64 {
        self.total() - self.ok
    }

    /// Both tallies as one.
    pub fn and(mut self, other: Self) -> Self {
        self.ok += other.ok;
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self
    }
}

/// Keeps `connections` busy until `scenario` is over, and returns its result and the tally.
///
/// Each connection is made by `connect` and used by `request`; after an error it is made anew. A
/// connection that cannot be made counts as an error too. When the scenario is over, requests under
/// way are waited for and counted. Everything runs in the caller's task, so the closures may borrow.
pub async fn during<S, C>(
    scenario: impl Future<Output = S>,
    connections: usize,
    connect: impl AsyncFn() -> Result<C, String>,
    request: impl AsyncFn(&mut C) -> Outcome,
) -> (S, Tally) {
    let (stop, stopped) = watch::channel(false);
    let loops = (0..connections).map(|_| keep_busy(&stopped, &connect, &request));
    let (result, tallies) = tokio::join!(
        async {
            let result = scenario.await;
            stop.send_replace(true);
            result
        },
        join_all(loops)
    );
    (
        result,
        tallies.into_iter().fold(Tally::default(), Tally::and),
    )
}

/// One connection's loop.
async fn keep_busy<C>(
    stopped: &watch::Receiver<bool>,
    connect: &impl AsyncFn() -> Result<C, String>,
    request: &impl AsyncFn(&mut C) -> Outcome,
) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while !*stopped.borrow() {
        let outcome = attempt(&mut connection, connect, request).await;
        if outcome.is_err() {
            connection = None;
            sleep(RECONNECT_PAUSE).await;
        }
        // The freshly made connection is no request and adds nothing.
        if let Some(outcome) = outcome.transpose() {
            tally.record(outcome);
        }
        // A closure that never waits must not keep the scenario from going on.
        yield_now().await;
    }
    tally
}

/// Makes the connection if there is none, otherwise sends one request on it.
async fn attempt<C>(
    connection: &mut Option<C>,
    connect: &impl AsyncFn() -> Result<C, String>,
    request: &impl AsyncFn(&mut C) -> Outcome,
) -> Result<Option<u16>, String> {
    let step = async {
        match connection {
            Some(connection) => request(connection).await.map(Some),
            None => {
                *connection = Some(connect().await?);
                Ok(None)
            }
        }
    };
    match timeout(REQUEST_DEADLINE, step).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no outcome within {REQUEST_DEADLINE:?}")),
    }
}
