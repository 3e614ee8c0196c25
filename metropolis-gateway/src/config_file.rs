//! The configuration file of the program: settings by the names of their flags, and routes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use metropolis_gateway::{Format, StaticRoute};
use serde::Deserialize;

/// A larger file is a mistake, not a configuration.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a file says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigFile {
    /// Settings by name; each is a text.
    #[serde(flatten)]
    settings: BTreeMap<String, toml::Value>,
    #[serde(default, rename = "route")]
    routes: Vec<RouteEntry>,
    #[serde(skip)]
    path: PathBuf,
}

/// One `[[route]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteEntry {
    method: String,
    path: String,
    subject: String,
    timeout: Option<String>,
    #[serde(default)]
    format: Format,
}

/// Why a file cannot be used. Quotes no value: one may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("the configuration file {}: {what}", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    what: String,
}

/// The settings a file may have, which are those of the flags.
const SETTINGS: &[&str] = &[
    "nats-url",
    "listen",
    "admin-listen",
    "connect-timeout",
    "stop-timeout",
    "discovery-interval",
    "threads",
    "busy-poll",
    "bucket",
    "docs",
    "console",
    "log",
    "log-format",
    "metrics",
    "trust-trace",
    "nats-ca",
    "nats-cert",
    "nats-key",
    "nats-user",
    "nats-password-file",
    "nats-token-file",
    "nats-nkey-file",
    "nats-creds",
];

impl ConfigFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |what: String| FileError {
            path: path.to_owned(),
            what,
        };
        let size = std::fs::metadata(path)
            .map_err(|error| failed(error.to_string()))?
            .len();
        if size > FILE_BYTES_MAX {
            return Err(failed(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let mut file: Self =
            toml::from_str(&text).map_err(|error| failed(located(&error, &text)))?;
        file.path = path.to_owned();
        file.check()?;
        Ok(file)
    }

    /// The settings by the names of their variables.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let named = self.settings.iter().filter_map(|(name, value)| {
            let variable = name.to_ascii_uppercase().replace('-', "_");
            Some((format!("METROPOLIS_{variable}"), value.as_str()?.to_owned()))
        });
        named.collect()
    }

    /// The routes.
    pub(crate) fn routes(&self) -> Result<Vec<StaticRoute>, FileError> {
        self.routes.iter().map(|entry| self.route(entry)).collect()
    }

    fn route(&self, entry: &RouteEntry) -> Result<StaticRoute, FileError> {
        let http = format!("{} {}", entry.method, entry.path);
        let mut route = StaticRoute::new(http, &entry.subject);
        route.format = entry.format;
        if let Some(text) = &entry.timeout {
            route.timeout = humantime::parse_duration(text).map_err(|_| {
                self.failed(format!(
                    "the timeout `{text}` of `{}` is none, such as `2s`",
                    route.http
                ))
            })?;
        }
        Ok(route)
    }

    fn check(&self) -> Result<(), FileError> {
        for (name, value) in &self.settings {
            if !SETTINGS.contains(&name.as_str()) {
                let known = SETTINGS.join("`, `");
                return Err(self.failed(format!("`{name}` is no setting; there are `{known}`")));
            }
            if !value.is_str() {
                return Err(self.failed(format!("`{name}` must be a text in quotes")));
            }
        }
        Ok(())
    }

    fn failed(&self, what: String) -> FileError {
        let path = self.path.clone();
        FileError { path, what }
    }
}

/// The message with its line, but without the line itself.
fn located(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        ),
        None => error.message().to_owned(),
    }
}
