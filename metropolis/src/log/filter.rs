//! The filter of the log, changed while the process runs: what it was started with, and what overrides that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::{EnvFilter, reload};

/// The longest filter that is taken while the process runs, in bytes.
pub const FILTER_MAX: usize = 1024;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

/// Puts a filter in force. Its type names the subscriber it was made for, so that is left out.
type Reload = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send>;

/// The filter of this process, and where it comes from.
struct Filters {
    /// `None` where the application has a subscriber of its own.
    reload: Option<Reload>,
    /// What the process was started with.
    own: String,
    /// By who wants them. Two that share a process are rare; the last by name wins where they disagree.
    overrides: BTreeMap<String, String>,
}

static FILTERS: Mutex<Filters> = Mutex::new(Filters {
    reload: None,
    own: String::new(),
    overrides: BTreeMap::new(),
});

impl Filters {
    /// Everything that overrides, or the process's own.
    fn in_force(&self) -> String {
        let overrides: Vec<&str> = self.overrides.values().map(String::as_str).collect();
        if overrides.is_empty() {
            return self.own.clone();
        }
        overrides.join(",")
    }

    /// Changes something, and puts in force what comes of it.
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let old = self.in_force();
        change(self);
        let new = self.in_force();
        if old == new {
            return;
        }
        let Some(reload) = &self.reload else {
            return tracing::warn!(old, new, "the log of this process is not ours to change");
        };
        // Said under the old one or the new one, whichever lets it through.
        let say = || tracing::info!(old, new, "the filter of the log changes");
        let is_said = tracing::enabled!(tracing::Level::INFO);
        if is_said {
            say();
        }
        match reload(lenient(&new)) {
            Ok(()) if is_said => {}
            Ok(()) => say(),
            Err(error) => tracing::warn!(%error, "the filter of the log stays as it is"),
        }
    }
}

/// A layer, or a filter of one, that can be changed.
pub(super) fn reloadable<S>(
    filter: &str,
) -> (reload::Layer<EnvFilter, S>, reload::Handle<EnvFilter, S>) {
    reload::Layer::new(lenient(filter))
}

/// From now on changes go to this filter, which was installed.
pub(super) fn keep<S: 'static>(handle: reload::Handle<EnvFilter, S>, filter: &str) {
    let mut filters = filters();
    filters.reload = Some(Box::new(move |filter| handle.reload(filter)));
    filter.clone_into(&mut filters.own);
}

/// Checks a filter more strictly than `tracing` does, for which any single word is the name of a target.
///
/// # Errors
/// Says what is wrong, and what may stand there.
pub fn check_filter(text: &str) -> Result<(), FilterError> {
    if text.len() > FILTER_MAX {
        let length = text.len();
        let why = format!("a filter of {length} bytes; at most {FILTER_MAX} are taken");
        return Err(FilterError(why));
    }
    let mut directives = text.split(',');
    if let Some(word) = directives.find(|directive| !is_level(directive) && is_one_word(directive))
    {
        return Err(FilterError(format!(
            "`{word}` is no level; write one of `{}`, or `target=level`",
            LEVELS.join("`, `")
        )));
    }
    let read = EnvFilter::builder().parse(text);
    read.map(drop)
        .map_err(|error| FilterError(format!("`{text}` is no filter: {error}")))
}

/// Puts a filter in the place of the one the process was started with, as its configuration file would.
///
/// # Errors
/// As [`check_filter`].
pub fn change_filter(text: &str) -> Result<(), FilterError> {
    check_filter(text)?;
    filters().change(|filters| text.clone_into(&mut filters.own));
    Ok(())
}

/// Overrides the filter on somebody's wish, or not any more.
///
/// # Errors
/// As [`check_filter`].
pub fn override_filter(who: &str, text: Option<&str>) -> Result<(), FilterError> {
    text.map_or(Ok(()), check_filter)?;
    filters().change(|filters| match text {
        Some(text) => {
            filters.overrides.insert(who.to_owned(), text.to_owned());
        }
        None => {
            filters.overrides.remove(who);
        }
    });
    Ok(())
}

fn is_level(directive: &str) -> bool {
    let is_number = matches!(directive.as_bytes(), [b'0'..=b'5']);
    is_number
        || LEVELS
            .iter()
            .any(|level| level.eq_ignore_ascii_case(directive))
}

fn is_one_word(directive: &str) -> bool {
    !directive.contains(['=', '['])
}

/// Leaves out what it cannot read: the variable of the environment is read so.
fn lenient(filter: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(filter)
}

fn filters() -> MutexGuard<'static, Filters> {
    // Texts are replaced as a whole, so a poisoned lock holds whole ones.
    FILTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_filters_and_other_words_are_none() {
        for good in [
            "debug",
            "INFO",
            "3",
            "info,metropolis=debug",
            "off,a::b=trace",
        ] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for (bad, said) in [
            ("debg", "`debg` is no level; write one of `off`, `error`,"),
            ("", "`` is no level"),
            ("info,metropolis", "`metropolis` is no level"),
            ("a=b=c", "`a=b=c` is no filter: "),
            ("metropolis=loud", "`metropolis=loud` is no filter: "),
        ] {
            let error = check_filter(bad).expect_err(bad).to_string();
            assert!(error.starts_with(said), "{error}");
        }
        assert!(check_filter(&"info,".repeat(FILTER_MAX)).is_err());
    }
}
