//! Reload: reads the configuration file again when the process is sent SIGHUP, and puts in force what can be.
//!
//! A file that is wrong changes nothing. What cannot change without a restart is named and left as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;

use metropolis::catalog::Problems;
use metropolis::config::ConfigError;
use metropolis::log::{FilterError, change_filter, check_filter};
use metropolis::worker::stop_signal;
use metropolis_gateway::RunningGateway;

use crate::config_file::FileError;
use crate::{Configuration, Flags};

/// What may change while the program runs, routes apart.
const CHANGEABLE: &str = "METROPOLIS_LOG";

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("log: {0}")]
    Filter(#[from] FilterError),
    #[error("{0}")]
    Routes(#[from] Problems),
}

/// Reads the file again as often as somebody asks for it, until the process is told to stop.
pub(crate) async fn until_stopped(
    gateway: &RunningGateway,
    mut hangups: Hangups,
    flags: &Flags,
    mut now: Configuration,
) {
    let mut stop = pin!(stop_signal());
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = hangups.next() => {}
        }
        match reload(gateway, flags, &now) {
            Ok(next) => now = next,
            Err(why) => tracing::error!("the old configuration stays: {why}"),
        }
    }
}

fn reload(
    gateway: &RunningGateway,
    flags: &Flags,
    now: &Configuration,
) -> Result<Configuration, Refused> {
    let mut next = Configuration::read(flags)?;
    let (old_log, new_log) = (now.settings()?.log, next.settings()?.log);
    if old_log != new_log {
        check_filter(&new_log)?;
    }
    gateway.set_routes(next.routes.clone())?;
    if old_log != new_log {
        change_filter(&new_log)?;
    }
    let left = left(&now.variables, &next.variables);
    if !left.is_empty() {
        let settings = left.join(", ");
        tracing::warn!(settings, "these settings change with a restart alone");
    }
    // What was left is as it was, so that it is named again the next time.
    next.variables.retain(|name, _| name == CHANGEABLE);
    let kept = now.variables.iter().filter(|(name, _)| *name != CHANGEABLE);
    let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
    next.variables.extend(kept);
    tracing::info!("the configuration file was read again");
    Ok(next)
}

/// The settings that differ and cannot be changed, as a file spells them. Their values may be secrets.
fn left(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let names = old.keys().chain(new.keys());
    let mut left: Vec<String> = names
        .filter(|name| *name != CHANGEABLE && old.get(*name) != new.get(*name))
        .filter_map(|name| name.strip_prefix("METROPOLIS_"))
        .map(|name| name.to_ascii_lowercase().replace('_', "-"))
        .collect();
    left.sort();
    left.dedup();
    left
}

/// Requests to read the file again.
pub(crate) struct Hangups(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    /// Without a file the signal keeps its meaning, which ends a process whose terminal is gone.
    pub(crate) fn listen(file: Option<&Path>) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(file.and_then(|_| signal(SignalKind::hangup()).ok()))
    }

    async fn next(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(not(unix))]
impl Hangups {
    /// There is no such signal here.
    pub(crate) fn listen(_: Option<&Path>) -> Self {
        Self()
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_wait_for_a_restart_are_named_as_in_the_file() {
        let variables = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let old = variables(&[
            ("METROPOLIS_LISTEN", "a"),
            ("METROPOLIS_LOG", "info"),
            ("METROPOLIS_NATS_URL", "same"),
            ("PATH", "/bin"),
        ]);
        let new = variables(&[
            ("METROPOLIS_LOG", "debug"),
            ("METROPOLIS_NATS_URL", "same"),
            ("METROPOLIS_STOP_TIMEOUT", "1s"),
        ]);
        assert_eq!(left(&old, &new), ["listen", "stop-timeout"]);
        assert!(left(&old, &old).is_empty());
    }
}
