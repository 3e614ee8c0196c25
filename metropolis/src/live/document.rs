//! Document: what an operator wants of a worker, read and checked as a whole. Pure.
//!
//! ```json
//! {"log": "debug", "tasks": {"charge": {"concurrency": 10, "timeout": "1s", "paused": true}}}
//! ```
//!
//! What it does not name is as the annotation says. Nothing of a document is in force unless all of it can be.

use super::findings::{Findings, Refusal};
use super::limits::{Bounds, TIMEOUT_MIN};
use super::members::{Members, meant, written};

const MEMBERS: &[&str] = &["log", "tasks"];
const OF_TASK: &[&str] = &["concurrency", "timeout", "paused"];

/// A task that a document may speak of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'t> {
    pub(crate) name: &'t str,
    /// As declared.
    pub(crate) subject: &'t str,
    /// What the annotation says.
    pub(crate) annotated: Bounds,
}

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// The filter of the log, where it is named.
    pub(crate) log: Option<String>,
    /// The bounds of every known task, in their order.
    pub(crate) tasks: Vec<Bounds>,
    /// Tasks it speaks of that are not known, each with what may have been meant.
    ///
    /// No mistake by themselves: workers of one service may serve different tasks, as old and new ones do during an update.
    pub(crate) strangers: Vec<String>,
}

impl Document {
    /// What holds where there is no document.
    pub(crate) fn none(known: &[Known<'_>]) -> Self {
        Self {
            log: None,
            tasks: known.iter().map(|task| task.annotated).collect(),
            strangers: Vec::new(),
        }
    }

    /// Reads a document for these tasks.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(crate) fn read(text: &[u8], known: &[Known<'_>]) -> Result<Self, Refusal> {
        let mut findings = Findings::default();
        let mut members = Members::read(text, MEMBERS, &mut findings);
        let mut document = Self::none(known);
        document.log = members.filter("log", &mut findings);
        if let Some(tasks) = members.open_object("tasks", &mut findings) {
            document.read_tasks(tasks, known, &mut findings);
        }
        findings.none_or(document)
    }

    fn read_tasks(&mut self, mut tasks: Members, known: &[Known<'_>], findings: &mut Findings) {
        let mut named = vec![false; known.len()];
        let names: Vec<String> = tasks.names().map(str::to_owned).collect();
        for name in names {
            let place = format!("the task `{name}`");
            let Some(wanted) = tasks.object(&name, &place, OF_TASK, findings) else {
                continue;
            };
            match find(&name, known) {
                Found::One(at) if named[at] => findings.add(format!("{place} is named twice")),
                Found::One(at) => {
                    named[at] = true;
                    self.tasks[at] = bounds(wanted, &known[at].annotated, findings);
                }
                Found::Several(subjects) => findings.add(format!(
                    "several tasks are named `{name}`; write the subject instead: `{}`",
                    subjects.join("`, `")
                )),
                Found::None => self.strangers.push(stranger(&name, known)),
            }
        }
    }
}

/// Which task a name means.
enum Found<'t> {
    One(usize),
    Several(Vec<&'t str>),
    None,
}

/// By its name, or by its subject: names need not differ, subjects do.
fn find<'t>(name: &str, known: &[Known<'t>]) -> Found<'t> {
    if let Some(at) = known.iter().position(|task| task.subject == name) {
        return Found::One(at);
    }
    let named = |(_, task): &(usize, &Known<'t>)| task.name == name;
    let found: Vec<(usize, &Known<'t>)> = known.iter().enumerate().filter(named).collect();
    match found.as_slice() {
        [] => Found::None,
        [(at, _)] => Found::One(*at),
        several => Found::Several(several.iter().map(|(_, task)| task.subject).collect()),
    }
}

fn bounds(mut wanted: Members, annotated: &Bounds, findings: &mut Findings) -> Bounds {
    let (places, timeout) = (annotated.concurrency, annotated.timeout);
    let range = (1, annotated.concurrency_max());
    let says = format!(" (its annotation says {places})");
    let concurrency = wanted.number("concurrency", range, &says, findings);
    // Callers wait for as long as the annotation says, so no call may take longer.
    let range = (TIMEOUT_MIN.min(timeout), timeout);
    let says = format!(" (its annotation says \"{}\")", written(timeout));
    let timeout = wanted.duration("timeout", range, &says, findings);
    Bounds {
        concurrency: concurrency.unwrap_or(annotated.concurrency),
        timeout: timeout.unwrap_or(annotated.timeout),
        paused: wanted.switch("paused", findings).unwrap_or(false),
    }
}

fn stranger(name: &str, known: &[Known<'_>]) -> String {
    let names: Vec<&str> = known.iter().map(|task| task.name).collect();
    format!("`{name}` ({})", meant(name, &names))
}

#[cfg(test)]
mod tests;
