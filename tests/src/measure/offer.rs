//! Load that is offered, whatever becomes of it: requests come at a rate, and no answer is waited for before the next.
//!
//! A load that waits for answers slows down with whoever it measures, and so hides what overload does. This one is a
//! loop over one `epoll` that never sleeps: it costs a fraction of what it asks for. Whoever shares its core comes first
//! whenever there is nothing to send or to hear.
//! Times count from when a request should have been sent, so that a load which is late itself makes nothing look better.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use self::answer::Answer;
use self::tally::Tally;
use super::load::post;

mod answer;
mod tally;

/// How long answers are waited for once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests that are sent before answers are looked at again, when the load has to catch up.
const BATCH: usize = 32;

/// Connections that are opened at once, and the pause between them: a listener holds only so many it has not accepted.
const CONNECT_BATCH: usize = 256;
const CONNECT_PAUSE: Duration = Duration::from_millis(25);

/// When requests come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// Each connection sends its next request when it has its answer.
    OnAnswer,
    /// So many per second on the average, at random moments, as from clients that know nothing of each other.
    PerSecond(f64),
}

/// A load to offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where to.
    pub address: SocketAddr,
    /// Where to in particular; a POST of JSON.
    pub path: String,
    /// What is sent.
    pub body: Bytes,
    /// When requests come.
    pub arrivals: Arrivals,
    /// Connections, each with one request under way at most. A request that finds all of them taken is not sent.
    pub connections: usize,
    /// How long to go on before anything counts.
    pub warm_up: Duration,
    /// How long requests count.
    pub window: Duration,
}

/// What became of the requests that should have been sent in the window.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// All of them.
    pub offered: u64,
    /// Those for which no connection was free.
    pub unsent: u64,
    /// Those whose connection broke.
    pub broken: u64,
    /// Those without an answer in the end.
    pub unanswered: u64,
    /// Times to an answer in µs, by status.
    pub answers: BTreeMap<u16, Vec<f64>>,
    /// Answers 503 by the code that says why.
    pub refusals: BTreeMap<String, u64>,
    /// Answers 503 that do not say when to try again.
    pub without_retry_after: u64,
    /// Answers 200 that arrived within the window, whenever they were asked for, per second.
    pub goodput: f64,
    /// How late the load was with most of what it sent (99 of 100), in µs.
    pub lateness: f64,
}

impl Offer {
    /// Offers the load and waits for what becomes of it. Takes the thread it is called on.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub fn make(&self) -> Outcome {
        let mut crowd = Crowd::connect(self);
        let mut schedule = Schedule::new(self.arrivals);
        let end = self.warm_up + self.window;
        let start = Instant::now();
        while start.elapsed() < end {
            let mut sent = 0;
            while sent < BATCH
                && let Some(due) = schedule.due(start.elapsed(), crowd.is_idle())
                && due < end
            {
                crowd.send(due, start);
                sent += 1;
            }
            if crowd.hear(start) + sent == 0 {
                yield_now();
            }
        }
        while crowd.waits() && start.elapsed() < end + PATIENCE {
            crowd.hear(start);
        }
        crowd.outcome()
    }
}

/// The moments at which requests come.
struct Schedule {
    arrivals: Arrivals,
    next: Duration,
    random: fastrand::Rng,
}

impl Schedule {
    fn new(arrivals: Arrivals) -> Self {
        Self {
            arrivals,
            next: Duration::ZERO,
            // The same moments in every run.
            random: fastrand::Rng::with_seed(2222),
        }
    }

    /// When a request was due that was not taken yet, if one was.
    fn due(&mut self, now: Duration, is_idle: bool) -> Option<Duration> {
        match self.arrivals {
            Arrivals::OnAnswer => is_idle.then_some(now),
            Arrivals::PerSecond(_) if self.next > now => None,
            Arrivals::PerSecond(rate) => {
                let gap = -(1.0 - self.random.f64()).ln() / rate;
                let next = self.next + Duration::from_secs_f64(gap);
                Some(std::mem::replace(&mut self.next, next))
            }
        }
    }
}

/// All clients together.
struct Crowd {
    address: SocketAddr,
    request: Bytes,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
    /// The one used last comes first, so that few are used where few are needed.
    idle: Vec<usize>,
    tally: Tally,
}

