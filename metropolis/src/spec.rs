//! TaskSpec: the static record of one task, with its types erased, and the place where the linker collects them.
//!
//! Data and `const fn` only. The catalog is the only reader of the collection.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use schemars::{Schema, SchemaGenerator};

use crate::context::Context;
use crate::fault::{FaultKind, TaskFault};
use crate::input::Shape;
use crate::task::{FaultOf, Payload, ReplyValue, Served, Task, TaskMeta, ValueOf, answer};
use crate::wire::{Envelope, Reply};

/// From envelope to reply: the one erased boundary between a task's types and the runtime.
pub(crate) type Answer = fn(Arc<Shape>, Context, Envelope) -> BoxFuture<'static, Reply>;

/// One task, described: what the annotation said, and what its types say.
#[derive(Clone, Copy)]
pub struct TaskSpec {
    /// What the annotation said.
    pub meta: TaskMeta,
    /// The faults it declares.
    pub faults: &'static [FaultKind],
    pub(crate) input: fn(&mut SchemaGenerator) -> Option<Schema>,
    pub(crate) output: fn(&mut SchemaGenerator) -> Option<Schema>,
    pub(crate) is_nothing: fn() -> bool,
    pub(crate) answer: Option<Answer>,
}

impl TaskSpec {
    /// A task with a body.
    #[must_use]
    pub const fn of<T: Served>() -> Self {
        Self {
            answer: Some(answer::<T>),
            ..Self::declared::<T>()
        }
    }

    /// A task that lives elsewhere.
    #[must_use]
    pub const fn declared<T: Task>() -> Self {
        Self {
            meta: T::META,
            faults: <FaultOf<T> as TaskFault>::KINDS,
            input: <T::Input as Payload>::schema,
            output: <ValueOf<T> as ReplyValue>::schema,
            is_nothing: <ValueOf<T> as ReplyValue>::is_nothing,
            answer: None,
        }
    }

    /// Whether a worker can serve it, or it is only declared here.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.answer.is_some()
    }

    /// HTTP status of success.
    #[must_use]
    pub fn status(&self) -> u16 {
        let default = if (self.is_nothing)() { 204 } else { 200 };
        self.meta.status.unwrap_or(default)
    }
}

impl fmt::Debug for TaskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpec")
            .field("meta", &self.meta)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

inventory::collect!(TaskSpec);
