//! Stand: one task on one bus, subscribed there unless it is paused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::lane::Lane;
use crate::bus::{Serving, SubscribeError, Taker};

/// How long a pause waits for what was under way when it began.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One task on one bus.
#[derive(Debug)]
pub(super) struct Stand {
    lane: Arc<Lane>,
    /// Held while it is changed, so that nobody subscribes what somebody else is about to leave.
    post: Mutex<Post>,
}

#[derive(Debug)]
enum Post {
    /// Not subscribed, yet or at the moment.
    Empty,
    Taken(Serving),
    /// Not subscribed any more.
    Closed,
}

impl Stand {
    /// Takes no calls yet.
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        let post = Mutex::new(Post::Empty);
        Self { lane, post }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Takes calls from now on, if it does not already. Nothing happens where it was left.
    ///
    /// # Errors
    /// When the bus does not confirm the subscription.
    pub(super) async fn serve(&self) -> Result<(), SubscribeError> {
        let mut post = self.post.lock().await;
        if matches!(*post, Post::Empty) {
            let (lane, entry) = (Arc::clone(&self.lane), self.lane.entry());
            let taker: Taker = Arc::new(move |incoming| lane.take(incoming));
            let (bus, filter) = (self.lane.bus(), entry.pattern.filter());
            *post = Post::Taken(bus.serve(&filter, &entry.queue, taker).await?);
        }
        self.lane.limits().set_paused(false);
        Ok(())
    }

    /// Takes no calls until it [serves](Self::serve) again. What is under way still comes, and is answered.
    pub(super) async fn pause(&self) {
        let mut post = self.post.lock().await;
        // Said at once: while it drains it takes what was sent before, and nothing else.
        self.lane.limits().set_paused(true);
        if matches!(*post, Post::Taken(_))
            && let Post::Taken(serving) = std::mem::replace(&mut *post, Post::Empty)
        {
            serving.drain(Instant::now() + PAUSE_TIMEOUT).await;
        }
    }

    /// Takes no calls any more. What is under way still comes, until the deadline.
    pub(super) async fn leave(&self, deadline: Instant) {
        let leaving = async {
            let mut post = self.post.lock().await;
            if let Post::Taken(serving) = std::mem::replace(&mut *post, Post::Closed) {
                serving.drain(deadline).await;
            }
        };
        // Only a pause that is under way can hold this up, and that leaves too.
        let _ = tokio::time::timeout_at(deadline.into(), leaving).await;
    }
}
