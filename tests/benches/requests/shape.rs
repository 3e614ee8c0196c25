//! The shapes of load: how large a request is, and how many of them are under way.

use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;

/// 32 bytes of JSON; every contender sends back what it got.
const SMALL: &[u8] = br#"{"id":12345,"text":"abcdefghij"}"#;

static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
    let head = r#"{"id":12345,"text":""#;
    let text = "a".repeat(4096 - head.len() - 2);
    format!("{head}{text}\"}}").into()
});

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) payload: Payload,
    pub(crate) in_flight: usize,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Small,
    Large,
}

impl Shape {
    /// What the goals are set for.
    pub(crate) const USUAL: Self = Self::of(Payload::Small, 64);

    const fn of(payload: Payload, in_flight: usize) -> Self {
        Self { payload, in_flight }
    }

    /// One small payload in every crowd.
    pub(crate) fn small() -> Vec<Self> {
        [1, 64, 512]
            .map(|in_flight| Self::of(Payload::Small, in_flight))
            .to_vec()
    }

    /// Both payloads in every crowd.
    pub(crate) fn all() -> Vec<Self> {
        let large = [1, 64, 512].map(|in_flight| Self::of(Payload::Large, in_flight));
        [Self::small(), large.to_vec()].concat()
    }

    /// Whether requests go one at a time, so that their time is their own.
    pub(crate) fn is_alone(self) -> bool {
        self.in_flight == 1
    }
}

impl Payload {
    pub(crate) fn bytes(self) -> Bytes {
        match self {
            Self::Small => Bytes::from_static(SMALL),
            Self::Large => LARGE.clone(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = match self.payload {
            Payload::Small => "32 B",
            Payload::Large => "4 KiB",
        };
        write!(f, "{payload}, {} in flight", self.in_flight)
    }
}
