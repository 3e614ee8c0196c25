//! Configuration: environment variables and defaults become plain settings. Reads nothing else.
//!
//! Every setting has one name in three spellings: the builder method, the variable `METROPOLIS_…`, the gateway's flag.
//! All malformed values are reported at once; a variable nobody knows is a warning, because Kubernetes injects some.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Where the gateway listens unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
/// How long a stop may take unless told otherwise: what running calls may need, within Kubernetes' thirty seconds.
pub const STOP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);

/// How often a gateway asks services what they serve unless told otherwise.
pub const DISCOVERY_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);

const PREFIX: &str = "METROPOLIS_";

/// Every variable that means something, with the ones only the project's own tests read.
const KNOWN: &[&str] = &[
    "METROPOLIS_NATS_URL",
    "METROPOLIS_CONNECT_TIMEOUT",
    "METROPOLIS_LISTEN",
    "METROPOLIS_ADMIN_LISTEN",
    "METROPOLIS_SERVICE",
    "METROPOLIS_STOP_TIMEOUT",
    "METROPOLIS_DISCOVERY_INTERVAL",
    "METROPOLIS_REPLY_PREFIXES",
    "METROPOLIS_ALLOW_BREAKING",
    "METROPOLIS_LOG",
    "METROPOLIS_NATS_SERVER",
];

/// What the environment says.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `METROPOLIS_NATS_URL`: servers, separated by commas; the embedded bus when absent.
    pub nats_url: Option<String>,
    /// `METROPOLIS_CONNECT_TIMEOUT`: how long to wait for a server at the start, such as `30s`; for ever when absent.
    pub connect_timeout: Option<Duration>,
    /// `METROPOLIS_LISTEN`: address and port of the gateway.
    pub listen: SocketAddr,
    /// `METROPOLIS_ADMIN_LISTEN`: address and port of administrative paths.
    pub admin_listen: Option<SocketAddr>,
    /// `METROPOLIS_SERVICE`: the worker's service name; the package of its tasks when absent.
    pub service: Option<String>,
    /// `METROPOLIS_STOP_TIMEOUT`: how long a stop may wait for running calls, such as `25s`.
    pub stop_timeout: Duration,
    /// `METROPOLIS_DISCOVERY_INTERVAL`: how often a gateway asks services what they serve, such as `10s`.
    pub discovery_interval: Duration,
    /// `METROPOLIS_REPLY_PREFIXES`: more prefixes of reply subjects a worker may answer to, separated by commas.
    pub reply_prefixes: Vec<String>,
    /// `METROPOLIS_ALLOW_BREAKING`: `1` starts a worker whose contracts break the ones in service.
    pub allow_breaking: bool,
    /// `METROPOLIS_LOG`: what is logged, as `tracing` filters spell it, such as `debug` or `metropolis=debug`.
    pub log: String,
    /// Variables that look like settings and are none.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nats_url: None,
            connect_timeout: None,
            listen: LISTEN_DEFAULT.parse().expect("the default is an address"),
            admin_listen: None,
            service: None,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            discovery_interval: DISCOVERY_INTERVAL_DEFAULT,
            reply_prefixes: Vec::new(),
            allow_breaking: false,
            log: "info,async_nats=warn".to_owned(),
            warnings: Vec::new(),
        }
    }
}

