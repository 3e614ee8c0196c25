//! Exposition: the text that `/metrics` answers, put together from collectors at the moment it is asked for.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::Distribution;

/// The media type of the text.
pub const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The labels of one line.
pub type Labels<'l> = Vec<(&'static str, Cow<'l, str>)>;

/// All that one process shows.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    /// Shows what every process has: its version, and what its log has dropped.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        Self(registry)
    }

    /// Shows something more; the names of its metrics must be new ones.
    #[must_use]
    pub fn with(mut self, collector: impl Collector) -> Self {
        self.0.register_collector(Box::new(collector));
        self
    }

    /// Everything as it is now. Takes milliseconds where there are thousands of series.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0).expect("a text takes everything");
        text
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a counter; `_total` is added to its name.
///
/// # Errors
/// When the writer fails.
pub fn counter<'l>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    lines: impl IntoIterator<Item = (Labels<'l>, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in lines {
        let mut line = metric.encode_family(&labels)?;
        line.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
    }
    Ok(())
}

/// Writes a gauge.
///
/// # Errors
/// When the writer fails.
pub fn gauge<'l>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    lines: impl IntoIterator<Item = (Labels<'l>, f64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in lines {
        metric.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// Writes histograms.
///
/// # Errors
/// When the writer fails.
pub fn histogram<'l>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    lines: impl IntoIterator<Item = (Labels<'l>, Distribution)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, distribution) in lines {
        distribution.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// What every process has.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = vec![("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
        let help = "The version of metropolis, as a label; always 1.";
        gauge(&mut encoder, "metropolis_build_info", help, [(labels, 1.0)])?;
        counter(
            &mut encoder,
            "metropolis_log_dropped_lines",
            "Log lines that were dropped because standard error did not take them in time.",
            [(Vec::new(), crate::log::dropped_lines())],
        )
    }
}
