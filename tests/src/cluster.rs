//! A cluster of real servers, each of which knows all others.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::nats_server::NatsServer;
use crate::wait::eventually;

/// How long the servers may take to find one another.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// Starts that many servers as one cluster, each with this configuration beside its own, and waits until every one
/// tells its clients of all.
///
/// # Panics
///
/// When a server cannot be started, or they do not find one another.
pub async fn start(count: usize, config_text: &str) -> Vec<NatsServer> {
    let mut servers: Vec<NatsServer> = Vec::new();
    for number in 0..count {
        let routes: Vec<String> = servers
            .iter()
            .map(|server| format!("nats://{}", server.address_of("cluster")))
            .collect();
        let config = format!(
            "server_name: n{number}\ncluster {{ name: c, listen: \"127.0.0.1:-1\", routes: {routes:?} }}\n{config_text}"
        );
        servers.push(NatsServer::start_with(&config).await);
    }
    for server in &servers {
        eventually(FOUND_WITHIN, async || known_to(server).await == count).await;
    }
    servers
}

/// How many servers one tells its clients of, itself included.
async fn known_to(server: &NatsServer) -> usize {
    let Ok(stream) = TcpStream::connect(server.address()).await else {
        return 0;
    };
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).await.is_err() {
        return 0;
    }
    let info = line.strip_prefix("INFO ").unwrap_or_default();
    let info: serde_json::Value = serde_json::from_str(info).unwrap_or_default();
    info["connect_urls"].as_array().map_or(0, Vec::len)
}
