//! `metropolis-gateway`: the gateway as a program of its own, which knows no task and serves whatever is on the bus.
//!
//! Flags win over the environment, and the environment over the configuration file, which is read again on SIGHUP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use metropolis::catalog::Problems;
use metropolis::config::ConfigError;
use metropolis::permissions::Permissions;
use metropolis::{Bus, RunError, Settings};
use metropolis_gateway::{Gateway, RunningGateway, StaticRoute};

use self::config_file::{ConfigFile, FileError};

mod config_file;
mod reload;

/// Serves the services on a NATS server over HTTP: routes, status codes and an OpenAPI document come from the services
/// themselves, as they join and leave.
#[derive(Debug, Parser)]
#[command(name = "metropolis-gateway", version, after_help = AFTER)]
struct Flags {
    /// Servers, separated by commas, such as nats://127.0.0.1:4222 [env: METROPOLIS_NATS_URL]
    #[arg(long, value_name = "URL")]
    nats_url: Option<String>,
    /// Address and port to listen on; 127.0.0.1:8080 otherwise [env: METROPOLIS_LISTEN]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address and port of /_console, /_routes, /metrics, /healthz and /readyz [env: METROPOLIS_ADMIN_LISTEN]
    ///
    /// Without it /_console, /_routes and /metrics are answered only while the gateway listens on a loopback address.
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// How long to wait for a server at the start; for ever otherwise [env: METROPOLIS_CONNECT_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    connect_timeout: Option<String>,
    /// How long a stop may take; 25s otherwise [env: METROPOLIS_STOP_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stop_timeout: Option<String>,
    /// How often services are asked what they serve; 10s otherwise [env: METROPOLIS_DISCOVERY_INTERVAL]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    discovery_interval: Option<String>,
    /// Threads that serve connections; one for each core otherwise, eight at most [env: METROPOLIS_THREADS]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// Whether a thread stays awake for up to 200 µs when its only request waits for an answer; 1 otherwise
    /// [env: METROPOLIS_BUSY_POLL]
    #[arg(long, value_name = "0|1")]
    busy_poll: Option<String>,
    /// Whether /docs is answered, the page about the routes; 1 otherwise [env: METROPOLIS_DOCS]
    #[arg(long, value_name = "0|1")]
    docs: Option<String>,
    /// Whether /_console is answered, the page about what runs; 1 otherwise [env: METROPOLIS_CONSOLE]
    #[arg(long, value_name = "0|1")]
    console: Option<String>,
    /// What is logged, such as debug or metropolis_gateway=debug [env: METROPOLIS_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines are written: text, json, or auto, which is text on a terminal and json otherwise
    /// [env: METROPOLIS_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Whether requests are counted and /metrics is answered; 1 otherwise [env: METROPOLIS_METRICS]
    #[arg(long, value_name = "0|1")]
    metrics: Option<String>,
    /// Whether clients are listened to in what they say of traces; while listening on a loopback address alone otherwise
    /// [env: METROPOLIS_TRUST_TRACE]
    #[arg(long, value_name = "0|1")]
    trust_trace: Option<String>,
    /// Key-value bucket of JetStream to read configuration from; metropolis otherwise, none when empty
    /// [env: METROPOLIS_BUCKET]
    #[arg(long, value_name = "NAME", global = true)]
    bucket: Option<String>,
    /// A file of settings and routes, in TOML; read again on SIGHUP
    ///
    /// Routes and the log change then, everything else with a restart.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    security: SecurityFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Secrets are named by their files: arguments of a process are no secret.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security of the connection to NATS")]
struct SecurityFlags {
    /// Certificates to trust instead of the system's, in PEM [env: METROPOLIS_NATS_CA]
    #[arg(long, value_name = "FILE")]
    nats_ca: Option<String>,
    /// The own certificate, in PEM [env: METROPOLIS_NATS_CERT]
    #[arg(long, value_name = "FILE")]
    nats_cert: Option<String>,
    /// The private key of the own certificate, in PEM [env: METROPOLIS_NATS_KEY]
    #[arg(long, value_name = "FILE")]
    nats_key: Option<String>,
    /// The user's name [env: METROPOLIS_NATS_USER]
    #[arg(long, value_name = "NAME")]
    nats_user: Option<String>,
    /// Holds the user's password [env: METROPOLIS_NATS_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    nats_password_file: Option<String>,
    /// Holds a token, in the place of user and password [env: METROPOLIS_NATS_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    nats_token_file: Option<String>,
    /// Holds the seed of an nkey [env: METROPOLIS_NATS_NKEY_FILE]
    #[arg(long, value_name = "FILE")]
    nats_nkey_file: Option<String>,
    /// A .creds file: a JWT and its seed [env: METROPOLIS_NATS_CREDS]
    #[arg(long, value_name = "FILE")]
    nats_creds: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the least NATS permissions the gateway needs, as a block for its user in the server's configuration
    ///
    /// The routes of the configuration file are in it. Connects to nothing.
    Permissions {
        /// Subjects of services that are found on the bus, such as users.{id}.get or 'users.>'; may be repeated
        #[arg(long = "subject", value_name = "SUBJECT")]
        subjects: Vec<String>,
    },
}

const AFTER: &str = "\
Times are written as 500ms, 2s or 1m. Flags win over the environment, and the environment over the file:

