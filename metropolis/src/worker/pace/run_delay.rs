//! How long a thread has waited for a core while it had something to do: its run delay, as Linux calls it.
//!
//! The time that has passed does not tell a poll that works or blocks from one whose thread had lost its core.

use std::time::Duration;

/// This thread's, so far; nothing where the system does not tell. It takes a microsecond.
pub(super) fn so_far() -> Duration {
    read().unwrap_or_default()
}

/// Reads the second of three numbers, in ns (`Documentation/scheduler/sched-stats.rst` of Linux).
#[cfg(target_os = "linux")]
fn read() -> Option<Duration> {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    thread_local! {
        static OF_THIS_THREAD: Option<File> = File::open("/proc/thread-self/schedstat").ok();
    }
    let mut text = [0; 64];
    let read = |file: &Option<File>| file.as_ref()?.read_at(&mut text, 0).ok();
    let length = OF_THIS_THREAD.with(read)?;
    let delay = str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?;
    delay.parse().ok().map(Duration::from_nanos)
}

#[cfg(not(target_os = "linux"))]
fn read() -> Option<Duration> {
    None
}
