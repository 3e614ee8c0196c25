//! What the benches stand on: their arguments, the processes they measure, load, books and reports.
//!
//! A bench measures processes of its own: this binary again with a [role](player), or a program that users run. Their
//! processor time and memory are read from the kernel's [books]. [`load`] keeps a number of requests under way, on what is
//! compared in [turns], [`offer`] offers them at a rate whatever becomes of them, and [`cores`] keeps the two sides apart.

pub mod books;
pub mod cores;
pub mod limits;
pub mod load;
pub mod offer;
pub mod plan;
pub mod player;
pub mod report;
pub mod turns;

pub use plan::Plan;
pub use player::Player;

/// Runs a bench. The load needs one thread at most, and would otherwise take that of what is measured.
///
/// # Panics
///
/// When the system has no thread for a runtime.
pub fn block_on(bench: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has a thread for a runtime")
        .block_on(bench);
}
