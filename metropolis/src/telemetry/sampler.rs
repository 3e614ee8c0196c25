//! Which traces are recorded: decided from two numbers, before anything is built.

use crate::trace::{TraceContext, TraceId};

/// Says which traces are recorded, as `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampler {
    /// A trace is recorded when the last 63 bits of its name are below this.
    below: u64,
    /// Whether whoever was before decides, where there was somebody.
    follows_parent: bool,
}

const ALWAYS: u64 = 1 << 63;

impl Sampler {
    /// What the standard has where nothing is said.
    pub(crate) const DEFAULT: Self = Self {
        below: ALWAYS,
        follows_parent: true,
    };

    /// Reads the names that the standard has.
    ///
    /// # Errors
    /// When a name or a ratio is none.
    pub(crate) fn read(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let (follows_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let below = match root {
            "always_on" => ALWAYS,
            "always_off" => 0,
            "traceidratio" => of_ratio(argument.unwrap_or("1"))?,
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER: `{name}` is none of always_on, always_off, traceidratio, and these with parentbased_ before them"
                ));
            }
        };
        Ok(Self {
            below,
            follows_parent,
        })
    }

    /// Whether a trace is recorded here.
    pub(crate) fn records(self, trace_id: TraceId, parent: Option<&TraceContext>) -> bool {
        match parent.filter(|_| self.follows_parent) {
            Some(parent) => parent.is_sampled(),
            None => self.admits(trace_id),
        }
    }

    /// The same for every process with the same ratio, in whatever language: the rule is OpenTelemetry's.
    fn admits(self, trace_id: TraceId) -> bool {
        let bytes = trace_id.to_bytes();
        let mut last = [0; 8];
        last.copy_from_slice(&bytes[8..]);
        u64::from_be_bytes(last) >> 1 < self.below
    }
}

fn of_ratio(text: &str) -> Result<u64, String> {
    let ratio: Option<f64> = text.trim().parse().ok();
    let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
    let ratio = ratio.ok_or_else(|| {
        format!("OTEL_TRACES_SAMPLER_ARG: `{text}` is no ratio from 0 to 1, such as 0.01")
    })?;
    Ok((ratio * ALWAYS as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u64) -> TraceId {
        let mut bytes = [1; 16];
        bytes[8..].copy_from_slice(&last.to_be_bytes());
        TraceId::from_bytes(bytes).expect("not all zeros")
    }

    fn sampler(name: &str, argument: Option<&str>) -> Sampler {
        Sampler::read(name, argument).expect("a good one")
    }

    #[test]
    fn a_ratio_is_a_bound_on_the_name_of_the_trace() {
        let half = sampler("traceidratio", Some("0.5"));
        assert!(half.records(id(0), None));
        assert!(half.records(id(u64::MAX / 2), None));
        assert!(!half.records(id(u64::MAX / 2 + 1), None));
        for (ratio, expected) in [("0", false), ("1", true)] {
            let sampler = sampler("traceidratio", Some(ratio));
            assert_eq!(sampler.records(id(u64::MAX), None), expected, "{ratio}");
        }
    }

    #[test]
    fn only_those_who_follow_their_parent_do() {
        let sampled = TraceContext::new(id(u64::MAX), [1; 8], true).expect("a span");
        let unsampled = TraceContext::unrecorded(id(0));
        let half = Some("0.5");
        let records = |name, parent: &TraceContext| {
            sampler(name, half).records(parent.trace_id(), Some(parent))
        };
        assert!(records("parentbased_traceidratio", &sampled));
        assert!(!records("parentbased_traceidratio", &unsampled));
        assert!(!records("traceidratio", &sampled));
        assert!(records("traceidratio", &unsampled));
        assert!(records("parentbased_always_off", &sampled));
        assert!(!records("parentbased_always_on", &unsampled));
    }

    #[test]
    fn what_is_no_sampler_is_refused_by_its_name() {
        let wrong = [
            ("jaeger_remote", None),
            ("parentbased_", None),
            ("traceidratio", Some("2")),
            ("parentbased_traceidratio", Some("x")),
        ];
        for (name, argument) in wrong {
            let error = Sampler::read(name, argument).expect_err(name);
            assert!(error.contains(argument.unwrap_or(name)), "{error}");
        }
        assert_eq!(
            Sampler::read("parentbased_always_on", Some("ignored")),
            Ok(Sampler::DEFAULT)
        );
    }
}
