//! Balance: which thread serves a connection. Connections are gathered on few threads while those have time, and spread
//! over more when they have not.
//!
//! What counts is how much of the time a thread is at work. What each of its connections takes nobody knows, so those that
//! do something count as alike, and are moved by and by.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::{Room, Rooms};

/// How often threads are looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// The whole, of which thousandths are told.
pub(super) const ALL: usize = 1000;

/// A thread that is at work for more of the time is full: some of its connections move.
const FULL: usize = 850;

/// They move to one that is at work for so much less, at least.
const GAP: usize = 200;

/// Two threads that are at work for less together are one too many. Less than full, so that nothing goes to and fro.
const GATHERED: usize = 600;
const _: () = assert!(GATHERED < FULL);

/// So many periods in a row threads must have little to do before they are gathered: a load that pauses is none that ends.
const CALM: u32 = 25;

/// What a connection is taken to add to its thread's load until the thread is looked at again.
pub(super) const ARRIVAL: usize = 2;

/// What one thread did in a period.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// The part of the time in which it was at work, in thousandths.
    load: usize,
    /// Its connections.
    seats: usize,
}

/// A part of a thread's connections, in thousandths, that is to go to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    from: usize,
    to: usize,
    part: usize,
}

/// Looks at all threads from time to time, and lets connections move.
pub(super) async fn balance(rooms: Rooms) {
    if rooms.len() < 2 {
        return;
    }
    let mut times: Vec<Duration> = rooms.iter().map(Room::worked).collect();
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
        for room in rooms.iter() {
            room.leaving.store(0, Ordering::Relaxed);
        }
        for Move { from, to, part } in moves {
            rooms[from].target.store(to, Ordering::Relaxed);
            rooms[from].leaving.store(part, Ordering::Relaxed);
        }
    }
}

/// What each thread did since the last time, which was so long ago; begins another period.
fn look(rooms: &Rooms, times: &mut [Duration], took: Duration) -> Vec<Share> {
    let look = |(room, time): (&Room, &mut Duration)| {
        let now = room.worked();
        let worked = now.saturating_sub(std::mem::replace(time, now));
        let load = worked.as_micros() * ALL as u128 / took.as_micros().max(1);
        room.load.store(load as usize, Ordering::Relaxed);
        room.active.store(0, Ordering::Relaxed);
        room.period.fetch_add(1, Ordering::Relaxed);
        Share {
            load: room.load(),
            seats: room.seats.load(Ordering::Relaxed),
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

/// Whether the nth of many is in a part of them, which is taken evenly, and of one alone only if it is the whole.
pub(super) fn is_among(nth: usize, part: usize) -> bool {
    let before = |count: usize| count * part / ALL;
    before(nth) < before(nth + 1)
}

/// What is to move. `calm` counts the periods in which threads might have been gathered.
fn moves(shares: &[Share], calm: &mut u32) -> Vec<Move> {
    let spread = spread(shares);
    let gathered = gather(shares).filter(|_| spread.is_empty());
    *calm = gathered.map_or(0, |_| calm.saturating_add(1));
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
        let is_worth_it = full.load > FULL && full.load.saturating_sub(other.load) >= GAP;
        let part = || (full.load - other.load) * ALL / (2 * full.load);
        (is_worth_it && full.seats > 1).then(|| Move {
            from,
            to,
            part: part(),
        })
    });
    moves.collect()
}

/// From the last thread that has connections to the first that can take them all.
fn gather(shares: &[Share]) -> Option<Move> {
    let from = shares.iter().rposition(|share| share.seats > 0)?;
    let load = shares[from].load;
    let to = shares[..from]
        .iter()
        .position(|share| share.load.saturating_add(load) < GATHERED)?;
    Some(Move {
        from,
        to,
        part: ALL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(shares: &[(usize, usize)]) -> Vec<Share> {
        let share = |&(load, seats)| Share { load, seats };
        shares.iter().map(share).collect()
    }

    fn check(all: &[(usize, usize)], expected: &[(usize, usize, usize)]) {
        let moves = moves(&shares(all), &mut CALM.clone());
        let moves: Vec<_> = moves
            .iter()
            .map(|one| (one.from, one.to, one.part))
            .collect();
        assert_eq!(moves, expected, "{all:?}");
    }

    #[test]
    fn a_full_thread_gives_half_of_the_difference_to_one_that_has_time() {
        check(&[(1000, 64), (0, 0)], &[(0, 1, 500)]);
        check(&[(960, 64), (320, 10)], &[(0, 1, 333)]);
        check(
            &[(1000, 64), (990, 64), (10, 1), (0, 0)],
            &[(0, 3, 500), (1, 2, 494)],
        );
    }

    #[test]
    fn whoever_is_not_full_or_has_no_better_place_stays() {
        check(&[(840, 64), (0, 0)], &[]);
        check(&[(1000, 64), (900, 64)], &[]);
        check(&[(1000, 1), (0, 0)], &[]);
        check(&[(1000, 64)], &[]);
        check(&[(0, 0), (0, 0)], &[]);
        // The other thread has ended.
        check(&[(1000, 64), (usize::MAX, 0)], &[]);
        check(&[(usize::MAX, 0), (100, 64)], &[]);
    }

    #[test]
    fn threads_that_have_little_to_do_are_gathered_one_at_a_time() {
        check(&[(200, 8), (200, 8)], &[(1, 0, ALL)]);
        check(&[(100, 4), (100, 4), (100, 4)], &[(2, 0, ALL)]);
        check(&[(500, 8), (200, 8)], &[]);
        check(&[(550, 8), (200, 8), (40, 1)], &[(2, 0, ALL)]);
        check(&[(300, 8), (0, 0)], &[]);
        check(&[(0, 8), (0, 8)], &[(1, 0, ALL)]);
    }

    #[test]
    fn what_was_spread_is_not_gathered_again_nor_the_other_way_round() {
        check(&[(FULL / 2 + 1, 32), (FULL / 2, 32)], &[]);
        check(&[(GATHERED - 1, 64), (0, 0)], &[]);
    }

    #[test]
    fn a_load_that_pauses_is_not_gathered() {
        let (little, much) = (shares(&[(200, 8), (200, 8)]), shares(&[(500, 8), (500, 8)]));
        let mut calm = 0;
        for _ in 0..3 {
            for _ in 1..CALM {
                assert_eq!(moves(&little, &mut calm), []);
            }
            assert_eq!(moves(&much, &mut calm), []);
        }
        for _ in 1..CALM {
            assert_eq!(moves(&little, &mut calm), []);
        }
        assert_eq!(moves(&little, &mut calm).len(), 1);
    }

    #[test]
    fn a_part_is_taken_evenly_and_a_single_one_only_as_the_whole() {
        let among = |part| {
            (0..8)
                .filter(|nth| is_among(*nth, part))
                .collect::<Vec<_>>()
        };
        assert_eq!(among(0), [0; 0]);
        assert_eq!(among(500), [1, 3, 5, 7]);
        assert_eq!(among(250), [3, 7]);
        assert_eq!(among(ALL), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_new_connection_goes_to_the_first_thread_that_has_time() {
        for (loads, expected) in [
            (&[0, 0][..], 0),
            (&[420, 0], 0),
            (&[500, 100], 1),
            (&[900, 500, 450], 2),
            (&[900, 500, 600], 1),
            (&[usize::MAX, 900], 1),
        ] {
            assert_eq!(place(loads.iter().copied()), expected, "{loads:?}");
        }
    }
}
