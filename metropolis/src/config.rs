//! Configuration: environment variables and defaults become plain settings. Reads nothing else.
//!
//! Every setting has one name in three spellings: the builder method, the variable `METROPOLIS_…`, the gateway's flag.
//! All malformed values are reported at once; a variable nobody knows is a warning, because Kubernetes injects some.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where the gateway listens unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
/// How long a stop may take unless told otherwise: what running calls may need, within Kubernetes' thirty seconds.
pub const STOP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);

/// How often a gateway asks services what they serve unless told otherwise.
pub const DISCOVERY_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);

/// The key-value bucket that configuration is read from unless told otherwise.
pub const BUCKET_DEFAULT: &str = "metropolis";

const PREFIX: &str = "METROPOLIS_";

/// Every variable that means something, with those that only the project's own tests read at the end.
pub const VARIABLES: &[&str] = &[
    "METROPOLIS_NATS_URL",
    "METROPOLIS_INTERNAL_NATS_URL",
    "METROPOLIS_NATS_CA",
    "METROPOLIS_NATS_CERT",
    "METROPOLIS_NATS_KEY",
    "METROPOLIS_NATS_USER",
    "METROPOLIS_NATS_PASSWORD_FILE",
    "METROPOLIS_NATS_TOKEN_FILE",
    "METROPOLIS_NATS_NKEY_FILE",
    "METROPOLIS_NATS_CREDS",
    "METROPOLIS_CONNECT_TIMEOUT",
    "METROPOLIS_LISTEN",
    "METROPOLIS_ADMIN_LISTEN",
    "METROPOLIS_SERVICE",
    "METROPOLIS_STOP_TIMEOUT",
    "METROPOLIS_DISCOVERY_INTERVAL",
    "METROPOLIS_THREADS",
    "METROPOLIS_BUSY_POLL",
    "METROPOLIS_DOCS",
    "METROPOLIS_CONSOLE",
    "METROPOLIS_REPLY_PREFIXES",
    "METROPOLIS_ALLOW_BREAKING",
    "METROPOLIS_BUCKET",
    "METROPOLIS_LOG",
    "METROPOLIS_LOG_FORMAT",
    "METROPOLIS_METRICS",
    "METROPOLIS_TRUST_TRACE",
    "METROPOLIS_NATS_SERVER",
    "METROPOLIS_CHROMIUM",
];

/// What the environment says.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `METROPOLIS_NATS_URL`: servers, separated by commas; the embedded bus when absent.
    pub nats_url: Option<String>,
    /// `METROPOLIS_NATS_CA` and others: how the connection to NATS is secured.
    pub nats_security: NatsSecurity,
    /// `METROPOLIS_INTERNAL_NATS_URL`: servers of a second bus, between workers alone; none when absent.
    pub internal_nats_url: Option<String>,
    /// `METROPOLIS_CONNECT_TIMEOUT`: how long to wait for a server at the start, such as `30s`; for ever when absent.
    pub connect_timeout: Option<Duration>,
    /// `METROPOLIS_LISTEN`: address and port of the gateway.
    pub listen: SocketAddr,
    /// `METROPOLIS_ADMIN_LISTEN`: address and port of administrative paths, and of the health of a worker alone.
    pub admin_listen: Option<SocketAddr>,
    /// `METROPOLIS_SERVICE`: the worker's service name; the package of its tasks when absent.
    pub service: Option<String>,
    /// `METROPOLIS_STOP_TIMEOUT`: how long a stop may wait for running calls, such as `25s`.
    pub stop_timeout: Duration,
    /// `METROPOLIS_DISCOVERY_INTERVAL`: how often a gateway asks services what they serve, such as `10s`.
    pub discovery_interval: Duration,
    /// `METROPOLIS_THREADS`: how many threads serve a gateway's connections. When absent: one for each core, up to eight, and
    /// none on the embedded bus, where the runtime of the tasks serves them.
    pub threads: Option<NonZeroUsize>,
    /// `METROPOLIS_BUSY_POLL`: `0` lets a thread of a gateway sleep as soon as it has nothing to do; otherwise it stays awake
    /// for up to 200 µs when the only request it has waits for an answer.
    pub busy_poll: bool,
    /// `METROPOLIS_DOCS`: `0` answers no `/docs`, the gateway's page about its routes; on otherwise.
    pub docs: bool,
    /// `METROPOLIS_CONSOLE`: `0` answers no `/_console`, the gateway's page about what runs; on otherwise.
    pub console: bool,
    /// `METROPOLIS_REPLY_PREFIXES`: more prefixes of reply subjects a worker may answer to, separated by commas.
    pub reply_prefixes: Vec<String>,
    /// `METROPOLIS_ALLOW_BREAKING`: `1` starts a worker whose contracts break the ones in service.
    pub allow_breaking: bool,
    /// `METROPOLIS_BUCKET`: the key-value bucket of JetStream that configuration is read from, `metropolis` when absent; none
    /// when it is empty.
    pub bucket: Option<String>,
    /// `METROPOLIS_LOG`: what is logged, as `tracing` filters spell it, such as `debug` or `metropolis=debug`.
    pub log: String,
    /// `METROPOLIS_LOG_FORMAT`: `text`, `json`, or `auto`, which is text on a terminal and JSON otherwise.
    pub log_format: LogFormat,
    /// `METROPOLIS_METRICS`: `0` answers no `/metrics` and measures no durations; on otherwise.
    pub metrics: bool,
    /// `METROPOLIS_TRUST_TRACE`: whether a gateway listens to what clients say of traces, `1` or `0`; while it listens on
    /// a loopback address alone when absent.
    pub trust_trace: Option<bool>,
    /// Variables that look like settings and are none.
    pub warnings: Vec<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As text on a terminal, as JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whom to trust on the other side of a NATS connection, and as whom to connect.
