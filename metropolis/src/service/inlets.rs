//! Several subscriptions read as one, by one loop that owns them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::try_join_all;

use crate::bus::{Bus, Incoming, SubscribeError, Subscription};
use crate::subject::Queue;

/// Messages that may wait in each subscription; discovery asks little, so what is more is a flood.
const CAPACITY: usize = 256;

/// Subscriptions of one loop. Few messages come, so asking all of them at each is cheap enough.
#[derive(Debug)]
pub(super) struct Inlets {
    subscriptions: Vec<Subscription>,
    /// Whose turn it is, so that a flood in one leaves the others their share.
    turn: usize,
}

impl Inlets {
    /// Subscribes to all, each confirmed by the bus when this returns.
    pub(super) async fn open(
        bus: &Bus,
        filters: &[String],
        queue: Option<&Queue>,
    ) -> Result<Self, SubscribeError> {
        let opening = filters
            .iter()
            .map(|filter| bus.subscribe(filter, queue, CAPACITY));
        Ok(Self {
            subscriptions: try_join_all(opening).await?,
            turn: 0,
        })
    }

    /// Waits for the next message of any; `None` when all have ended. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Begins to leave all, as [`Subscription::drain`].
    pub(super) fn drain(&mut self, deadline: Instant) {
        for subscription in &mut self.subscriptions {
            subscription.drain(deadline);
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let mut left = self.subscriptions.len();
        while left > 0 {
            left -= 1;
            self.turn = (self.turn + 1) % self.subscriptions.len();
            let next = pin!(self.subscriptions[self.turn].next()).poll(context);
            match next {
                Poll::Ready(Some(incoming)) => return Poll::Ready(Some(incoming)),
                Poll::Ready(None) => {
                    // Another takes its place, so all are asked once more: one that is not asked does not wake.
                    drop(self.subscriptions.swap_remove(self.turn));
                    left = self.subscriptions.len();
                }
                Poll::Pending => {}
            }
        }
        if self.subscriptions.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}
