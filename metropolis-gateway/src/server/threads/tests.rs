use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::server::{CROWD, Server};
use crate::site::Side;
use crate::site::tests::site;

const CLIENTS: usize = 8;
/// Far more than the balance takes back meanwhile.
const MOVES: usize = 1000;
const SOON: Duration = Duration::from_secs(10);
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server that already has as many connections, for all it knows.
async fn start_among(others: usize) -> (Server, SocketAddr) {
    let (server, address) = start().await;
    let others = server
        .places
        .try_acquire_many(u32::try_from(others).expect("few"));
    others.expect("places").forget();
    (server, address)
}

async fn start() -> (Server, SocketAddr) {
    let site = Arc::new(site([]).expect("no problems"));
    let mut server = Server::start(site, NonZeroUsize::new(2), true)
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

/// Asks all connections of one thread to move to the other, as if a period had begun.
fn ask(rooms: &Rooms, from: usize) {
    rooms[from].target.store(1 - from, Ordering::Relaxed);
    rooms[from].leaving.store(balance::ALL, Ordering::Relaxed);
    rooms[from].period.fetch_add(1, Ordering::Relaxed);
}

fn seats(server: &Server) -> [usize; 2] {
    [0, 1].map(|thread| rooms(server)[thread].seats.load(Ordering::Relaxed))
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
            let before = seats(&server)[from];
            ask(rooms(&server), from);
            sleep(Duration::from_millis(2)).await;
            rooms(&server)[from].leaving.store(0, Ordering::Relaxed);
            moved += before.saturating_sub(seats(&server)[from]);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let answers = clients.join_all().await;
    assert!(moved >= MOVES, "{moved} moves");
    assert!(answers.iter().all(|answers| *answers > 0), "{answers:?}");
    let stopped = timeout(SOON, server.stop(Instant::now() + SOON)).await;
    stopped.expect("in time");
}

/// Sends this while connections are asked to move; gives what is answered until nothing more comes, and how many moved.
async fn ask_while_moving(pieces: &[&[u8]], others: usize) -> (String, usize) {
    let (server, address) = start_among(others).await;
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let mut moves = 0;
    for piece in pieces {
        let from = usize::from(seats(&server)[1] > 0);
        ask(rooms(&server), from);
        // A server may have closed the connection.
        let _ = client.write_all(piece).await;
        sleep(Duration::from_millis(20)).await;
        moves += usize::from(seats(&server)[1 - from] > 0);
    }
    let mut all = Vec::new();
    let mut read = vec![0; 4096];
    while let Ok(Ok(length @ 1..)) =
        timeout(Duration::from_millis(1500), client.read(&mut read)).await
    {
        all.extend_from_slice(&read[..length]);
    }
    (String::from_utf8(all).expect("a text"), moves)
}

#[tokio::test]
async fn half_a_head_moves_along() {
    let (half, rest) = HEALTH.split_at(HEALTH.len() / 2);
    for others in [0, CROWD] {
        let pieces = [&[HEALTH, half].concat(), rest];
        let (answers, moves) = ask_while_moving(&pieces, others).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        assert_eq!(moves, 2);
    }
}

#[tokio::test]
async fn what_was_read_ahead_moves_along_however_often() {
    for others in [0, CROWD] {
        read_ahead_while_moving(others).await;
    }
}

async fn read_ahead_while_moving(others: usize) {
    // More than is read at once, so that some of it is left with each move.
    let many = HEALTH.repeat(2000);
    let (server, address) = start_among(others).await;
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let (mut reading, mut writing) = client.split();
    let write = writing.write_all(&many);
    let move_about = async {
        loop {
            ask(rooms(&server), 0);
            ask(rooms(&server), 1);
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        let mut text = Vec::new();
        while text.windows(9).filter(|at| at == b"HTTP/1.1 ").count() < 2000 {
            let mut some = vec![0; 1 << 20];
            let length = reading.read(&mut some).await.expect("an open connection");
            assert!(length > 0, "{} bytes of answers", text.len());
            text.extend_from_slice(&some[..length]);
        }
        text
    };
    let all = async { tokio::join!(write, read) };
    let text = tokio::select! {
        (_, text) = all => text,
        () = move_about => unreachable!("it goes on"),
        () = sleep(SOON) => panic!("some requests were lost"),
    };
    assert_eq!(
        text.windows(12).filter(|at| at == b"HTTP/1.1 200").count(),
        2000
    );
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request_wherever_its_connection_goes() {
    let inside = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = inside.len();
    for head in [
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            20 << 20
        ),
    ] {
        let both = format!("{head}{inside}");
        let (answers, _) = ask_while_moving(&[both.as_bytes(), b"", b""], CROWD).await;
        assert!(answers.starts_with("HTTP/1.1 404"), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
}

#[test]
fn a_thread_that_only_waits_awake_is_not_at_work_and_one_that_has_waited_is() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let busy_poll = Arc::new(BusyPoll::with_limit(SOON));
    let (arrivals, _arriving) = mpsc::unbounded_channel();
    let handle = runtime.handle().clone();
    let room = Room::new(
        arrivals,
        handle,
        Some(Arc::clone(&busy_poll)),
        Arc::default(),
    );
    let work = Duration::from_millis(50);
    runtime.block_on(async {
        let mut never = std::pin::pin!(std::future::pending::<()>());
        let waits = busy_poll.wait_for(never.as_mut());
        assert!(timeout(4 * work, waits).await.is_err());
        task::yield_now().await;
        let waited = room.runtime.metrics().worker_total_busy_duration(0);
        assert!(room.worked() < waited);
        let before = room.worked();
        let begun = Instant::now();
        while begun.elapsed() < work {}
        task::yield_now().await;
        assert!(room.worked() - before >= work - Duration::from_millis(1));
    });
}
