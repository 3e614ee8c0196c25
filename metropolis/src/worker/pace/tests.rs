use std::thread::sleep;

use super::*;

fn note(pace: &Pace, polls: u32, took: Duration) {
    for _ in 0..polls {
        pace.note(took, true);
    }
}

#[test]
fn one_long_poll_makes_a_task_slow_and_many_others_make_it_ordinary() {
    let pace = Pace::default();
    note(&pace, 1, LONG_POLL / 2);
    assert!(!pace.is_slow());
    note(&pace, 1, LONG_POLL * 2);
    assert!(pace.is_slow());
    note(&pace, CALM_AFTER, LONG_POLL / 2);
    assert!(!pace.is_slow() && !pace.is_quick());
}

#[test]
fn quick_polls_make_a_task_quick_until_several_are_not() {
    let pace = Pace::default();
    note(&pace, QUICK_AFTER - 1, QUICK_POLL);
    assert!(!pace.is_quick());
    note(&pace, 1, QUICK_POLL);
    assert!(pace.is_quick());
    note(&pace, 1, QUICK_POLL * 2);
    assert!(!pace.is_quick() && !pace.is_slow());
}

#[test]
fn a_task_that_is_interrupted_now_and_then_stays_quick() {
    let pace = Pace::default();
    note(&pace, QUICK_MAX, QUICK_POLL);
    for _ in 0..100 {
        note(&pace, 1, QUICK_POLL * 2);
        assert!(pace.is_quick());
        note(&pace, QUICK_LOST, QUICK_POLL);
    }
    note(&pace, 3, QUICK_POLL * 2);
    assert!(!pace.is_quick());
}

fn blocks(pace: &Pace) {
    pace.measure(Instant::now(), || sleep(LONG_POLL * 2));
}

#[test]
fn a_poll_that_blocks_its_thread_is_long() {
    let pace = Pace::default();
    blocks(&pace);
    assert!(pace.is_slow());
}

#[test]
fn a_task_that_was_always_quick_is_watched_once_it_is_not() {
    let pace = Pace::default();
    note(&pace, QUICK_MAX, QUICK_POLL);
    blocks(&pace);
    assert!(!pace.is_slow() && pace.is_watched());
    blocks(&pace);
    assert!(pace.is_slow());
    note(&pace, QUICK_MAX, QUICK_POLL);
    assert!(!pace.is_watched());
}

#[cfg(target_os = "linux")]
mod contended {
    use std::hint::spin_loop;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    /// Threads that always have something to do.
    const OTHERS: usize = 8;

    /// Binds this thread to the first core that it may use.
    fn take_one_core() {
        let all = sched_getaffinity(None).expect("the kernel tells the cores");
        let first = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core));
        let mut one = CpuSet::new();
        one.set(first.expect("a thread runs on a core"));
        sched_setaffinity(None, &one).expect("the kernel has just named it");
    }

    fn worked() -> Duration {
        let worked = clock_gettime(ClockId::ThreadCPUTime);
        worked.try_into().expect("no time is negative")
    }

    fn work(time: Duration) {
        let end = worked() + time;
        while worked() < end {}
    }

    /// Polls that work, and block, for less than is long, until one of them takes longer because others have the core.
    fn poll_until_one_takes_long(pace: &Pace) {
        loop {
            let begun = Instant::now();
            let ((), after) = pace.measure(begun, || {
                work(LONG_POLL / 4);
                sleep(LONG_POLL / 50);
                work(LONG_POLL / 4);
            });
            if after - begun > 2 * LONG_POLL {
                return;
            }
        }
    }

    #[test]
    fn a_poll_whose_thread_loses_its_core_is_not_long() {
        let (pace, is_over) = (Pace::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..OTHERS {
                scope.spawn(|| {
                    take_one_core();
                    while !is_over.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                });
            }
            scope.spawn(|| {
                take_one_core();
                poll_until_one_takes_long(&pace);
                is_over.store(true, Ordering::Relaxed);
            });
        });
        assert!(!pace.is_slow());
    }

    #[test]
    fn a_poll_that_works_for_long_is() {
        let pace = Pace::default();
        pace.measure(Instant::now(), || work(LONG_POLL * 2));
        assert!(pace.is_slow());
    }
}
