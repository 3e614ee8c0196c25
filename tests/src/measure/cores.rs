//! Keeps load and what is loaded on cores of their own, so that neither takes time from the other.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores this process may use. Its children inherit what it is bound to when it starts them.
#[derive(Debug, Clone)]
pub struct Cores {
    all: CpuSet,
    measured: usize,
    load: usize,
}

impl Cores {
    /// The first core is for what is measured, the last one for the load.
    ///
    /// `None` where there is but one, or the system does not tell.
    pub fn apart() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let (measured, load) = (allowed.next()?, allowed.next_back()?);
        Some(Self {
            all,
            measured,
            load,
        })
    }

    /// Binds this thread, and the processes and threads it starts, to the core of what is measured.
    pub fn take_measured(&self) {
        bind(&one(self.measured));
    }

    /// Binds this thread, and what it starts, to the core of the load.
    pub fn take_load(&self) {
        bind(&one(self.load));
    }

    /// Frees this thread again.
    pub fn take_all(&self) {
        bind(&self.all);
    }
}

fn one(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn bind(set: &CpuSet) {
    sched_setaffinity(None, set).expect("the kernel has just named these cores");
}
