//! Balance: which thread serves a connection. Connections are gathered on few threads while those have time, and spread
//! over more when they have not.
//!
//! What counts is how much of the time a thread is awake, whether it has a core or waits for one. What each of its
//! connections takes nobody knows, so those that had something to do count as alike, and are moved by and by.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::{Room, Rooms};

/// How often threads are looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// A thread that is awake for more of the time, in thousandths, is full: some of its connections move.
const FULL: usize = 900;

/// They move to one that is awake for so much less, at least.
const GAP: usize = 200;

/// Two threads that are awake for less together are one too many. Less than full, so that nothing goes to and fro.
const GATHERED: usize = 600;
const _: () = assert!(GATHERED < FULL);

/// So many periods in a row threads must have little to do before they are gathered: a load that pauses is none that ends.
const CALM: u32 = 25;

/// What one thread did in a period.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// The part of the time in which it was awake, in thousandths.
    load: usize,
    /// Connections that had something to do.
    active: usize,
}

/// Connections that are to go from one thread to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    from: usize,
    to: usize,
    count: usize,
}

/// Looks at all threads from time to time, and lets connections move.
pub(super) async fn balance(rooms: Rooms) {
    if rooms.len() < 2 {
        return;
    }
    let mut times: Vec<Duration> = rooms.iter().map(|room| room.awake()).collect();
    let mut last = Instant::now();
    let mut calm = 0;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let took = last.elapsed();
        last += took;
        let shares = look(&rooms, &mut times, took);
        let moves = moves(&shares, &mut calm);
        for (room, share) in rooms.iter().zip(&shares) {
            room.load.store(share.load, Ordering::Relaxed);
            room.leaving.store(0, Ordering::Relaxed);
        }
        for Move { from, to, count } in moves {
            rooms[from].target.store(to, Ordering::Relaxed);
            rooms[from].leaving.store(count, Ordering::Relaxed);
        }
    }
}

/// What each thread did since the last time, whose end was so long ago; begins another period.
fn look(rooms: &Rooms, times: &mut [Duration], took: Duration) -> Vec<Share> {
    let look = |(room, time): (&Room, &mut Duration)| {
        let now = room.awake();
        let awake = now.saturating_sub(std::mem::replace(time, now));
        room.period.fetch_add(1, Ordering::Relaxed);
        Share {
            load: (awake.as_micros() * 1000 / took.as_micros().max(1)) as usize,
            active: room.active.swap(0, Ordering::Relaxed),
        }
    };
    rooms.iter().zip(times).map(look).collect()
}

/// Which thread a new connection goes to: the first one that is not half full, or else the one with the least to do.
pub(super) fn place(loads: impl Iterator<Item = usize>) -> usize {
    let loads: Vec<usize> = loads.collect();
    let has_time = loads.iter().position(|load| *load < FULL / 2);
    let least = || (0..loads.len()).min_by_key(|thread| loads[*thread]);
    has_time.or_else(least).unwrap_or_default()
}

/// What is to move. `calm` counts the periods in which threads might have been gathered.
fn moves(shares: &[Share], calm: &mut u32) -> Vec<Move> {
    let spread = spread(shares);
    let gathered = gather(shares).filter(|_| spread.is_empty());
    *calm = gathered.map_or(0, |_| *calm + 1);
    match gathered {
        Some(gathered) if *calm >= CALM => vec![gathered],
        _ => spread,
    }
}

/// From each full thread to another that has least to do.
fn spread(shares: &[Share]) -> Vec<Move> {
    let mut by_load: Vec<usize> = (0..shares.len()).collect();
    by_load.sort_by_key(|thread| shares[*thread].load);
    let pairs = by_load.iter().rev().zip(&by_load);
    let moves = pairs.filter_map(|(&from, &to)| {
        let (full, other) = (shares[from], shares[to]);
        let is_worth_it = full.load > FULL && full.load >= other.load + GAP;
        // Half of the difference, as far as its connections are alike; of a single one that is none.
        let count = full.active * (full.load.saturating_sub(other.load)) / (2 * full.load).max(1);
        (is_worth_it && count > 0).then_some(Move { from, to, count })
    });
    moves.collect()
}

/// From the last thread that has something to do to the first that can take it all.
fn gather(shares: &[Share]) -> Option<Move> {
    let from = shares.iter().rposition(|share| share.active > 0)?;
    let to = shares[..from]
        .iter()
        .position(|share| share.load + shares[from].load < GATHERED)?;
    let count = shares[from].active;
    Some(Move { from, to, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shares: &[(usize, usize)], expected: &[(usize, usize, usize)]) {
        let all: Vec<Share> = shares
            .iter()
            .map(|&(load, active)| Share { load, active })
            .collect();
        let moves: Vec<_> = moves(&all, &mut CALM.clone())
            .iter()
            .map(|one| (one.from, one.to, one.count))
            .collect();
        assert_eq!(moves, expected, "{shares:?}");
    }

    #[test]
    fn a_full_thread_gives_half_of_the_difference_to_one_that_has_time() {
        check(&[(1000, 64), (0, 0)], &[(0, 1, 32)]);
        check(&[(960, 64), (320, 10)], &[(0, 1, 21)]);
        check(
            &[(1000, 64), (990, 64), (10, 1), (0, 0)],
            &[(0, 3, 32), (1, 2, 31)],
        );
    }

    #[test]
    fn whoever_is_not_full_or_has_no_better_place_stays() {
        check(&[(890, 64), (0, 0)], &[]);
        check(&[(1000, 64), (900, 64)], &[]);
        check(&[(1000, 1), (0, 0)], &[]);
        check(&[(1000, 64)], &[]);
        check(&[(0, 0), (0, 0)], &[]);
    }

    #[test]
    fn threads_that_have_little_to_do_are_gathered_one_at_a_time() {
        check(&[(200, 8), (200, 8)], &[(1, 0, 8)]);
        check(&[(100, 4), (100, 4), (100, 4)], &[(2, 0, 4)]);
        check(&[(500, 8), (200, 8)], &[]);
        check(&[(550, 8), (200, 8), (40, 1)], &[(2, 0, 1)]);
        check(&[(300, 8), (0, 0)], &[]);
    }

    #[test]
    fn what_was_spread_is_not_gathered_again_nor_the_other_way_round() {
        check(&[(FULL / 2 + 1, 32), (FULL / 2, 32)], &[]);
        check(&[(GATHERED - 1, 64), (0, 0)], &[]);
    }

    #[test]
    fn a_load_that_pauses_is_not_gathered() {
        let [little, nothing] = [[200, 200], [0, 0]].map(|loads| {
            loads.map(|load| Share {
                load,
                active: load / 25,
            })
        });
        let mut calm = 0;
        for _ in 0..3 {
            for _ in 1..CALM {
                assert_eq!(moves(&little, &mut calm), []);
            }
            assert_eq!(moves(&nothing, &mut calm), []);
        }
        for _ in 1..CALM {
            assert_eq!(moves(&little, &mut calm), []);
        }
        assert_eq!(moves(&little, &mut calm).len(), 1);
    }

    #[test]
    fn a_new_connection_goes_to_the_first_thread_that_has_time() {
        for (loads, expected) in [
            (&[0, 0][..], 0),
            (&[440, 0], 0),
            (&[500, 100], 1),
            (&[900, 500, 450], 2),
            (&[900, 500, 600], 1),
        ] {
            assert_eq!(place(loads.iter().copied()), expected, "{loads:?}");
        }
    }
}
