//! The buses of one process as metrics: read from what each bus counts itself.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::{Labels, counter, gauge};
use crate::bus::{Bus, Counters};

/// One counter of every bus: its name, what it means, and where it stands.
type Line = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: [Line; 5] = [
    (
        "metropolis_bus_reconnects",
        "Times the connection was lost and made again.",
        |counters| counters.reconnects,
    ),
    (
        "metropolis_bus_rebuilds",
        "Times the client of the bus was replaced, because it died or its server fell silent or was about to leave.",
        |counters| counters.rebuilds,
    ),
    (
        "metropolis_bus_dropped_messages",
        "Messages that a full subscription lost.",
        |counters| counters.dropped,
    ),
    (
        "metropolis_bus_malformed_messages",
        "Messages, and single headers of messages, that broke the grammar and were dropped.",
        |counters| counters.malformed,
    ),
    (
        "metropolis_bus_late_replies",
        "Replies that nobody waited for any more: late, sent twice, or forged.",
        |counters| counters.late_replies,
    ),
];

/// The buses of one process. The second one, between workers alone, has a label `bus="internal"`.
#[derive(Debug)]
pub struct BusFigures(Vec<(Bus, bool)>);

impl BusFigures {
    /// Of the bus that requests come in by, and the internal one where there are two.
    #[must_use]
    pub fn new(bus: Bus, internal: Option<Bus>) -> Self {
        let internal = internal.map(|internal| (internal, true));
        Self([(bus, false)].into_iter().chain(internal).collect())
    }

    fn lines<V>(&self, value: impl Fn(&Bus) -> V) -> Vec<(Labels<'static>, V)> {
        let labels = |is_internal: bool| match is_internal {
            true => vec![("bus", Cow::Borrowed("internal"))],
            false => Vec::new(),
        };
        let buses = self.0.iter();
        buses
            .map(|(bus, is_internal)| (labels(*is_internal), value(bus)))
            .collect()
    }
}

impl Collector for BusFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauge(
            &mut encoder,
            "metropolis_bus_connected",
            "Whether a message sent now would leave: 1 or 0.",
            self.lines(|bus| f64::from(u8::from(bus.is_connected()))),
        )?;
        gauge(
            &mut encoder,
            "metropolis_bus_requests_in_flight",
            "Requests of this process that wait for their reply.",
            self.lines(|bus| bus.counters().in_flight as f64),
        )?;
        for (name, help, read) in COUNTERS {
            let lines = self.lines(|bus| read(&bus.counters()));
            counter(&mut encoder, name, help, lines)?;
        }
        Ok(())
    }
}
