//! The tasks of one process as metrics: read from what each counts itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::counts::{Counts, Figures};
use super::exposition::{Labels, counter, gauge, histogram};

/// One gauge of every task: its name, what it means, and its value.
type Gauge = (&'static str, &'static str, fn(&Figures) -> f64);

const GAUGES: [Gauge; 5] = [
    (
        "metropolis_task_in_flight",
        "Calls that have begun and wait for something. Calls that never wait are over before they would be seen here.",
        |figures| figures.running as f64,
    ),
    (
        "metropolis_task_waiting",
        "Messages that wait for a place; there is room for as many as calls may run.",
        |figures| figures.waiting as f64,
    ),
    (
        "metropolis_task_concurrency",
        "Calls that may run at a time.",
        |figures| figures.concurrency as f64,
    ),
    (
        "metropolis_task_saturation_ratio",
        "Calls in flight by calls that may run: at 1, messages wait.",
        Figures::saturation,
    ),
    (
        "metropolis_task_paused",
        "Whether the task is paused here: 1 or 0.",
        |figures| f64::from(u8::from(figures.is_paused)),
    ),
];

/// What the tasks of a worker count, as [`/metrics`](super::Exposition) shows it.
///
/// Tasks of one name, and a task on two buses, are shown as one: no two lines may have the same labels.
#[derive(Debug, Clone, Default)]
pub struct TaskFigures(Vec<Arc<Counts>>);

impl TaskFigures {
    pub(crate) fn of(counts: impl IntoIterator<Item = Arc<Counts>>) -> Self {
        Self(counts.into_iter().collect())
    }

    /// Those of several workers in one process.
    #[must_use]
    pub fn merged(workers: impl IntoIterator<Item = Self>) -> Self {
        Self(workers.into_iter().flat_map(|worker| worker.0).collect())
    }

    fn read(&self) -> BTreeMap<&'static str, Figures> {
        let mut tasks: BTreeMap<&'static str, Figures> = BTreeMap::new();
        for counts in &self.0 {
            let figures = counts.read();
            tasks
                .entry(counts.task)
                .and_modify(|known| known.merge(&figures))
                .or_insert(figures);
        }
        tasks
    }
}

impl Figures {
    fn saturation(&self) -> f64 {
        self.running as f64 / self.concurrency.max(1) as f64
    }
}

impl Collector for TaskFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tasks = self.read();
        if tasks.is_empty() {
            return Ok(());
        }
        let of_each = |value: fn(&Figures) -> f64| {
            let lines = tasks.iter();
            lines.map(move |(task, figures)| (label(task), value(figures)))
        };
        for (name, help, value) in GAUGES {
            gauge(&mut encoder, name, help, of_each(value))?;
        }
        counter(
            &mut encoder,
            "metropolis_task_requests",
            "Requests that were answered in any way.",
            tasks
                .iter()
                .map(|(task, figures)| (label(task), figures.requests)),
        )?;
        counter(
            &mut encoder,
            "metropolis_task_faults",
            "Requests that were answered with a fault, by its code.",
            tasks
                .iter()
                .flat_map(|(task, figures)| faults(task, figures)),
        )?;
        counter(
            &mut encoder,
            "metropolis_task_not_started",
            "Requests that ran nothing: every place was taken, their time was up, or their reply subject is forbidden.",
            tasks
                .iter()
                .flat_map(|(task, figures)| not_started(task, figures)),
        )?;
        histogram(
            &mut encoder,
            "metropolis_task_duration_seconds",
            "How long calls took from their start to their reply.",
            tasks
                .iter()
                .map(|(task, figures)| (label(task), figures.durations.clone())),
        )?;
        histogram(
            &mut encoder,
            "metropolis_task_queue_age_seconds",
            "How long messages waited in this process before their calls started.",
            tasks
                .iter()
                .map(|(task, figures)| (label(task), figures.queue_ages.clone())),
        )
    }
}

fn label(task: &'static str) -> Labels<'static> {
    vec![("task", Cow::Borrowed(task))]
}

fn faults<'f>(task: &'static str, figures: &'f Figures) -> impl Iterator<Item = (Labels<'f>, u64)> {
    figures.faults_by_code.iter().map(move |(code, count)| {
        let labels = vec![("task", Cow::Borrowed(task)), ("code", Cow::Borrowed(code))];
        (labels, count)
    })
}

fn not_started(task: &'static str, figures: &Figures) -> [(Labels<'static>, u64); 3] {
    let reasons = [
        ("busy", figures.busy),
        ("expired", figures.expired),
        ("refused", figures.refused),
    ];
    reasons.map(|(reason, count)| {
        let labels = vec![
            ("task", Cow::Borrowed(task)),
            ("reason", Cow::Borrowed(reason)),
        ];
        (labels, count)
    })
}
