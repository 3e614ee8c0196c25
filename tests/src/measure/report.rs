//! What the benches print and write: spreads over rounds, and Markdown tables of them.
#![expect(clippy::print_stdout, reason = "printing is what a bench is for")]

use std::fmt;
use std::path::Path;

use crate::install;

/// A figure over all rounds that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the rounds were below, half above.
    pub median: f64,
    /// The least of all rounds.
    pub min: f64,
    /// The most of all rounds.
    pub max: f64,
}

impl Spread {
    /// The spread of at least one figure.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
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

/// The median of at least one figure.
///
/// # Panics
///
/// When there is none.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(figures).median
}

/// Two rows of figures, one per contender, in the order of the rounds: their ratio round by round.
pub fn ratio(ours: &[f64], baseline: &[f64]) -> Spread {
    Spread::of(
        ours.iter()
            .zip(baseline)
            .map(|(ours, baseline)| ours / baseline),
    )
}

/// The figure below which this share of the figures lies, such as 0.99 of them; they are put in order.
///
/// # Panics
///
/// When there is none.
pub fn percentile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[((figures.len() - 1) as f64 * share).round() as usize]
}

/// What came of a goal, which is the most a figure may be.
pub fn verdict(median: f64, goal: Option<f64>) -> String {
    match goal {
        Some(goal) if median <= goal => format!("≤ {goal}, met"),
        Some(goal) => format!("≤ {goal}, **not met**"),
        None => "–".to_owned(),
    }
}

/// A Markdown table.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
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
///
/// # Panics
///
/// When it cannot be written.
pub fn publish(bench: &str, report: &str) {
    let file = install::target_dir()
        .join("tmp")
        .join(format!("bench-{bench}.md"));
    let _ = std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")));
    std::fs::write(&file, report).expect("the directory is cargo's own");
    println!("{report}\nwritten to {}", file.display());
}

/// Says how far a bench has come; some take minutes.
#[expect(clippy::print_stderr, reason = "somebody waits")]
pub fn progress(what: &str) {
    eprintln!("… {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert_eq!(Spread::of([4.0, 1.0]).to_string(), "2.50 (1.00–4.00)");
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let ratio = ratio(&[1.0, 4.0, 9.0], &[1.0, 2.0, 3.0]);
        assert_eq!(format!("{ratio:.0}"), "2 (1–3)");
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let mut figures: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut figures, 0.5), 50.0);
        assert_eq!(percentile(&mut figures, 0.99), 99.0);
        assert_eq!(percentile(&mut [7.0], 0.99), 7.0);
    }
}
