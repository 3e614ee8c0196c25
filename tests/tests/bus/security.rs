//! Every way to secure the connection, against servers that demand it, and against ones that refuse.
//!
//! Everything each case logs, at the lowest level, every error and every `Debug` is searched for its secrets.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metropolis::bus::{Bus, ConnectError, NatsOptions};
use metropolis::config::NatsSecurity;
use metropolis_tests::credentials::{Authority, Operator};
use metropolis_tests::{NatsServer, eventually, within};
use nkeys::KeyPair;
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;

use crate::parties::{PATIENCE, soon};

/// A case: files, a log, and the words that must appear in neither log nor errors.
struct Case {
    dir: TempDir,
    log: Log,
    secrets: Vec<String>,
    // Everything runs on the thread of the test, so its log is the case's alone.
    _guard: DefaultGuard,
}

/// What a log begins with; one without it shows nothing because it holds nothing.
const FIRST_WORDS: &str = "the log of this case";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Case {
    fn new() -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("{FIRST_WORDS}");
        Self {
            dir: tempfile::tempdir().unwrap(),
            log,
            secrets: Vec::new(),
            _guard: guard,
        }
    }

    /// Writes a file whose text is a secret.
    fn secret(&mut self, name: &str, text: &str) -> PathBuf {
        self.secrets.push(text.trim().to_owned());
        self.file(name, &format!("{text}\n"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Connects, and comes back after the server was gone for a moment.
    async fn is_let_in(&self, server: &mut NatsServer, security: &NatsSecurity) {
        let options = options(server, security);
        let shown = format!("{options:?}");
        let bus = within(PATIENCE, Bus::connect(options)).await.unwrap();
        bus.fence(soon()).await.unwrap();
        server.restart_on_same_port().await;
        eventually(PATIENCE, async || {
            bus.counters().reconnects == 1 && bus.fence(soon()).await.is_ok()
        })
        .await;
        self.hides(&format!("{shown}{bus:?}"));
    }

    async fn is_kept_out(&self, server: &NatsServer, security: &NatsSecurity) -> ConnectError {
        let mut options = options(server, security);
        options.connect_timeout = Some(Duration::from_secs(5));
        let error = within(PATIENCE, Bus::connect(options)).await.unwrap_err();
        self.hides(&format!("{error}{error:?}"));
        error
    }

    /// Neither this text nor anything logged so far holds a secret.
    fn hides(&self, shown: &str) {
        let logged = String::from_utf8_lossy(&self.log.0.lock().unwrap()).into_owned();
        assert!(logged.contains(FIRST_WORDS), "nothing was logged");
        for secret in &self.secrets {
            for text in [shown, &logged] {
                if let Some((before, _)) = text.split_once(secret.as_str()) {
                    let start = before.len().saturating_sub(300);
                    panic!("a secret is shown after: {}", &before[start..]);
                }
            }
        }
    }
}

fn options(server: &NatsServer, security: &NatsSecurity) -> NatsOptions {
    NatsOptions {
        security: security.clone(),
        ..NatsOptions::new(server.url(), "test")
    }
}

#[tokio::test]
async fn a_user_with_a_password_from_a_file() {
    let mut case = Case::new();
    let config = "authorization { user: me, password: \"open sesame\" }";
    let mut server = NatsServer::start_with(config).await;
    let mut security = NatsSecurity {
        user: Some("me".to_owned()),
        password_file: Some(case.secret("right", "open sesame")),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.password_file = Some(case.secret("wrong", "close sesame"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
}

/// Whoever changes a password changes it in two places, and neither process has to be started again.
#[tokio::test]
async fn a_password_that_is_changed_while_both_run() {
    let mut case = Case::new();
    let config = |password: &str| format!("authorization {{ user: me, password: \"{password}\" }}");
    let server = NatsServer::start_with(&config("first-secret")).await;
    let security = NatsSecurity {
        user: Some("me".to_owned()),
        password_file: Some(case.secret("password", "first-secret")),
        ..NatsSecurity::default()
    };
    let bus = within(PATIENCE, Bus::connect(options(&server, &security)));
    let bus = bus.await.unwrap();
    let mut received = bus.subscribe("still.here", None, 16).await.unwrap();
    server.reload(&config("second-secret")).await;
    eventually(PATIENCE, async || !bus.is_connected()).await;
    case.secret("password", "second-secret");
    eventually(PATIENCE, async || bus.fence(soon()).await.is_ok()).await;
    crate::parties::publish(&bus, crate::parties::message("still.here", "")).await;
    crate::parties::next(&mut received).await;
    assert_eq!(bus.counters().reconnects, 1);
    case.hides("");
}

#[tokio::test]
async fn a_token_from_a_file() {
    let mut case = Case::new();
    let mut server = NatsServer::start_with("authorization { token: \"t0ken-right\" }").await;
    let mut security = NatsSecurity {
        token_file: Some(case.secret("right", "t0ken-right")),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.token_file = Some(case.secret("wrong", "t0ken-wrong"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn an_nkey_from_a_file() {
    let mut case = Case::new();
    let (right, wrong) = (KeyPair::new_user(), KeyPair::new_user());
    let config = format!(
        "authorization {{ users: [{{ nkey: {} }}] }}",
        right.public_key()
    );
    let mut server = NatsServer::start_with(&config).await;
    let mut security = NatsSecurity {
        nkey_file: Some(case.secret("right", &right.seed().unwrap())),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.nkey_file = Some(case.secret("wrong", &wrong.seed().unwrap()));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    security.nkey_file = Some(case.secret("none", "SUNOSEED"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_creds_file() {
    let mut case = Case::new();
    let (operator, stranger) = (Operator::new(), KeyPair::new_user());
    let mut server = NatsServer::start_with(&operator.config).await;
    let creds = |case: &mut Case, name: &str, seed: &str| {
        case.secrets.extend([seed.to_owned(), operator.jwt.clone()]);
        case.file(name, &operator.creds(seed))
    };
    let mut security = NatsSecurity {
        creds_file: Some(creds(&mut case, "right.creds", &operator.seed)),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.creds_file = Some(creds(&mut case, "wrong.creds", &stranger.seed().unwrap()));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    security.creds_file = Some(case.secret("none.creds", "no credentials at all"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::File { .. }), "{error}");
}

/// The part of a PEM file that a log would show.
fn body_of(pem: &str) -> String {
    pem.lines().nth(1).unwrap().to_owned()
}

async fn tls_server(case: &Case, authority: &Authority, verify: bool) -> NatsServer {
    let path = |name: &str, text: &str| -> PathBuf { case.file(name, text) };
    let show = |path: &Path| path.display().to_string();
    let config = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: {verify} }}",
        show(&path("server.pem", &authority.server.0)),
        show(&path("server.key", &authority.server.1)),
        show(&path("ca.pem", &authority.ca)),
    );
    NatsServer::start_with(&config).await
}

#[tokio::test]
async fn a_server_with_a_certificate_of_an_own_authority() {
    let case = Case::new();
    let (known, unknown) = (Authority::new(), Authority::new());
    let mut server = tls_server(&case, &known, false).await;
    let mut security = NatsSecurity {
        ca: Some(case.file("known.pem", &known.ca)),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.ca = Some(case.file("unknown.pem", &unknown.ca));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error}");
    security.ca = Some(case.file("empty.pem", "no certificate"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::File { .. }), "{error}");
    security.ca = Some(case.dir.path().join("nowhere.pem"));
    let error = case.is_kept_out(&server, &security).await;
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_client_with_a_certificate_of_its_own() {
    let mut case = Case::new();
    let (known, unknown) = (Authority::new(), Authority::new());
    let mut server = tls_server(&case, &known, true).await;
    case.secrets
        .extend([body_of(&known.client.1), body_of(&unknown.client.1)]);
    let mut security = NatsSecurity {
        ca: Some(case.file("ca.pem", &known.ca)),
        cert: Some(case.file("client.pem", &known.client.0)),
        key: Some(case.file("client.key", &known.client.1)),
        ..NatsSecurity::default()
    };
    case.is_let_in(&mut server, &security).await;
    security.cert = Some(case.file("stranger.pem", &unknown.client.0));
    security.key = Some(case.file("stranger.key", &unknown.client.1));
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error}");
    (security.cert, security.key) = (None, None);
    let error = case.is_kept_out(&server, &security).await;
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error}");
}

/// Whoever names certificates never speaks to a server in the clear, and shows it no password.
#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_tls_is_demanded() {
    let mut case = Case::new();
    let server = NatsServer::start().await;
    let security = NatsSecurity {
        ca: Some(case.file("ca.pem", &Authority::new().ca)),
        user: Some("me".to_owned()),
        password_file: Some(case.secret("password", "for a trusted server")),
        ..NatsSecurity::default()
    };
    let error = case.is_kept_out(&server, &security).await;
    assert!(
        matches!(
            error,
            ConnectError::Untrusted { .. } | ConnectError::Unreachable { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn settings_that_contradict_one_another_are_refused() {
    let mut case = Case::new();
    let server = NatsServer::start().await;
    let token = Some(case.secret("token", "0ne-w4y"));
    let user = Some("me".to_owned());
    let file = Some(case.file("file.pem", "-----BEGIN CERTIFICATE-----"));
    let none = NatsSecurity::default;
    for security in [
        NatsSecurity {
            token_file: token.clone(),
            nkey_file: token.clone(),
            ..none()
        },
        NatsSecurity {
            token_file: token.clone(),
            user: user.clone(),
            ..none()
        },
        NatsSecurity { user, ..none() },
        NatsSecurity {
            password_file: token,
            ..none()
        },
        NatsSecurity {
            cert: file.clone(),
            ..none()
        },
        NatsSecurity {
            key: file,
            ..none()
        },
    ] {
        let error = case.is_kept_out(&server, &security).await;
        assert!(matches!(error, ConnectError::Security(_)), "{error}");
    }
}
