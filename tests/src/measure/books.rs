//! Processor time and memory of processes, from the kernel's own books. Linux alone keeps them so.

use std::fs;
use std::time::Duration;

/// What all threads of a process have used so far, to the nanosecond.
///
/// Threads that ended are not in it, so no thread that does what is measured may end meanwhile.
///
/// # Panics
///
/// When the process is not there.
pub fn spent(pid: u32) -> Duration {
    threads(pid).map(|thread| of_thread(&thread)).sum()
}

/// The same for a process together with those it has started.
///
/// # Panics
///
/// When the process is not there.
pub fn spent_by_family(pid: u32) -> Duration {
    let of_children: Duration = children(pid).into_iter().map(spent_by_family).sum();
    spent(pid) + of_children
}

/// Resident memory of a process, in megabytes.
///
/// # Panics
///
/// When the process is not there.
pub fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.expect("the process is running, on Linux");
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: f64 = kib
        .and_then(|kib| kib.parse().ok())
        .expect("the kernel counts it");
    kib * 1024.0 / 1e6
}

/// The processes a process has started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children"));
    let lists = threads(pid).filter_map(|thread| of_thread(thread).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().map(str::parse);
            pids.flatten().collect::<Vec<u32>>()
        })
        .collect()
}

fn threads(pid: u32) -> impl Iterator<Item = fs::DirEntry> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    threads.expect("the process is running, on Linux").flatten()
}

fn of_thread(thread: &fs::DirEntry) -> Duration {
    let book = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
    let nanoseconds = book.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
