//! Figures at growing sizes, and how fast they grow.

use metropolis_tests::measure::Plan;
use metropolis_tests::measure::report::{self, median, progress};

/// Rounds that count.
const ROUNDS: usize = 3;

/// What must have come on top of the smallest size before its growth says anything: MB, and ms of CPU time.
const MB_NOISE: f64 = 1.0;
const MS_NOISE: f64 = 2.0;

/// Faster growth than this is pointed at.
const LINEAR: f64 = 1.1;

/// One column of figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) digits: usize,
    pub(crate) grows: Grows,
}

impl Figure {
    /// Memory of a process at rest.
    pub(crate) const RESIDENT: Self = Self {
        name: "resident, MB",
        digits: 1,
        grows: Grows::Above(MB_NOISE),
    };

    /// Time until a process says that it serves. It says so by a line of its log, which may wait for others for 5 ms, and
    /// waits for the server before: how this grows is told from the CPU time that goes with it.
    pub(crate) const START: Self = Self {
        name: "start, ms",
        digits: 0,
        grows: Grows::Unsaid,
    };

    /// CPU time of a process until it says that it serves.
    pub(crate) const START_CPU: Self = Self {
        name: "start, CPU ms",
        digits: 1,
        grows: Grows::Above(MS_NOISE),
    };

    /// A figure that counts as a whole.
    pub(crate) const fn whole(name: &'static str, digits: usize) -> Self {
        Self {
            name,
            digits,
            grows: Grows::Whole,
        }
    }
}

/// What of a figure is compared with the step before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grows {
    /// All of it.
    Whole,
    /// What it is above the smallest size, where that is more than so much: the rest belongs to the process.
    Above(f64),
    /// Nothing.
    Unsaid,
}

/// Measures each size in rounds, and makes a table of the medians. `measure` gives its figures in the order of `columns`.
pub(crate) async fn table<const N: usize>(
    plan: &Plan,
    what: &str,
    sizes: &[usize],
    columns: [Figure; N],
    measure: impl AsyncFn(usize) -> [f64; N],
) -> String {
    let mut rounds = vec![Vec::new(); sizes.len()];
    for _ in 0..plan.rounds(ROUNDS) {
        for (size, rounds) in sizes.iter().zip(&mut rounds) {
            progress(&format!("{size} {what}"));
            rounds.push(measure(*size).await);
        }
    }
    let of_size = |rounds: &Vec<[f64; N]>| {
        std::array::from_fn(|at| median(rounds.iter().map(|figures| figures[at])))
    };
    let medians: Vec<[f64; N]> = rounds.iter().map(of_size).collect();
    let mut heads = vec![what];
    for column in &columns {
        heads.extend([column.name, "growth"]);
    }
    let rows: Vec<_> = (0..sizes.len())
        .map(|step| row(sizes, &columns, &medians, step))
        .collect();
    format!("\n{}", report::table(&heads, &rows))
}

fn row<const N: usize>(
    sizes: &[usize],
    columns: &[Figure; N],
    medians: &[[f64; N]],
    step: usize,
) -> Vec<String> {
    let mut row = vec![sizes[step].to_string()];
    for (at, column) in columns.iter().enumerate() {
        let figures: Vec<f64> = medians.iter().map(|figures| figures[at]).collect();
        row.push(format!("{:.*}", column.digits, figures[step]));
        row.push(match power(sizes, &figures, step, column.grows) {
            None => "–".to_owned(),
            Some(power) if power > LINEAR => format!("**n^{power:.2}**"),
            Some(power) => format!("n^{power:.2}"),
        });
    }
    row
}

/// The power of the size by which a figure grew since the step before, where that can be told.
fn power(sizes: &[usize], figures: &[f64], step: usize, grows: Grows) -> Option<f64> {
    let before = step.checked_sub(1)?;
    let (base, floor) = match grows {
        Grows::Whole => (0.0, 0.0),
        Grows::Above(noise) => (figures[0], noise),
        Grows::Unsaid => return None,
    };
    let [was, is] = [before, step].map(|step| figures[step] - base);
    let has_grown = sizes[step] as f64 / sizes[before] as f64;
    (was > floor && is > floor).then(|| (is / was).ln() / has_grown.ln())
}