  nats-url = \"nats://127.0.0.1:4222\"    # every flag has its key

  [[route]]                             # a responder that announces nothing
  method = \"GET\"
  path = \"/users/{id}\"
  subject = \"users.{id}\"
  timeout = \"2s\"                        # 30s otherwise
  format = \"json\"                       # or \"legacy\": lists in, {code,data} out";

/// Why the program ended with an error.
#[derive(thiserror::Error)]
enum Error {
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Run(#[from] RunError),
    #[error("{0}")]
    Problems(#[from] Problems),
}

/// What Rust prints of an error that `main` returns.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let flags = Flags::parse();
    let configuration = Configuration::read(&flags)?;
    let settings = configuration.settings().map_err(RunError::from)?;
    let routes = configuration.routes.clone();
    if let Some(Command::Permissions { subjects }) = &flags.command {
        // Nothing is asked of a bus, so any will do.
        let gateway = complete(Gateway::configured(Bus::embedded(), &settings), routes);
        print(&gateway.permissions(subjects)?, subjects);
        return Ok(());
    }
    let hangups = reload::Hangups::listen(flags.config.as_deref());
    let gateway = complete(Gateway::alone(&settings).await?, routes);
    let serve = async |gateway: &RunningGateway| {
        reload::until_stopped(gateway, hangups, &flags, configuration).await;
    };
    Ok(gateway.run_while(serve).await?)
}

/// What flags, environment and file say together.
struct Configuration {
    /// By the names of the variables.
    variables: BTreeMap<String, String>,
    routes: Vec<StaticRoute>,
}

impl Configuration {
    fn read(flags: &Flags) -> Result<Self, FileError> {
        let file = match &flags.config {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        let routes = file.routes()?;
        let mut variables = file.variables();
        variables.extend(environment());
        variables.extend(flags.variables());
        Ok(Self { variables, routes })
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::read(self.variables.clone())
    }
}

fn complete(gateway: Gateway, routes: Vec<StaticRoute>) -> Gateway {
    let gateway = gateway.with_discovery();
    routes.into_iter().fold(gateway, Gateway::with_route)
}

#[expect(clippy::print_stdout, reason = "printing is what this command is for")]
fn print(permissions: &Permissions, subjects: &[String]) {
    if subjects.is_empty() {
        println!("{SUBJECTS_MISSING}");
    }
    println!("{permissions}");
}

/// A comment in the server's configuration, so that the output can be used as it is.
const SUBJECTS_MISSING: &str = "\
# Services on the bus are found, but their subjects are not permitted: name them, as in --subject 'users.>'";

impl Flags {
    /// Every setting has one name in three spellings, so a flag is its variable.
    fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let address = |address: SocketAddr| address.to_string();
        let named = [
            ("METROPOLIS_NATS_URL", self.nats_url.clone()),
            ("METROPOLIS_LISTEN", self.listen.map(address)),
            ("METROPOLIS_ADMIN_LISTEN", self.admin_listen.map(address)),
            ("METROPOLIS_CONNECT_TIMEOUT", self.connect_timeout.clone()),
            ("METROPOLIS_STOP_TIMEOUT", self.stop_timeout.clone()),
            (
                "METROPOLIS_DISCOVERY_INTERVAL",
                self.discovery_interval.clone(),
            ),
            (
                "METROPOLIS_THREADS",
                self.threads.map(|count| count.to_string()),
            ),
            ("METROPOLIS_BUSY_POLL", self.busy_poll.clone()),
            ("METROPOLIS_BUCKET", self.bucket.clone()),
            ("METROPOLIS_DOCS", self.docs.clone()),
            ("METROPOLIS_CONSOLE", self.console.clone()),
            ("METROPOLIS_LOG", self.log.clone()),
            ("METROPOLIS_LOG_FORMAT", self.log_format.clone()),
            ("METROPOLIS_METRICS", self.metrics.clone()),
            ("METROPOLIS_TRUST_TRACE", self.trust_trace.clone()),
        ];
        named
            .into_iter()
            .chain(self.security.named())
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}

impl SecurityFlags {
    fn named(&self) -> [(&'static str, Option<String>); 8] {
        [
            ("METROPOLIS_NATS_CA", self.nats_ca.clone()),
            ("METROPOLIS_NATS_CERT", self.nats_cert.clone()),
            ("METROPOLIS_NATS_KEY", self.nats_key.clone()),
            ("METROPOLIS_NATS_USER", self.nats_user.clone()),
            (
                "METROPOLIS_NATS_PASSWORD_FILE",
                self.nats_password_file.clone(),
            ),
            ("METROPOLIS_NATS_TOKEN_FILE", self.nats_token_file.clone()),
            ("METROPOLIS_NATS_NKEY_FILE", self.nats_nkey_file.clone()),
            ("METROPOLIS_NATS_CREDS", self.nats_creds.clone()),
        ]
    }
}

fn environment() -> BTreeMap<String, String> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    variables.collect()
}

fn duration(text: &str) -> Result<String, String> {
    let parsed = humantime::parse_duration(text).map(|_| text.to_owned());
    parsed.map_err(|_| "write it as 500ms, 2s or 1m".to_owned())
}
