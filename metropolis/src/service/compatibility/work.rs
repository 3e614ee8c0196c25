//! How much a comparison may cost. The contract in service comes from a peer, and a schema of a few lines can describe
//! more than anybody has time for.

use serde_json::Value;

/// Values that are copied and compared, all together: well under a second.
const WORK_MAX: usize = 2_000_000;

/// What is left of the work one comparison may do.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Work {
    pub(super) fn new() -> Self {
        Self(WORK_MAX)
    }

    /// Takes a number of steps from what is left; says whether there were as many.
    pub(super) fn steps(&mut self, steps: usize) -> bool {
        let left = self.0.checked_sub(steps);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// Takes the cost of copying values.
    pub(super) fn copy<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> bool {
        self.steps(1) && values.into_iter().all(|value| self.copy_one(value))
    }

    fn copy_one(&mut self, value: &Value) -> bool {
        match value {
            Value::Array(items) => self.copy(items),
            Value::Object(members) => self.copy(members.values()),
            _ => self.steps(1),
        }
    }
}
