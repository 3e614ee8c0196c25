//! Whose workers read the trace of a request that nobody records from the reply subject.

use std::collections::HashSet;

use crate::discovery::Seen;
use crate::operation::{Operation, Source};

/// What is subscribed to by services that read it there, and by those that do not, whether they are served or not.
#[derive(Debug, Default)]
pub(crate) struct TraceReaders {
    reading: HashSet<String>,
    others: HashSet<String>,
}

impl TraceReaders {
    pub(super) fn of(seen: &Seen) -> Self {
        let unread: HashSet<&str> = seen.unread.iter().map(|unread| &*unread.service).collect();
        let mut readers = Self::default();
        for edition in seen.groups.iter().map(|group| &group.edition) {
            // What the instances that cannot be read subscribe to is what the others of their service do, if anything.
            let reads = edition.reads_trace_in_reply && !unread.contains(&*edition.name);
            let subjects = match reads {
                true => &mut readers.reading,
                false => &mut readers.others,
            };
            let offered = edition.endpoints.iter();
            subjects.extend(offered.map(|offered| offered.subject.clone()));
        }
        readers
    }

    /// Whether all workers of a task are known to read it there. Those of a configured route announce nothing.
    pub(crate) fn have(&self, operation: &Operation) -> bool {
        if self.reading.is_empty() || operation.source == Source::Fixed {
            return false;
        }
        let subject = operation.pattern.filter();
        self.reading.contains(&subject) && !self.others.contains(&subject)
    }
}
