//! Calls that get a task of their own: those of tasks that block, and of tasks whose polls are long or not known yet.
//!
//! A spawn costs more than many a call, and lets long ones run side by side.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::task::{JoinError, yield_now};
use tokio::time::{sleep_until, timeout_at};

use super::{Lane, panicked, stopped, timed_out};
use crate::dispatch::Call;
use crate::subject::Subject;
use crate::wire::Reply;
use crate::worker::pace::{is_slow_lane, slow_lane};

/// A reply may wait for this part of the time that its call has waited for its turn,
const LEEWAY_PART: u32 = 32;
/// where Tokio's timers are fine enough for that,
const LEEWAY_MIN: Duration = Duration::from_millis(1);
/// and no longer than this.
const LEEWAY_MAX: Duration = Duration::from_millis(5);

/// How a call left the runtime it was on.
enum Left {
    Ended(Reply),
    /// Its task proved slow: the rest belongs on the slow lane.
    Moves(Call),
}

impl Lane {
    pub(super) fn spawn(self: &Arc<Self>, to: Option<Subject>, call: Call) {
        let slow_lane = self.pace.is_slow().then(slow_lane).flatten();
        slow_lane
            .unwrap_or(&self.runtime)
            .spawn(Arc::clone(self).finish(to, call));
    }

    /// Ends a call, then runs what waits for its place.
    async fn finish(self: Arc<Self>, to: Option<Subject>, call: Call) {
        let (started, trace_id) = (call.started, call.trace_id);
        let leeway = self.leeway(call.arrived.elapsed());
        if self.entry().meta().blocking {
            self.run_blocking(to, call).await;
        } else {
            match self.run_alone(call).await {
                Left::Ended(reply) => {
                    self.reply_within(leeway, to, reply.in_trace(trace_id), started.elapsed());
                }
                Left::Moves(call) => return self.spawn(to, call),
            }
        }
        if self.is_waited_for() {
            // Others got a place before, and have not all had a turn yet.
            yield_now().await;
        }
        if let Some(next) = self.release() {
            self.run(next);
        }
    }

    /// How long a reply may wait for others to leave with, when its call has waited so long for its turn. Those of slow tasks
    /// are too far apart.
    fn leeway(&self, waited: Duration) -> Duration {
        let leeway = (waited / LEEWAY_PART).min(LEEWAY_MAX);
        match self.pace.is_slow() || leeway < LEEWAY_MIN {
            true => Duration::ZERO,
            false => leeway,
        }
    }

    /// Runs a call to its end, to its deadline, or to the worker's.
    async fn run_alone(&self, mut call: Call) -> Left {
        let deadline = call.deadline;
        let rest = poll_fn(|context| self.poll_alone(&mut call, context));
        // In this order, because most calls are ready when they are polled again, and then no abort need be waited for.
        let ended = tokio::select! {
            biased;
            polled = timeout_at(deadline.into(), rest) => polled.unwrap_or_else(|_| Some(timed_out())),
            () = self.ended() => Some(stopped()),
        };
        ended.map_or(Left::Moves(call), Left::Ended)
    }

    /// `None` when the task has proved slow and this thread is not for slow ones.
    fn poll_alone(&self, call: &mut Call, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        if self.pace.is_slow() && !is_slow_lane() && slow_lane().is_some() {
            return Poll::Ready(None);
        }
        self.pace.prepare();
        self.poll(call, context, Instant::now()).0.map(Some)
    }

    /// A blocking call cannot be dropped. It is answered when its time is up, but keeps its place as long as its thread.
    async fn run_blocking(self: &Arc<Self>, to: Option<Subject>, call: Call) {
        let (deadline, started, trace_id) = (call.deadline, call.started, call.trace_id);
        let mut thread = tokio::task::spawn_blocking(|| call.future.now_or_never());
        let reply = tokio::select! {
            joined = &mut thread => {
                let reply = reply_of(joined).in_trace(trace_id);
                return self.reply(to, reply, started.elapsed());
            }
            () = sleep_until(deadline.into()) => timed_out(),
            () = self.ended() => stopped(),
        };
        self.reply(to, reply.in_trace(trace_id), started.elapsed());
        let _ = thread.await;
    }

    /// Ready once running calls must end.
    async fn ended(&self) {
        loop {
            let ending = self.ending.notified();
            if self.is_aborted() {
                return;
            }
            ending.await;
        }
    }
}

fn reply_of(joined: Result<Option<Reply>, JoinError>) -> Reply {
    match joined {
        Ok(reply) => reply.expect("a plain fn is ready at once"),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panicked(&*panic),
            Err(_) => stopped(),
        },
    }
}
