//! How many connections a bench or a test may open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process and those it starts open as many files as the system allows, and says how many that is.
pub fn raise_open_files() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused means that it stays as it is.
    let _ = setrlimit(Resource::Nofile, limit);
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}
