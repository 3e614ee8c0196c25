//! Readiness: whether a request that came now would be answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metropolis::bus::Bus;
use metropolis::health::BusCheck;

use super::board::Board;

/// Whether requests would be answered: the bus works, all routes are there and the gateway is not about to stop.
#[derive(Debug)]
pub(crate) struct Readiness {
    bus: BusCheck,
    board: Arc<Board>,
    stopping: AtomicBool,
}

impl Readiness {
    pub(super) fn new(bus: Bus, board: Arc<Board>) -> Self {
        Self {
            bus: BusCheck::new(bus),
            board,
            stopping: AtomicBool::new(false),
        }
    }

    /// From now on the answer is no.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) async fn check(&self) -> bool {
        !self.is_stopping() && self.board.is_complete() && self.bus.answers().await
    }
}
