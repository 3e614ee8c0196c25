//! Figures: what `/metrics` says of the gateway itself, gathered when it is asked.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use metropolis::telemetry::exposition::{Labels, counter, gauge, histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::board::Board;
use crate::metrics::{Meter, Metrics};

/// What `/metrics` says of the gateway itself.
#[derive(Debug)]
pub(super) struct GatewayFigures {
    pub(super) metrics: Arc<Metrics>,
    pub(super) board: Arc<Board>,
}

impl Collector for GatewayFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let routes = self.board.routes();
        let meters = || routes.meters().chain([self.metrics.unrouted()]);
        histogram(
            encoder,
            "http_server_request_duration_seconds",
            "How long requests took, from their head to their answer. No route: none has taken the request.",
            meters().flat_map(Meter::answers),
        )?;
        gauge(
            encoder,
            "http_server_active_requests",
            "Requests that are being answered.",
            [(Labels::new(), self.metrics.active() as f64)],
        )?;
        counter(
            encoder,
            "metropolis_gateway_faults",
            "Requests that were answered with no value, by the code of the answer.",
            meters().flat_map(Meter::faults),
        )?;
        gauge(
            encoder,
            "metropolis_gateway_routes",
            "Routes of tasks that are answered.",
            [(Labels::new(), routes.tasks() as f64)],
        )?;
        gauge(
            encoder,
            "metropolis_service_instances",
            "Instances of a service on the bus that is served.",
            routes.instances().iter().map(|(service, count)| {
                (vec![("service", Cow::Borrowed(&**service))], *count as f64)
            }),
        )?;
        gauge(
            encoder,
            "metropolis_services_quarantined",
            "Services on the bus that are not served; /_routes says why.",
            [(Labels::new(), routes.quarantined() as f64)],
        )
    }
}
