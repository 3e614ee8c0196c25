//! Which trace a request belongs to, as W3C Trace Context writes it. Pure; recording spans is telemetry's to do.
//!
//! The headers `traceparent`, `tracestate` and `baggage` go along from call to call as they are, in a process that records
//! nothing as well.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::ops::Range;
use std::sync::OnceLock;

use crate::{hex, random};

/// Which span a request comes from: version, trace, span, flags.
pub const TRACEPARENT: &str = "traceparent";
/// What vendors of tracing add to it.
pub const TRACESTATE: &str = "tracestate";
/// What applications send along.
pub const BAGGAGE: &str = "baggage";
/// All headers of a trace.
pub const HEADERS: [&str; 3] = [TRACEPARENT, TRACESTATE, BAGGAGE];

/// A `traceparent` of version 00 with nothing in it, not sampled: its parts lie at fixed places.
const UNSAMPLED: [u8; LENGTH] = *b"00-00000000000000000000000000000000-0000000000000000-00";
const LENGTH: usize = 55;
const TRACE: Range<usize> = 3..35;
const SPAN: Range<usize> = 36..52;
const FLAGS: usize = 53;
const DASHES: [usize; 3] = [2, 35, 52];

const SAMPLED: u8 = 1;

/// The digits of a trace's name.
const DIGITS: usize = 32;

/// Ends a reply subject that names a trace, and says that nobody records it. There are no headers then for a server to look
/// through, which would cost it more than all else costs that telemetry does for such a request.
pub(crate) const IN_REPLY: u8 = b'~';

/// The name of a trace: 16 bytes, of which not all are zero, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// Where in which trace a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: NonZeroU64,
    is_sampled: bool,
}

impl TraceId {
    /// A new one. All of this process have the first half in common; nobody can guess the second, by whose last bytes is
    /// chosen what is recorded.
    #[must_use]
    pub fn random() -> Self {
        let process = u128::from(random::of_process().get()) << 64;
        Self(NonZeroU128::from(random::number()) | process)
    }

    /// `None` for sixteen zeros.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        NonZeroU128::new(u128::from_be_bytes(bytes)).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// Reads 32 hexadecimal digits; `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(hex::read(text.as_bytes())?)
    }

    /// The half of the name that no other trace of this process has; `None` where the trace began in another process.
    pub(crate) fn own_half(self) -> Option<NonZeroU64> {
        let name = self.0.get();
        let is_own = (name >> 64) as u64 == random::of_process().get();
        NonZeroU64::new(name as u64).filter(|_| is_own)
    }

    /// The trace that a reply subject names, which ends in 16 digits of it, a dot, the other 16, 8 digits of no meaning, and a
    /// mark.
    pub(crate) fn of_reply(subject: &[u8]) -> Option<Self> {
        let named = subject.strip_suffix(&[IN_REPLY])?;
        let (named, _) = named.split_last_chunk::<8>()?;
        let (named, own) = named.split_last_chunk::<{ DIGITS / 2 }>()?;
        let (_, process) = named
            .strip_suffix(b".")?
            .split_last_chunk::<{ DIGITS / 2 }>()?;
        let (process, own) = (hex::read::<8>(process)?, hex::read::<8>(own)?);
        let halves = [process, own].map(u64::from_be_bytes).map(u128::from);
        NonZeroU128::new(halves[0] << 64 | halves[1]).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; DIGITS];
        hex::write(&self.to_bytes(), &mut digits);
        f.write_str(text(&digits))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TraceContext {
    /// Of a trace and one of its spans; `None` when the span's id is zero.
    #[must_use]
    pub fn new(trace_id: TraceId, span_id: [u8; 8], is_sampled: bool) -> Option<Self> {
        Some(Self {
            trace_id,
            span_id: NonZeroU64::new(u64::from_be_bytes(span_id))?,
            is_sampled,
        })
    }

    /// A place in a trace that nobody records, below a span that there is not.
    #[must_use]
    pub fn unrecorded(trace_id: TraceId) -> Self {
        Self {
            trace_id,
            // As good as a number that is drawn, and known already.
            span_id: NonZeroU64::new(trace_id.0.get() as u64).unwrap_or(NonZeroU64::MIN),
            is_sampled: false,
        }
    }

    /// Reads a `traceparent`; `None` for one that is none, which counts as absent.
    ///
    /// Of a version of the future the part that is known is read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.as_bytes().split_first_chunk::<LENGTH>()?;
        let version = hex::read_byte([known[0], known[1]])?;
        let trace_id = TraceId::from_bytes(hex::read(&known[TRACE])?)?;
        let span_id = hex::read(&known[SPAN])?;
        let flags = hex::read_byte([known[FLAGS], known[FLAGS + 1]])?;
        let has_dashes = DASHES.map(|at| known[at]) == *b"---";
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let is_good = has_dashes && is_whole;
        Self::new(trace_id, span_id, flags & SAMPLED == SAMPLED).filter(|_| is_good)
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id.get().to_be_bytes()
    }

    /// The same place, not recorded.
    pub(crate) fn not_sampled(self) -> Self {
        Self {
            is_sampled: false,
            ..self
        }
    }

    /// As it is sent.
    pub(crate) fn to_traceparent(self) -> Traceparent {
        let mut written = UNSAMPLED;
        hex::write(&self.trace_id.to_bytes(), &mut written[TRACE]);
        hex::write(&self.span_id(), &mut written[SPAN]);
        if self.is_sampled {
            written[LENGTH - 1] = b'1';
        }
        Traceparent(written)
    }

    /// Whether whoever was before records this trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

