//! The processor time of a process, to the nanosecond, from the scheduler's own books.

use std::fs;
use std::time::Duration;

/// What all threads of a process have used so far; threads that ended are not in it.
pub(crate) fn spent(pid: u32) -> Duration {
    let threads =
        fs::read_dir(format!("/proc/{pid}/task")).expect("the process is running, on Linux");
    let of_thread = |thread: fs::DirEntry| {
        let book = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let nanoseconds = book.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or_default())
    };
    threads.flatten().map(of_thread).sum()
}

/// Resident memory of a process in megabytes.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .expect("the process is running, on Linux");
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: f64 = kib
        .and_then(|kib| kib.parse().ok())
        .expect("the kernel counts it");
    kib * 1024.0 / 1e6
}
