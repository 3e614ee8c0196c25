//! Telemetry: what a process counts while it runs, and how it is shown to whoever watches.
//!
//! Counters live beside what they count and are plain atomics; nothing is gathered before somebody asks. What is asked
//! for is written by a library of the field, [`prometheus_client`], as `/metrics` and in part as `STATS`. The names of
//! all metrics are in `docs/operations.md`.

mod buses;
mod counts;
pub mod exposition;
mod histogram;
mod tally;
mod tasks;

pub use buses::BusFigures;
pub(crate) use counts::Counts;
pub use exposition::Exposition;
pub use histogram::{BOUNDS, Distribution, Histogram};
pub use tally::{OTHER, Tally};
pub use tasks::TaskFigures;
