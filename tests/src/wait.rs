//! Deadlines for things that should happen soon.
//!
//! Tests do not sleep; they wait for an event and say how long they are willing to.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long [`eventually`] rests between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits for `future`, at most for `deadline`.
///
/// # Panics
///
/// When the deadline passes first; the message names the line that called this function.
#[track_caller]
pub fn within<F: Future>(deadline: Duration, future: F) -> impl Future<Output = F::Output> {
    // An async function would report its own line, so the caller is taken down before it starts.
    let caller = Location::caller();
    async move {
        match timeout(deadline, future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing came of it within {deadline:?}, waited for at {caller}"),
        }
    }
}

/// Asks `condition` again and again until it holds, at most for `deadline`.
///
/// A condition that hangs counts as one that does not hold.
///
/// # Panics
///
/// When the deadline passes first; the message names the line that called this function.
#[track_caller]
pub fn eventually(
    deadline: Duration,
    condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        if !holds_within(deadline, condition).await {
            panic!("it did not become true within {deadline:?}, waited for at {caller}");
        }
    }
}

/// Asks `condition` until it holds and says whether that happened before the deadline.
pub async fn holds_within(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    let polling = async {
        while !condition().await {
            sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout_at(end, polling).await.is_ok()
}
