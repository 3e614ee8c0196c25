//! Lines that a worker could make the gateway write ten thousand times a second: some of each kind are, and their number.

use std::sync::LazyLock;

use metropolis::log::Flood;

static FLOOD: LazyLock<Flood> = LazyLock::new(Flood::new);

/// Whether a line of this kind may be written now.
pub(crate) fn may_log(kind: &'static str) -> bool {
    let tell = move |more| tracing::warn!(kind, more, "… and {more} more like it");
    FLOOD.lets_through(kind, tell)
}
