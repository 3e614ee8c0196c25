//! Whether an instance is heard of: each counts as gone that is silent for several rounds on end.

/// An instance that says nothing in this many rounds is gone.
pub(super) const SILENT_ROUNDS_MAX: u32 = 3;

/// What is remembered of an instance for it.
#[derive(Debug)]
pub(super) struct Pulse {
    was_heard: bool,
    silent_rounds: u32,
}

impl Pulse {
    /// Somebody who was heard just now.
    pub(super) fn heard() -> Self {
        Self {
            was_heard: true,
            silent_rounds: 0,
        }
    }

    pub(super) fn hear(&mut self) {
        self.was_heard = true;
    }

    pub(super) fn begin_round(&mut self) {
        self.was_heard = false;
    }

    /// Counts a round; whether the instance is gone. Silence means nothing in a round that was not whole.
    pub(super) fn end_round(&mut self, is_whole: bool) -> bool {
        if self.was_heard {
            self.silent_rounds = 0;
        } else if is_whole {
            self.silent_rounds += 1;
        }
        self.silent_rounds >= SILENT_ROUNDS_MAX
    }
}
