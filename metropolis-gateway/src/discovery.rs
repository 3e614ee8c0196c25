//! Discovery: who serves what on the bus, as a stream of values. Knows neither routes nor HTTP.
//!
//! Announcements make a change known in milliseconds; polling every few seconds repairs what was missed and finds
//! services that announce nothing. Whatever others send is bounded before it is read and read off the request path:
//! nothing they say can stop this loop, and the most it can grow to is named below.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metropolis::bus::{Bus, Incoming, SubscribeError, Subscription};
use metropolis::service::{ANNOUNCE, LEAVE};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::contracts::Contracts;
pub(crate) use self::contracts::Promises;
use self::fleet::Fleet;
use self::offered::{Announced, ToRead};
use self::round::{Heard, Outcome};
use self::unread::Unreadable;

mod contracts;
mod fleet;
mod offered;
mod pulse;
mod round;
mod unread;

pub(crate) use fleet::Group;
pub(crate) use offered::{ANSWER_BYTES_MAX, ENDPOINTS_MAX, Edition, Offered, is_name};
pub(crate) use unread::Unread;

/// An interval outside of this is taken as the nearest that is not: asking all the time helps nobody.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the loop looks whether it is time to ask, or the connection was another one meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The shortest time between two tellings, which cost as much as there are instances. The first waits for nothing.
const TELL_REST: Duration = Duration::from_millis(5);

/// How long to wait before listening is tried again on a bus that does not take subscriptions.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// Announcements, and notices of leaving, that may wait to be read; polling repairs what is lost beyond.
const NEWS_MAX: usize = 4096;

/// Answers of a round that may wait to be taken in.
const HEARD_MAX: usize = 64;

/// Everything known of the services on the bus at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) groups: Vec<Group>,
    /// Instances that announced what cannot be read.
    pub(crate) unread: Vec<Unread>,
    /// Answers to `INFO` that could not be read, since the start; nobody knows whose they were.
    pub(crate) unread_answers: u64,
    /// Whether everybody was asked once and what they offer was read, so that nothing is missing that was there.
    pub(crate) is_complete: bool,
}

impl Seen {
    /// Whether nobody was heard, so that there is nothing to say of anybody.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.unread.is_empty() && self.unread_answers == 0
    }
}

