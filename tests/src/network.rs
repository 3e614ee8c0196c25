//! A server on which every part of a test is a user of its own: worker, caller and gateway may do what their printed
//! permissions say and no more, and the witness may do everything.
//!
//! The witness is the test: it watches, and plays whoever is none of ours.

use std::ffi::OsStr;
use std::fmt::Display;
use std::time::Duration;

use metropolis::Bus;
use metropolis::bus::NatsOptions;

use crate::nats_server::NatsServer;
use crate::process::Process;

pub mod examples;

/// The user who may do everything.
pub const WITNESS: &str = "witness";

/// Everybody's.
pub const PASSWORD: &str = "pass";

/// How long printing may take.
const PRINTED_WITHIN: Duration = Duration::from_secs(20);

/// A server with its users.
#[derive(Debug)]
pub struct Network {
    /// The server.
    pub server: NatsServer,
}

impl Network {
    /// Starts a server with users by their names, each with the block printed for it, and the witness.
    ///
    /// # Panics
    ///
    /// When there is no server, or it does not accept a block.
    pub async fn start<N: Display, P: Display>(users: impl IntoIterator<Item = (N, P)>) -> Self {
        Self::start_with("", users).await
    }

    /// The same, with more of a configuration.
    ///
    /// # Panics
    ///
    /// As [`Network::start`].
    pub async fn start_with<N: Display, P: Display>(
        config_text: &str,
        users: impl IntoIterator<Item = (N, P)>,
    ) -> Self {
        let users = users.into_iter();
        let users: String = users.map(|(name, block)| user(name, block)).collect();
        let config = format!(
            "{config_text}\nauthorization {{ users: [\n{}{users}] }}",
            user(WITNESS, "")
        );
        Self {
            server: NatsServer::start_with(&config).await,
        }
    }

    /// The URL a user connects to, with its credentials.
    pub fn url(&self, user: &str) -> String {
        url(&self.server, user)
    }

    /// Connects as a user, whose name is its role; of several users of one role the others follow after a dash.
    ///
    /// # Panics
    ///
    /// When the server does not let it in.
    pub async fn connect(&self, user: &str) -> Bus {
        let role = user.split_once('-').map_or(user, |(role, _)| role);
        let options = NatsOptions::new(self.url(user), role);
        let connected = Bus::connect(options).await;
        connected.unwrap_or_else(|error| panic!("{user} cannot connect: {error}"))
    }
}

/// What `metropolis-gateway permissions` prints with these arguments.
///
/// # Panics
///
/// When it does not take them.
pub async fn printed<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let launch = Process::example("metropolis-gateway").arg("permissions");
    let mut printing = launch.args(arguments).start().await;
    if !printing.wait_exit(PRINTED_WITHIN).await.success() {
        printing.give_up("did not print its permissions");
    }
    printing.output()
}

/// A user's entry in a server's configuration.
pub fn user(name: impl Display, permissions: impl Display) -> String {
    format!("{{ user: {name}, password: {PASSWORD}\n{permissions} }}\n")
}

/// The URL of a server for a user made by [`user`].
pub fn url(server: &NatsServer, user: &str) -> String {
    format!("nats://{user}:{PASSWORD}@{}", server.address())
}
