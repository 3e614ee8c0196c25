//! The largest body that is taken, which may change while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The largest body of a request, shared by all threads of a gateway.
#[derive(Debug, Clone)]
pub(crate) struct BodyMax(Arc<AtomicUsize>);

impl BodyMax {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Changes it, and returns what it was.
    pub(crate) fn swap(&self, bytes: usize) -> usize {
        self.0.swap(bytes, Relaxed)
    }
}
