//! Board: the routes that are answered now, swapped whole while requests go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::routes::Routes;

/// The place of the routes that are answered now.
///
/// A lock, and no cell that is read without one: it is held for as long as counting one more reader takes.
#[derive(Debug)]
pub(crate) struct Board {
    routes: RwLock<Arc<Routes>>,
    is_complete: AtomicBool,
}

impl Board {
    /// Begins with these routes.
    pub(super) fn new(routes: Routes, is_complete: bool) -> Self {
        Self {
            routes: RwLock::new(Arc::new(routes)),
            is_complete: AtomicBool::new(is_complete),
        }
    }

    /// The routes of now; who holds them is not touched by a swap.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        // Routes are swapped whole, so a poisoned lock holds good ones.
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in their place.
    pub(super) fn swap(&self, routes: Routes) {
        let routes = Arc::new(routes);
        let mut place = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *place, routes);
        drop(place);
        // Outside the lock: the last to let go of large tables takes a while.
        drop(old);
    }

    /// Notes whether every source of routes was heard by now.
    pub(super) fn hear(&self, is_complete: bool) {
        self.is_complete.fetch_or(is_complete, Ordering::AcqRel);
    }

    /// Whether every source of routes was heard, so that no route is missing that should be there.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }
}
