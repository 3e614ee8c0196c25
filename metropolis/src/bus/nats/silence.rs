//! Silence: notices a server that is there and does nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Family;
use super::link::{Ends, Link};

/// Time between two looks at whether the server says anything. It is silent after two of these in vain, 2.1 seconds at
/// most, which leaves room for a look that was late, within the three seconds that are promised.
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// A look this late says that the own process was held up. What came meanwhile may only not have been read yet.
const LATE: Duration = Duration::from_millis(250);

/// Looks in vain after which a server counts as silent.
const SILENT_AFTER: u32 = 2;

const SILENT: &str = "the server has fallen silent";

/// Gives the link up once the server has fallen silent.
///
/// A server that is frozen keeps its connections, so only its silence tells. This is a task of its own, which no task of
/// a user's holds up for longer than its thread.
pub(super) async fn listen(ends: Ends, family: Arc<Family>) {
    let mut ear = Ear::default();
    loop {
        let due = Instant::now() + LOOK_EVERY;
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            // A sibling has noticed first; its looks and these come at different times.
            () = family.silence.notified(), if ear.vain > 0 => {
                return ends.give_up(SILENT.to_owned());
            }
        }
        let was_late = due.elapsed() > LATE;
        let Some((link, _connection)) = ends.both() else {
            return;
        };
        ear.look(&link, was_late);
        if ear.vain >= SILENT_AFTER {
            family.silence.notify_waiters();
            return ends.give_up(SILENT.to_owned());
        }
        // Its answer is what the next look sees, where nothing else comes.
        drop(link.send_ping());
    }
}

/// What the looks have shown so far.
#[derive(Default)]
struct Ear {
    /// Looks in a row that saw nothing new.
    vain: u32,
    pieces: u64,
    taken: u64,
}

impl Ear {
    fn look(&mut self, link: &Link, was_late: bool) {
        let (pieces, taken) = link.activity();
        // Whoever is asked too much reads nothing until its answers have left, which a slow network may take long over.
        let is_leaving = link.is_full() && taken != self.taken;
        let is_excused = was_late || is_leaving || link.is_handing_out();
        if pieces != self.pieces {
            self.vain = 0;
        } else if !is_excused {
            self.vain += 1;
        }
        (self.pieces, self.taken) = (pieces, taken);
    }
}
