//! The flags that secure the connection: each lets the program in with the right file, over a variable that names a
//! wrong one, and keeps it out with a wrong one; and none shows what is in its file.

use std::path::PathBuf;

use metropolis_tests::NatsServer;
use metropolis_tests::credentials::{Authority, Operator};
use nkeys::KeyPair;
use tempfile::TempDir;

use super::*;

/// What is said of credentials that a server does not take.
const REFUSED: &str = "refused the credentials";

/// A flag, its variable, and the files it may name.
struct Flag {
    name: &'static str,
    variable: &'static str,
    right: PathBuf,
    wrong: PathBuf,
    /// What is said of the wrong one.
    refusal: &'static str,
}

/// A server that lets nobody in without these flags.
struct Demand {
    server: NatsServer,
    flags: Vec<Flag>,
    secrets: Vec<String>,
    _folder: TempDir,
}

/// A flag with the texts of its right and its wrong file.
type Row<'a> = (&'static str, &'static str, [&'a str; 2], &'static str);

impl Demand {
    async fn new(config: &str, rows: &[Row<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flag = |(name, variable, texts, refusal): &Row<'_>| {
            let [right, wrong] = [("right", texts[0]), ("wrong", texts[1])].map(|(which, text)| {
                let path = folder.path().join(format!("{which}{name}"));
                std::fs::write(&path, text).unwrap();
                path
            });
            Flag {
                name,
                variable,
                right,
                wrong,
                refusal,
            }
        };
        Self {
            server: NatsServer::start_with(config).await,
            flags: rows.iter().map(flag).collect(),
            secrets: Vec::new(),
            _folder: folder,
        }
    }

    /// Starts the program with the right files, but for one flag. The variables all name the wrong ones.
    async fn start(&self, wrong: Option<usize>) -> Process {
        let mut launch = Process::example("metropolis-gateway")
            .args(["--nats-url", &self.server.url(), "--listen", "127.0.0.1:0"])
            .args(["--connect-timeout", "5s", "--log", "trace"]);
        for (at, flag) in self.flags.iter().enumerate() {
            let file = if wrong == Some(at) {
                &flag.wrong
            } else {
                &flag.right
            };
            launch = launch
                .arg(flag.name)
                .arg(file)
                .env(flag.variable, &flag.wrong);
        }
        launch.start().await
    }

    async fn is_met(&self) {
        let process = self.start(None).await;
        let line = process
            .wait_for_line(|line| line.contains("listening on"))
            .await;
        ready(address_in(&line).unwrap()).await;
        self.is_hidden_in(&process.output());
    }

    async fn is_not_met_without(&self, at: usize) {
        let mut process = self.start(Some(at)).await;
        let status = process.wait_exit(SOON).await;
        let (output, flag) = (process.output(), &self.flags[at]);
        let error = output
            .lines()
            .find(|line| line.starts_with("Error: "))
            .unwrap_or_default();
        assert!(
            !status.success() && error.contains(flag.refusal),
            "{}: {output}",
            flag.name
        );
        self.is_hidden_in(&output);
    }

    fn is_hidden_in(&self, output: &str) {
        for secret in &self.secrets {
            assert!(!output.contains(secret), "a secret is shown");
        }
    }
}

/// The lines of a PEM file without the frame.
fn body_of(pem: &str) -> impl Iterator<Item = String> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    lines.map(str::to_owned)
}

async fn token() -> Demand {
    let texts = ["t0ken-right", "t0ken-wrong"];
    let row = (
        "--nats-token-file",
        "METROPOLIS_NATS_TOKEN_FILE",
        texts,
        REFUSED,
    );
    let demand = Demand::new("authorization { token: \"t0ken-right\" }", &[row]).await;
    Demand {
        secrets: texts.map(str::to_owned).into(),
        ..demand
    }
}

async fn nkey() -> Demand {
    let (right, wrong) = (KeyPair::new_user(), KeyPair::new_user());
    let seeds = [right, wrong].map(|key| (key.public_key(), key.seed().unwrap()));
    let config = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", seeds[0].0);
    let secrets = seeds.map(|(_, seed)| seed);
    let texts = [&*secrets[0], &*secrets[1]];
    let row = (
        "--nats-nkey-file",
        "METROPOLIS_NATS_NKEY_FILE",
        texts,
        REFUSED,
    );
    let demand = Demand::new(&config, &[row]).await;
    Demand {
        secrets: secrets.into(),
        ..demand
    }
}

async fn creds() -> Demand {
    let (operator, stranger) = (Operator::new(), Operator::new());
    let files = [
        operator.creds(&operator.seed),
        stranger.creds(&stranger.seed),
    ];
    let texts = [&*files[0], &*files[1]];
    let row = ("--nats-creds", "METROPOLIS_NATS_CREDS", texts, REFUSED);
    let demand = Demand::new(&operator.config, &[row]).await;
    let secrets = [operator, stranger].map(|operator| [operator.jwt, operator.seed]);
    Demand {
        secrets: secrets.concat(),
        ..demand
    }
}

async fn certificates() -> Demand {
    let (known, unknown) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        path("server.pem", &known.server.0),
        path("server.key", &known.server.1),
        path("ca.pem", &known.ca),
    );
    let (ca, none) = ([&*known.ca, &*unknown.ca], "nothing of the kind");
    let (cert, key) = ([&*known.client.0, none], [&*known.client.1, none]);
    let rows = [
        (
            "--nats-ca",
            "METROPOLIS_NATS_CA",
            ca,
            "no trusted connection",
        ),
        (
            "--nats-cert",
            "METROPOLIS_NATS_CERT",
            cert,
            "wrong--nats-cert",
        ),
        ("--nats-key", "METROPOLIS_NATS_KEY", key, "wrong--nats-key"),
    ];
    let demand = Demand::new(&config, &rows).await;
    Demand {
        secrets: body_of(&known.client.1).collect(),
        ..demand
    }
}

#[tokio::test]
async fn every_flag_counts_wins_over_its_variable_and_hides_what_its_file_holds() {
    let demands = [
        token().await,
        nkey().await,
        creds().await,
        certificates().await,
    ];
    for demand in &demands {
        demand.is_met().await;
        for at in 0..demand.flags.len() {
            demand.is_not_met_without(at).await;
        }
    }
}
