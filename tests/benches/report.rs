//! What the benches print and write: spreads over rounds, and Markdown tables of them.
#![expect(clippy::print_stdout, reason = "printing is what a bench is for")]

use std::fmt;
use std::path::Path;

/// A figure over all rounds that count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self {
            median: f64::midpoint(lower, upper),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

/// `1.05 (1.02–1.11)`, or with the precision the format asks for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { median, min, max } = self;
        write!(f, "{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

/// Two rows of figures, one per contender, in the order of the rounds: their ratio round by round.
pub(crate) fn ratio(ours: &[f64], baseline: &[f64]) -> Spread {
    Spread::of(
        ours.iter()
            .zip(baseline)
            .map(|(ours, baseline)| ours / baseline),
    )
}

/// A Markdown table.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(heads);
    table += &line(&vec!["---"; heads.len()]);
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        table += &line(&cells);
    }
    table
}

/// Prints a report and keeps it as a file.
pub(crate) fn publish(bench: &str, report: &str) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{bench}.md"));
    std::fs::write(&file, report).expect("cargo made the directory");
    println!("{report}\nwritten to {}", file.display());
}