/// As a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_traceparent().as_ref())
    }
}

/// A `traceparent`, written without a place on the heap.
pub(crate) struct Traceparent([u8; LENGTH]);

impl AsRef<str> for Traceparent {
    fn as_ref(&self) -> &str {
        text(&self.0)
    }
}

/// How to find out where the span is that is entered on this thread.
static CURRENT: OnceLock<fn() -> Option<TraceContext>> = OnceLock::new();

/// Whoever records spans says where the current one is.
pub(crate) fn set_current(current: fn() -> Option<TraceContext>) {
    let _ = CURRENT.set(current);
}

/// Where this thread is in a trace that is recorded in this process.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.get().and_then(|current| current())
}

fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).expect("digits and dashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn check(text: &str, expected: Option<bool>) {
        let parsed = TraceContext::parse(text);
        assert_eq!(
            parsed.map(|context| context.is_sampled()),
            expected,
            "{text}"
        );
    }

    #[test]
    fn what_was_read_is_written_as_it_was() {
        let context = TraceContext::parse(GOOD).expect("a good one");
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(
            context.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
    }

    #[test]
    fn only_what_the_standard_allows_is_read() {
        check(&GOOD.replace("-01", "-00"), Some(false));
        check(&GOOD.replace("-01", "-fe"), Some(false));
        check(&GOOD.replace("-01", "-ff"), Some(true));
        check(&format!("{GOOD}-x"), None);
        check(&format!("cc{}", &GOOD[2..]), Some(true));
        check(
            &format!("cc{}-what-the-future-brings", &GOOD[2..]),
            Some(true),
        );
        check(&format!("cc{}.", &GOOD[2..]), None);
        check(&format!("ff{}", &GOOD[2..]), None);
        check(&GOOD.to_uppercase(), None);
        check(
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            None,
        );
        check(&GOOD.replace("b7ad6b7169203331", &"0".repeat(16)), None);
        check(&GOOD.replace('-', "_"), None);
        check(&GOOD[1..], None);
        check("", None);
        check(&"é".repeat(40), None);
    }

    #[test]
    fn new_ones_differ_and_are_good() {
        let (one, other) = (TraceId::random(), TraceId::random());
        assert_ne!(one, other);
        let context = TraceContext::unrecorded(one);
        assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    }

    #[test]
    fn a_reply_subject_names_a_trace_where_it_ends_in_a_mark() {
        let named = |subject: &str| TraceId::of_reply(subject.as_bytes()).map(|id| id.to_string());
        let good = "_INBOX_a.100af7651916cd43dd.8448eb211c80319c00000007~";
        assert_eq!(
            named(good).as_deref(),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
        for bad in [
            &good.replace('~', ""),
            &good.replace("_INBOX_a.10", ".").replace("0af", ""),
            &good.replace("00000007", "0000007"),
            &good.replace("00000007", "000000007"),
            &good.replace("9c00000007", "00000007"),
            &good.replace("dd.8", "dx.8"),
            &good.replace("dd.8", "dd.X"),
            "~",
            ".~",
            "é.é~",
        ] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_began_in_this_process_has_a_half_of_its_own() {
        let own = TraceId::random();
        let half = own.own_half().expect("it began here");
        assert!(own.to_string().ends_with(&format!("{half:016x}")));
        let other = TraceContext::parse(GOOD).expect("a good one");
        assert_eq!(other.trace_id().own_half(), None);
    }
}
