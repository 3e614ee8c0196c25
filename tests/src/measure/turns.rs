//! Loads that take turns, each so short that what the machine is busy with beside it meets all of them alike.
//!
//! A machine that is shared changes its pace within seconds, by more than what is compared differs. So all sides of a
//! comparison run at once, and one of them after the other is asked for a fraction of a second, again and again.

use std::time::{Duration, Instant};

use super::books;
use super::load::{Load, Sample};

/// How often each side is asked, and how long each time.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// Turns that do not count: what is done for the first time costs more.
    pub warm_up: usize,
    /// Turns that count.
    pub counted: usize,
    /// How long one is.
    pub length: Duration,
}

impl Turns {
    /// So many turns to warm up, so many that count, and the length of each in ms.
    pub const fn new(warm_up: usize, counted: usize, length_ms: u64) -> Self {
        Self {
            warm_up,
            counted,
            length: Duration::from_millis(length_ms),
        }
    }
}

/// One of those that are compared: its load, and the processes whose time counts.
#[derive(Debug)]
pub struct Side {
    load: Load,
    pids: Vec<u32>,
}

/// What was counted until now.
struct Books {
    spent: Vec<Duration>,
    answered: u64,
    /// Time in which this side was asked, and what this process took for that.
    asked: Duration,
    own: Duration,
}

impl Side {
    /// A side that is not asked yet.
    pub async fn new(mut load: Load, pids: Vec<u32>) -> Self {
        load.pause().await;
        Self { load, pids }
    }

    fn books(&mut self) -> Books {
        self.load.take_latencies();
        let spent = self.pids.iter().map(|pid| books::spent_by_family(*pid));
        Books {
            spent: spent.collect(),
            answered: self.load.answered(),
            asked: Duration::ZERO,
            own: Duration::ZERO,
        }
    }

    /// Asks this side for a while, until everything is answered.
    async fn take_turn(&mut self, length: Duration) {
        self.load.resume();
        tokio::time::sleep(length).await;
        self.load.pause().await;
    }

    /// What came on top of the books: also what a process does after its turn for what happened in it.
    fn sample(&mut self, before: &Books) -> Sample {
        let latencies = self.load.take_latencies();
        let now = self.books();
        let answered = now.answered - before.answered;
        assert!(answered > 0, "nothing was answered");
        let each = |time: Duration| time.as_secs_f64() * 1e6 / answered as f64;
        let spent = now.spent.iter().zip(&before.spent);
        Sample {
            spent: spent
                .map(|(now, before)| each(now.saturating_sub(*before)))
                .collect(),
            load: each(before.own),
            per_second: answered as f64 / before.asked.as_secs_f64(),
            latencies,
        }
    }
}

/// Gives each side its turns. What they found comes in the order of the sides.
///
/// # Panics
///
/// When a side does not answer.
pub async fn take(sides: &mut [Side], turns: Turns) -> Vec<Sample> {
    for _ in 0..turns.warm_up {
        for side in &mut *sides {
            side.take_turn(turns.length).await;
        }
    }
    let mut books: Vec<Books> = sides.iter_mut().map(Side::books).collect();
    let own = || books::spent(std::process::id());
    for turn in 0..turns.counted {
        for place in 0..sides.len() {
            // Each turn begins with another side, so that none always follows the same neighbour.
            let at = (place + turn) % sides.len();
            let (begun, before) = (Instant::now(), own());
            sides[at].take_turn(turns.length).await;
            books[at].asked += begun.elapsed();
            books[at].own += own() - before;
        }
    }
    let ended = sides.iter_mut().zip(&books);
    ended.map(|(side, books)| side.sample(books)).collect()
}