/// Begins to watch a bus. The receiver ends, and the watching with it, when the tasks are dropped.
pub(crate) fn watch_bus(
    bus: Bus,
    interval: Duration,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Seen> {
    let (sender, receiver) = watch::channel(Seen::default());
    tasks.spawn(Watcher::new(bus, interval, sender).run());
    receiver
}

/// Where services say that they come and go.
struct News {
    joined: Subscription,
    left: Subscription,
}

impl News {
    async fn listen(bus: &Bus) -> Result<Self, SubscribeError> {
        let [joined, left] = [ANNOUNCE, LEAVE].map(|topic| format!("{topic}.*.*"));
        Ok(Self {
            joined: bus.subscribe(&joined, None, NEWS_MAX).await?,
            left: bus.subscribe(&left, None, NEWS_MAX).await?,
        })
    }
}

/// The loop that owns what is known.
struct Watcher {
    bus: Bus,
    interval: Duration,
    fleet: Fleet,
    unreadable: Unreadable,
    contracts: Arc<Contracts>,
    readings: JoinSet<(u64, Result<Promises, String>)>,
    /// The editions in `readings`, so that none is read twice at a time.
    reading: HashSet<u64>,
    seen: watch::Sender<Seen>,
    /// The editions that the first round found and that are still being read; `None` before it ended.
    first_round: Option<Vec<u64>>,
    next_round: Instant,
    /// Whether something is different from what was told last, and when that was.
    is_untold: bool,
    told: Instant,
    /// How many connections there were when everybody was last asked.
    connections: u64,
}

impl Watcher {
    fn new(bus: Bus, interval: Duration, seen: watch::Sender<Seen>) -> Self {
        Self {
            contracts: Arc::new(Contracts::new(bus.clone())),
            bus,
            interval: interval.clamp(INTERVAL_MIN, INTERVAL_MAX),
            fleet: Fleet::default(),
            unreadable: Unreadable::default(),
            readings: JoinSet::new(),
            reading: HashSet::new(),
            seen,
            first_round: None,
            next_round: Instant::now(),
            is_untold: false,
            told: Instant::now(),
            connections: 0,
        }
    }

    async fn run(mut self) {
        loop {
            match News::listen(&self.bus).await {
                Ok(news) => self.watch(news).await,
                Err(error) => tracing::debug!(%error, "discovery cannot listen yet"),
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Watches until the subscriptions end, which they do when the bus is closed.
    async fn watch(&mut self, mut news: News) {
        let (heard, mut hearing) = mpsc::channel(HEARD_MAX);
        let mut round = JoinSet::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        self.next_round = Instant::now();
        loop {
            // Announcements before notices of leaving: what a service says in this order must be read in this order.
            let has_changed = tokio::select! {
                biased;
                Some(heard) = hearing.recv() => self.hear(heard),
                Some(Ok((serial, read))) = self.readings.join_next(), if !self.readings.is_empty() => {
                    self.settle(serial, read)
                }
                _ = look.tick() => {
                    while round.try_join_next().is_some() {}
                    if round.is_empty() && self.is_time_to_ask() {
                        self.begin_round();
                        round.spawn(round::ask(self.bus.clone(), heard.clone()));
                    }
                    false
                }
                () = tokio::time::sleep_until((self.told + TELL_REST).into()), if self.is_untold => false,
                joined = news.joined.next() => match joined {
                    Some(joined) => self.read(joined).await,
                    None => return,
                },
                left = news.left.next() => match left {
                    Some(left) => self.part_with(&left),
                    None => return,
                },
            };
            self.is_untold |= has_changed;
            if self.is_untold && self.told.elapsed() >= TELL_REST {
                self.tell();
            }
        }
    }

    /// After a reconnect everybody may have been missed, so the interval is not waited for.
    fn is_time_to_ask(&self) -> bool {
        let is_new = self.connections != connections(&self.bus);
        self.bus.is_connected() && (is_new || Instant::now() >= self.next_round)
    }

    fn begin_round(&mut self) {
        self.connections = connections(&self.bus);
        self.next_round = Instant::now() + jittered(self.interval);
        self.fleet.begin_round();
        self.unreadable.begin_round();
    }

    fn hear(&mut self, heard: Heard) -> bool {
        match heard {
            Heard::Info(announced) => self.take_in(announced),
            Heard::Unread(why) => {
                self.unreadable.answered(why);
                false
            }
            Heard::Ping { name, id } => {
                self.fleet.hear(&name, &id);
                self.unreadable.hear(&name, &id);
                false
            }
            Heard::End(outcome) => self.end_round(outcome),
        }
    }

    fn end_round(&mut self, outcome: Outcome) -> bool {
        let is_whole = outcome == Outcome::Whole;
        let has_lost = self.fleet.end_round(is_whole);
        let has_lost = self.unreadable.end_round(is_whole, Instant::now()) || has_lost;
        for edition in self.fleet.failed() {
            self.begin_reading(edition);
        }
        if self.first_round.is_none() && outcome != Outcome::NotAsked {
            self.first_round = Some(self.fleet.unread());
            return true;
        }
        has_lost
    }

    /// Reads an announcement. It is not more than somebody's word, so the subject it came on must fit it.
    async fn read(&mut self, joined: Incoming) -> bool {
        let Some((name, id)) = names(&joined) else {
            return false;
        };
        let why = match Announced::read(joined.payload).await {
            Ok(announced) if (&*announced.edition.name, &*announced.id) == (&*name, &*id) => {
                return self.take_in(announced);
            }
            Ok(other) => format!("is that of `{}` `{}`", other.edition.name, other.id),
            Err(why) => why,
        };
        if self.fleet.has(&name, &id) {
            tracing::debug!(name, id, "what a known instance announces anew {why}");
            return false;
        }
        self.unreadable.announced(name, id, why)
    }

    fn take_in(&mut self, announced: Announced) -> bool {
        let (name, id) = (&announced.edition.name, &announced.id);
        let was_unread = self.unreadable.forget(name, id);
        let joined = self.fleet.join(announced);
        if let Some(edition) = joined.to_read {
            self.begin_reading(edition);
        }
        joined.has_changed || was_unread
    }

    fn part_with(&mut self, left: &Incoming) -> bool {
        names(left).is_some_and(|(name, id)| {
            let was_unread = self.unreadable.forget(&name, &id);
            self.fleet.leave(&name, &id) || was_unread
        })
    }

    fn begin_reading(&mut self, edition: ToRead) {
        if self.reading.insert(edition.serial) {
            self.readings.spawn(self.contracts.clone().read(edition));
        }
    }

    fn settle(&mut self, serial: u64, read: Result<Promises, String>) -> bool {
        self.reading.remove(&serial);
        let unread = self
            .first_round
            .iter_mut()
            .find(|unread| unread.contains(&serial));
        let is_last = unread.is_some_and(|unread| {
            unread.retain(|known| *known != serial);
            unread.is_empty()
        });
        // Being complete is news even where the edition itself has left meanwhile.
        self.fleet.settle(serial, read) || is_last
    }

    fn tell(&mut self) {
        (self.is_untold, self.told) = (false, Instant::now());
        let is_complete = self.first_round.as_ref().is_some_and(Vec::is_empty);
        self.seen.send_replace(Seen {
            groups: self.fleet.groups(),
            unread: self.unreadable.list(),
            unread_answers: self.unreadable.answers(),
            is_complete: is_complete || self.seen.borrow().is_complete,
        });
    }
}

/// Service and instance, as the subject of a notice names them. What is no name there is nobody's.
fn names(notice: &Incoming) -> Option<(String, String)> {
    let mut tokens = notice.subject.as_str().rsplit('.');
    let (id, name) = (tokens.next()?, tokens.next()?);
    (is_name(name) && is_name(id)).then(|| (name.to_owned(), id.to_owned()))
}

fn connections(bus: &Bus) -> u64 {
    let counters = bus.counters();
    counters.reconnects + counters.rebuilds
}

/// Gateways that were started together must not ask together for ever. The hasher's keys are random enough for that.
fn jittered(interval: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 200;
    let percent = 900 + u32::try_from(random).unwrap_or(100);
    interval * percent / 1000
}