///
/// Secrets are given as paths of files that hold them, so that no setting holds one; a line break at the end of a file
/// does not count. User and password, token, nkey and `.creds` exclude one another. They may also stand in the URL, as
/// `user:password@` or `token@`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsSecurity {
    /// `METROPOLIS_NATS_CA`: certificates in PEM to trust instead of the system's. Demands TLS.
    pub ca: Option<PathBuf>,
    /// `METROPOLIS_NATS_CERT`: the own certificate in PEM, to show to the server. Demands TLS.
    pub cert: Option<PathBuf>,
    /// `METROPOLIS_NATS_KEY`: the private key of the own certificate, in PEM.
    pub key: Option<PathBuf>,
    /// `METROPOLIS_NATS_USER`: the user's name.
    pub user: Option<String>,
    /// `METROPOLIS_NATS_PASSWORD_FILE`: the user's password.
    pub password_file: Option<PathBuf>,
    /// `METROPOLIS_NATS_TOKEN_FILE`: a token in the place of user and password.
    pub token_file: Option<PathBuf>,
    /// `METROPOLIS_NATS_NKEY_FILE`: the seed of an nkey, which begins with `SU`.
    pub nkey_file: Option<PathBuf>,
    /// `METROPOLIS_NATS_CREDS`: a `.creds` file: a JWT and the seed that goes with it.
    pub creds_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nats_url: None,
            internal_nats_url: None,
            nats_security: NatsSecurity::default(),
            connect_timeout: None,
            listen: LISTEN_DEFAULT.parse().expect("the default is an address"),
            admin_listen: None,
            service: None,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            discovery_interval: DISCOVERY_INTERVAL_DEFAULT,
            threads: None,
            busy_poll: true,
            docs: true,
            console: true,
            reply_prefixes: Vec::new(),
            allow_breaking: false,
            bucket: Some(BUCKET_DEFAULT.to_owned()),
            log: "info".to_owned(),
            log_format: LogFormat::Auto,
            metrics: true,
            trust_trace: None,
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
            "METROPOLIS_INTERNAL_NATS_URL" => self.internal_nats_url = some(value),
            "METROPOLIS_NATS_CA" => self.nats_security.ca = path(value),
            "METROPOLIS_NATS_CERT" => self.nats_security.cert = path(value),
            "METROPOLIS_NATS_KEY" => self.nats_security.key = path(value),
            "METROPOLIS_NATS_USER" => self.nats_security.user = some(value),
            "METROPOLIS_NATS_PASSWORD_FILE" => self.nats_security.password_file = path(value),
            "METROPOLIS_NATS_TOKEN_FILE" => self.nats_security.token_file = path(value),
            "METROPOLIS_NATS_NKEY_FILE" => self.nats_security.nkey_file = path(value),
            "METROPOLIS_NATS_CREDS" => self.nats_security.creds_file = path(value),
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
            "METROPOLIS_THREADS" => {
                self.threads = some(value).map(|text| count(&text)).transpose()?
            }
            "METROPOLIS_BUSY_POLL" => self.busy_poll = switch(value)?,
            "METROPOLIS_DOCS" => self.docs = switch(value)?,
            "METROPOLIS_CONSOLE" => self.console = switch(value)?,
            "METROPOLIS_REPLY_PREFIXES" => self.reply_prefixes = list(value),
            "METROPOLIS_ALLOW_BREAKING" => self.allow_breaking = switch(value)?,
            "METROPOLIS_BUCKET" => self.bucket = some(value).map(bucket).transpose()?,
            "METROPOLIS_LOG" => value.clone_into(&mut self.log),
            "METROPOLIS_LOG_FORMAT" => self.log_format = log_format(value)?,
            "METROPOLIS_METRICS" => self.metrics = switch(value)?,
            "METROPOLIS_TRUST_TRACE" => {
                self.trust_trace = some(value).map(|text| switch(&text)).transpose()?
            }
            _ if VARIABLES.contains(&name) => {}
            _ => self.warnings.push(unknown(name)),
        }
        Ok(())
    }
}

fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn path(value: &str) -> Option<PathBuf> {
    some(value).map(PathBuf::from)
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

fn count(value: &str) -> Result<NonZeroUsize, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` is no number of at least 1"))
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => Err(format!("`{value}` is neither `1` nor `0`")),
    }
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "" | "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{value}` is none of `auto`, `text` and `json`")),
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

fn bucket(value: String) -> Result<String, String> {
    check_bucket(&value).map(|()| value)
}

/// Checks the name of a bucket.
///
/// # Errors
/// Says what may stand there.
pub fn check_bucket(name: &str) -> Result<(), String> {
    if crate::subject::is_token(name) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a bucket; use letters, digits, `-` and `_`"
    ))
}

fn unknown(name: &str) -> String {
    let nearest = VARIABLES
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
            ("METROPOLIS_NATS_CA", "/etc/nats/ca.pem"),
            ("METROPOLIS_NATS_CERT", "/etc/nats/cert.pem"),
            ("METROPOLIS_NATS_KEY", "/etc/nats/key.pem"),
            ("METROPOLIS_NATS_USER", "me"),
            ("METROPOLIS_NATS_PASSWORD_FILE", "/run/secrets/password"),
            ("METROPOLIS_NATS_TOKEN_FILE", "/run/secrets/token"),
            ("METROPOLIS_NATS_NKEY_FILE", "/run/secrets/seed"),
            ("METROPOLIS_NATS_CREDS", "/run/secrets/me.creds"),
            ("METROPOLIS_CONNECT_TIMEOUT", "30s"),
            ("METROPOLIS_LISTEN", "0.0.0.0:80"),
            ("METROPOLIS_ADMIN_LISTEN", "[::1]:81"),
            ("METROPOLIS_SERVICE", "billing"),
            ("METROPOLIS_STOP_TIMEOUT", "1m"),
            ("METROPOLIS_THREADS", "4"),
            ("METROPOLIS_BUSY_POLL", "0"),
            ("METROPOLIS_DOCS", "0"),
            ("METROPOLIS_CONSOLE", "false"),
            ("METROPOLIS_REPLY_PREFIXES", "replies., other."),
            ("METROPOLIS_ALLOW_BREAKING", "1"),
            ("METROPOLIS_BUCKET", "settings"),
            ("METROPOLIS_LOG_FORMAT", "json"),
            ("METROPOLIS_METRICS", "0"),
            ("METROPOLIS_TRUST_TRACE", "0"),
        ])
        .expect("good values");
        let security = NatsSecurity {
            ca: Some("/etc/nats/ca.pem".into()),
            cert: Some("/etc/nats/cert.pem".into()),
            key: Some("/etc/nats/key.pem".into()),
            user: Some("me".to_owned()),
            password_file: Some("/run/secrets/password".into()),
            token_file: Some("/run/secrets/token".into()),
            nkey_file: Some("/run/secrets/seed".into()),
            creds_file: Some("/run/secrets/me.creds".into()),
        };
        assert_eq!(settings.nats_security, security);
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(30)));
        assert_eq!(settings.listen.port(), 80);
        assert_eq!(
            settings.admin_listen.map(|address| address.port()),
            Some(81)
        );
        assert_eq!(settings.stop_timeout, Duration::from_secs(60));
        assert_eq!(settings.threads.map(NonZeroUsize::get), Some(4));
        assert_eq!(settings.reply_prefixes, ["replies.", "other."]);
        assert!(settings.allow_breaking);
        assert_eq!(settings.bucket.as_deref(), Some("settings"));
        assert_eq!(settings.log_format, LogFormat::Json);
        assert!(!settings.metrics);
        assert_eq!(settings.trust_trace, Some(false));
        assert!(!settings.busy_poll);
        assert_eq!((settings.docs, settings.console), (false, false));
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn an_empty_name_is_no_bucket_and_a_wrong_one_is_a_mistake() {
        let bucket = |name| read(&[("METROPOLIS_BUCKET", name)]).map(|settings| settings.bucket);
        assert_eq!(bucket(""), Ok(None));
        assert!(bucket("a.b").is_err());
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
