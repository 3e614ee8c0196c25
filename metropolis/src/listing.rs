//! The listing: every task with its route, as a table for people and as data for programs. Needs no bus.

use std::fmt;

use serde::Serialize;

use crate::catalog::{Catalog, Entry, Problems};

/// One line of the listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The task's name.
    pub task: String,
    /// The route's method; `None` when the task has no route.
    pub method: Option<&'static str>,
    /// The route's path, parameters in braces.
    pub path: Option<String>,
    /// The subject as declared.
    pub subject: String,
    /// The queue group.
    pub queue: String,
    /// The first line of the task's documentation.
    pub description: String,
}

/// All tasks of a process, sorted by subject. `Display` draws a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Listing(pub Vec<Line>);

/// Lists the tasks linked into this process with their routes. Needs no bus, so tests and diffs can use it.
///
/// # Errors
/// With every conflict between the tasks.
pub fn routes() -> Result<Listing, Problems> {
    Catalog::linked().map(|catalog| Listing::of(&catalog))
}

impl Listing {
    /// Lists a catalog.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        Self(catalog.entries().iter().map(line).collect())
    }
}

fn line(entry: &Entry) -> Line {
    let meta = entry.meta();
    Line {
        task: meta.name.to_owned(),
        method: entry.route.as_ref().map(|route| route.method.as_str()),
        path: entry.route.as_ref().map(crate::route::Route::path),
        subject: meta.subject.to_owned(),
        queue: meta.queue.to_owned(),
        description: meta.docs.lines().next().unwrap_or_default().to_owned(),
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[&str; 4]> = self.0.iter().map(row).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let (method, path, subject) = (width(0), width(1), width(2));
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "{:method$}  {:path$}  {:subject$}  {}",
                row[0], row[1], row[2], row[3]
            )?;
        }
        Ok(())
    }
}

fn row(line: &Line) -> [&str; 4] {
    [
        line.method.unwrap_or("-"),
        line.path.as_deref().unwrap_or("-"),
        &line.subject,
        &line.task,
    ]
}
