//! Keeps one cause of log lines from filling the log: so many a second are let through, the rest are counted and told.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one kind that are let through in a second.
pub const LINES_MAX: u32 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// Kinds that are told apart; those beyond share one count.
const KINDS_MAX: usize = 32;

/// What all kinds beyond share.
const OTHER: &str = "other";

/// Lines of one origin, such as a task. Each kind, such as a fault's code, has its own seconds.
#[derive(Debug, Clone, Default)]
pub struct Flood(Arc<Mutex<Vec<Window>>>);

/// One kind, in the second that is running for it.
#[derive(Debug)]
struct Window {
    kind: Cow<'static, str>,
    begun: Instant,
    lines: u32,
    held: u64,
    /// Whether somebody waits for the end of this second, to tell what was held.
    is_awaited: bool,
}

impl Flood {
    /// Nothing has been let through yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a line of this kind may be written now.
    ///
    /// When lines were held back, `tell` is called with their number at the end of the second, on the Tokio runtime that
    /// this is called on; without a runtime, with the next line.
    pub fn lets_through(&self, kind: &str, tell: impl FnOnce(u64) + Send + 'static) -> bool {
        let now = Instant::now();
        let mut windows = self.windows();
        let at = place(&mut windows, kind, now);
        let Some(window) = windows.get_mut(at) else {
            return false;
        };
        if now.duration_since(window.begun) >= WINDOW && !window.is_awaited {
            let held = std::mem::take(&mut window.held);
            (window.begun, window.lines) = (now, 1);
            drop(windows);
            if held > 0 {
                tell(held);
            }
            return true;
        }
        if window.lines < LINES_MAX {
            window.lines += 1;
            return true;
        }
        window.held += 1;
        if !window.is_awaited
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            window.is_awaited = true;
            let (flood, end) = (self.clone(), window.begun + WINDOW);
            runtime.spawn(async move {
                tokio::time::sleep_until(end.into()).await;
                tell(flood.end(at));
            });
        }
        false
    }

    /// Ends the second of a kind; how many lines were held in it.
    fn end(&self, at: usize) -> u64 {
        let mut windows = self.windows();
        let Some(window) = windows.get_mut(at) else {
            return 0;
        };
        window.is_awaited = false;
        std::mem::take(&mut window.held)
    }

    fn windows(&self) -> MutexGuard<'_, Vec<Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a kind stands. Kinds are never removed, so a place stays what it is.
fn place(windows: &mut Vec<Window>, kind: &str, now: Instant) -> usize {
    let kind = match windows.len() < KINDS_MAX || windows.iter().any(|known| known.kind == kind) {
        true => kind,
        false => OTHER,
    };
    let known = windows.iter().position(|known| known.kind == kind);
    known.unwrap_or_else(|| {
        windows.push(Window {
            kind: Cow::Owned(kind.to_owned()),
            begun: now,
            lines: 0,
            held: 0,
            is_awaited: false,
        });
        windows.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_told_once_the_second_is_over() {
        let (flood, told) = (Flood::new(), Arc::new(AtomicU64::new(0)));
        let line = |kind: &str| {
            let told = Arc::clone(&told);
            flood.lets_through(kind, move |held| {
                told.fetch_add(held, Ordering::Relaxed);
            })
        };
        let through = (0..1000).filter(|_| line("a")).count();
        assert_eq!(through, LINES_MAX as usize);
        assert!(line("b"), "another kind has lines of its own");
        tokio::time::sleep(WINDOW * 2).await;
        assert_eq!(told.load(Ordering::Relaxed), 1000 - u64::from(LINES_MAX));
    }

    #[test]
    fn without_a_runtime_nothing_is_awaited() {
        let flood = Flood::new();
        let through = (0..100).filter(|_| flood.lets_through("a", |_| ())).count();
        assert_eq!(through, LINES_MAX as usize);
        assert!(!flood.windows()[0].is_awaited);
        assert_eq!(flood.windows()[0].held, 90);
    }

    #[test]
    fn kinds_are_bounded() {
        let flood = Flood::new();
        for kind in 0..1000 {
            flood.lets_through(&kind.to_string(), |_| ());
        }
        assert_eq!(flood.windows().len(), KINDS_MAX + 1);
    }
}