/// The URL may hold a password, so it is not shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("nats_url", &self.nats_url.as_ref().map(|_| "…"))
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// Variables whose values cannot be used, all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// When a value cannot be used; names every such variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        };
        Self::read(std::env::vars_os().filter_map(text))
    }

    /// Reads settings from names and values.
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn read(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        let mut wrong = Vec::new();
        for (name, value) in variables {
            if !name.starts_with(PREFIX) {
                continue;
            }
            if let Err(error) = settings.set(&name, value.trim()) {
                wrong.push(format!("{name}: {error}"));
            }
        }
        wrong.sort();
        settings.warnings.sort();
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigError(wrong))
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "METROPOLIS_NATS_URL" => self.nats_url = some(value),
            "METROPOLIS_CONNECT_TIMEOUT" => {
                self.connect_timeout = some(value).map(|text| duration(&text)).transpose()?
            }
            "METROPOLIS_LISTEN" => self.listen = address(value)?,
            "METROPOLIS_ADMIN_LISTEN" => {
                self.admin_listen = some(value).map(|text| address(&text)).transpose()?
            }
            "METROPOLIS_SERVICE" => self.service = some(value).map(service).transpose()?,
            "METROPOLIS_STOP_TIMEOUT" => self.stop_timeout = duration(value)?,
            "METROPOLIS_DISCOVERY_INTERVAL" => self.discovery_interval = duration(value)?,
            "METROPOLIS_REPLY_PREFIXES" => self.reply_prefixes = list(value),
            "METROPOLIS_ALLOW_BREAKING" => self.allow_breaking = switch(value)?,
            "METROPOLIS_LOG" => value.clone_into(&mut self.log),
            _ if KNOWN.contains(&name) => {}
            _ => self.warnings.push(unknown(name)),
        }
        Ok(())
    }
}

fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn address(value: &str) -> Result<SocketAddr, String> {
    SocketAddr::from_str(value)
        .map_err(|_| format!("`{value}` is no address and port, such as `{LISTEN_DEFAULT}`"))
}

fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value)
        .map_err(|_| format!("`{value}` is no duration, such as `500ms`, `2s` or `1m`"))
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => Err(format!("`{value}` is neither `1` nor `0`")),
    }
}

fn service(value: String) -> Result<String, String> {
    if crate::subject::is_token(&value) {
        return Ok(value);
    }
    Err(format!(
        "`{value}` is no service name; use letters, digits, `-` and `_`"
    ))
}

fn unknown(name: &str) -> String {
    let nearest = KNOWN
        .iter()
        .max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
    match nearest {
        Some(nearest) => {
            format!("the variable {name} means nothing here; the nearest known one is {nearest}")
        }
        None => format!("the variable {name} means nothing here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(read(&[("PATH", "/bin")]), Ok(Settings::default()));
    }

    #[test]
    fn every_value_is_read() {
        let settings = read(&[
            ("METROPOLIS_NATS_URL", "nats://a:4222,nats://b:4222"),
            ("METROPOLIS_CONNECT_TIMEOUT", "30s"),
            ("METROPOLIS_LISTEN", "0.0.0.0:80"),
            ("METROPOLIS_ADMIN_LISTEN", "[::1]:81"),
            ("METROPOLIS_SERVICE", "billing"),
            ("METROPOLIS_STOP_TIMEOUT", "1m"),
            ("METROPOLIS_REPLY_PREFIXES", "replies., other."),
            ("METROPOLIS_ALLOW_BREAKING", "1"),
        ])
        .expect("good values");
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(30)));
        assert_eq!(settings.listen.port(), 80);
        assert_eq!(
            settings.admin_listen.map(|address| address.port()),
            Some(81)
        );
        assert_eq!(settings.stop_timeout, Duration::from_secs(60));
        assert_eq!(settings.reply_prefixes, ["replies.", "other."]);
        assert!(settings.allow_breaking);
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn all_malformed_values_are_reported_at_once() {
        let error = read(&[
            ("METROPOLIS_LISTEN", "8080"),
            ("METROPOLIS_STOP_TIMEOUT", "soon"),
            ("METROPOLIS_ALLOW_BREAKING", "yes"),
        ])
        .expect_err("three mistakes");
        assert_eq!(
            error.to_string(),
            "METROPOLIS_ALLOW_BREAKING: `yes` is neither `1` nor `0`\n\
             METROPOLIS_LISTEN: `8080` is no address and port, such as `127.0.0.1:8080`\n\
             METROPOLIS_STOP_TIMEOUT: `soon` is no duration, such as `500ms`, `2s` or `1m`"
        );
    }

    #[test]
    fn an_unknown_variable_is_a_warning_with_the_nearest_name() {
        let settings = read(&[("METROPOLIS_NATS_URI", "x")]).expect("only a warning");
        assert!(settings.warnings[0].ends_with("the nearest known one is METROPOLIS_NATS_URL"));
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let settings = read(&[("METROPOLIS_NATS_URL", "nats://u:secret@h")]).expect("a good value");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
