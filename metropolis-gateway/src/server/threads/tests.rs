use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::server::Server;
use crate::site::Side;
use crate::site::tests::site;

const CLIENTS: usize = 8;
/// Far more than the balance takes back meanwhile.
const MOVES: usize = 1000;
const SOON: Duration = Duration::from_secs(10);
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

async fn start() -> (Server, SocketAddr) {
    let site = Arc::new(site([]).expect("no problems"));
    let mut server = Server::start(site, NonZeroUsize::new(2))
        .await
        .expect("threads");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    server.listen(listener, Side::Public);
    (server, address)
}

fn rooms(server: &Server) -> &Rooms {
    &server.threads.as_ref().expect("threads").rooms
}

/// Asks connections of one thread to move to the other.
fn ask(rooms: &Rooms, from: usize, count: usize) {
    rooms[from].target.store(1 - from, Ordering::Relaxed);
    rooms[from].leaving.store(count, Ordering::Relaxed);
}

async fn answer(client: &mut TcpStream) -> String {
    let mut read = vec![0; 4096];
    let length = timeout(SOON, client.read(&mut read))
        .await
        .expect("in time");
    String::from_utf8(read[..length.expect("an open connection")].to_vec()).expect("a text")
}

/// Asks for as long as the others are moved about; says how many answers there were.
async fn go_on_asking(address: SocketAddr, is_over: Arc<AtomicBool>) -> usize {
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        client.write_all(HEALTH).await.expect("an open connection");
        let answer = answer(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answers += 1;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_move_between_their_requests_and_lose_none() {
    let (server, address) = start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(go_on_asking(address, Arc::clone(&is_over)));
    }
    let (begun, mut moved) = (Instant::now(), 0);
    while moved < MOVES && begun.elapsed() < SOON {
        for from in [0, 1] {
            ask(rooms(&server), from, CLIENTS);
            sleep(Duration::from_millis(2)).await;
            moved += CLIENTS - rooms(&server)[from].leaving.swap(0, Ordering::Relaxed);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let answers = clients.join_all().await;
    assert!(moved >= MOVES, "{moved} moves");
    assert!(answers.iter().all(|answers| *answers > 0), "{answers:?}");
    timeout(SOON, server.stop(Instant::now() + SOON))
        .await
        .expect("in time");
}

#[tokio::test]
async fn half_a_head_moves_along() {
    let (server, address) = start().await;
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let mut has_moved = false;
    for byte in HEALTH {
        ask(rooms(&server), 0, 1);
        client
            .write_all(&[*byte])
            .await
            .expect("an open connection");
        sleep(Duration::from_millis(2)).await;
        has_moved |= rooms(&server)[1].active.load(Ordering::Relaxed) > 0;
    }
    assert!(answer(&mut client).await.contains(" 200 "));
    assert!(has_moved);
}