struct Connection {
    stream: TcpStream,
    /// The beginning of an answer that did not come in one piece.
    received: Vec<u8>,
    /// When the request under way was due.
    due: Option<Duration>,
}

impl Crowd {
    fn connect(offer: &Offer) -> Self {
        let mut crowd = Self {
            address: offer.address,
            request: post(&offer.path, &offer.body),
            poll: Poll::new().expect("the system has another epoll"),
            events: Events::with_capacity(1024),
            buffer: vec![0; 64 * 1024],
            connections: Vec::new(),
            idle: (0..offer.connections).rev().collect(),
            tally: Tally::new(offer),
        };
        for number in 0..offer.connections {
            if number % CONNECT_BATCH == CONNECT_BATCH - 1 {
                sleep(CONNECT_PAUSE);
            }
            let connection = crowd.open(number);
            crowd.connections.push(connection);
        }
        crowd
    }

    fn open(&self, number: usize) -> Connection {
        let stream = std::net::TcpStream::connect(self.address);
        let stream = stream.expect("the contender takes connections");
        let set = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_nonblocking(true));
        set.expect("a fresh connection is open");
        let mut stream = TcpStream::from_std(stream);
        let registry = self.poll.registry();
        let registered = registry.register(&mut stream, Token(number), Interest::READABLE);
        registered.expect("the system takes another connection");
        Connection {
            stream,
            received: Vec::new(),
            due: None,
        }
    }

    fn is_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    fn waits(&self) -> bool {
        self.idle.len() < self.connections.len()
    }

    fn send(&mut self, due: Duration, start: Instant) {
        let Some(number) = self.idle.pop() else {
            return self.tally.not_sent(due);
        };
        let connection = &mut self.connections[number];
        connection.due = Some(due);
        match connection.stream.write(&self.request) {
            // There is room for a request where the last one was answered.
            Ok(sent) if sent == self.request.len() => self.tally.sent(due, start.elapsed()),
            _ => {
                self.tally.sent(due, start.elapsed());
                self.replace(number);
            }
        }
    }

    /// Takes the answers that are there; says how many connections had something to say.
    fn hear(&mut self, start: Instant) -> usize {
        // Without waiting: `epoll` counts in milliseconds, and a request may be due sooner.
        let polled = self.poll.poll(&mut self.events, Some(Duration::ZERO));
        polled.expect("no signal is sent to a bench");
        let numbers: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for number in &numbers {
            self.read(*number, start);
        }
        numbers.len()
    }

    fn read(&mut self, number: usize, start: Instant) {
        let connection = &mut self.connections[number];
        loop {
            let read = match connection.stream.read(&mut self.buffer) {
                Ok(read @ 1..) => &self.buffer[..read],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => return self.replace(number),
            };
            // Most answers come in one piece, which need not be copied.
            let is_first = connection.received.is_empty();
            if !is_first {
                connection.received.extend_from_slice(read);
            }
            let all = if is_first { read } else { &connection.received };
            if let Some(answer) = Answer::read(all) {
                let due = connection.due.take().expect("an answer has a request");
                self.tally.answered(&answer, due, start.elapsed());
                connection.received.clear();
                self.idle.push(number);
                // The next answer is an event of its own; whatever else is there would be an answer too many.
                return;
            }
            if is_first {
                connection.received.extend_from_slice(read);
            }
        }
    }

    /// A connection that broke gives way to another one.
    fn replace(&mut self, number: usize) {
        let connection = self.open(number);
        let broken = std::mem::replace(&mut self.connections[number], connection);
        if let Some(due) = broken.due {
            self.tally.broken(due);
            self.idle.push(number);
        }
    }

    fn outcome(self) -> Outcome {
        let waiting = self.connections.iter().filter_map(|one| one.due);
        let unanswered = waiting.filter(|due| self.tally.counts(*due)).count();
        self.tally.outcome(unanswered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_at_the_rate_that_was_asked_for() {
        let mut schedule = Schedule::new(Arrivals::PerSecond(10_000.0));
        let second = Duration::from_secs(1);
        let mut come = 0;
        while schedule.due(second, false).is_some() {
            come += 1;
        }
        assert!((9_500..10_500).contains(&come), "{come}");
        assert_eq!(schedule.due(second, true), None);
    }
}
