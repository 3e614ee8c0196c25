//! What the gateway says about itself: its own paths, and whether it is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metropolis::bus::Bus;
use metropolis::health::BusCheck;
use metropolis::wire::JSON;

use crate::site::Board;

/// The paths that are the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    OpenApi,
    Healthz,
    Readyz,
    Routes,
}

impl BuiltIn {
    /// What the public listener answers.
    pub(crate) const PUBLIC: &[Self] = &[Self::OpenApi, Self::Healthz, Self::Readyz];
    /// What the public listener answers while it is local.
    pub(crate) const LOCAL: &[Self] = &[Self::OpenApi, Self::Healthz, Self::Readyz, Self::Routes];
    /// What the administrative listener answers.
    pub(crate) const ADMIN: &[Self] = &[Self::Healthz, Self::Readyz, Self::Routes];

    /// The one segment of the path.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenApi => "openapi.json",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Routes => "_routes",
        }
    }
}

pub(crate) fn json(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// Whether requests would be answered: the bus works, all routes are there and the gateway is not about to stop.
#[derive(Debug)]
pub(crate) struct Readiness {
    bus: BusCheck,
    board: Arc<Board>,
    stopping: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(bus: Bus, board: Arc<Board>) -> Self {
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

    pub(crate) async fn check(&self) -> bool {
        !self.is_stopping() && self.board.is_complete() && self.bus.answers().await
    }
}
