//! Connections: framing, limits, clients that leave, and a stop that loses nothing.

use std::net::SocketAddr;
use std::time::Duration;

use metropolis::{Bus, Worker};
use metropolis_gateway::{Gateway, RunningGateway};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, pause, resume, sleep, timeout};

#[metropolis::task(subject = "now.get")]
async fn now() -> u32 {
    1
}

#[metropolis::task(subject = "text.length")]
async fn length(text: String) -> usize {
    text.len()
}

#[metropolis::task(subject = "slow.get")]
async fn slow() -> u32 {
    sleep(Duration::from_millis(300)).await;
    2
}

/// Long enough to fill what the system holds between two ends when it is asked for often, and short enough that making it
/// takes no thread of its own.
const LONG: usize = 50_000;

#[metropolis::task(subject = "long.get")]
async fn long() -> String {
    "x".repeat(LONG)
}

const LOCAL: &str = "127.0.0.1:0";
const SOON: Duration = Duration::from_secs(10);

async fn start() -> (RunningGateway, Bus) {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus.clone()).with_worker(Worker::new(bus.clone()));
    let gateway = gateway.with_listen(LOCAL.parse().expect("an address"));
    (gateway.start().await.expect("a gateway"), bus)
}

/// One connection, and what was read of it beyond the last response.
struct Client {
    stream: TcpStream,
    rest: Vec<u8>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    async fn write(&mut self, text: impl AsRef<[u8]>) {
        // A server may refuse before it has read everything.
        let _ = self.stream.write_all(text.as_ref()).await;
    }

    async fn send(&mut self, text: &str) -> Option<Answer> {
        self.write(text).await;
        self.answer().await
    }

    /// Reads one response; `None` when the connection ends before it.
    async fn answer(&mut self) -> Option<Answer> {
        timeout(SOON, self.read_answer())
            .await
            .expect("an answer or an end")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            match find(&self.rest, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8(self.rest.drain(..end).collect())
            .expect("ASCII")
            .to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        while self.rest.len() < length {
            self.read().await?;
        }
        let body = self.rest.drain(..length).collect();
        Some(Answer {
            status: head[9..12].parse().expect("a status"),
            body: String::from_utf8(body).expect("text"),
            head,
        })
    }

    async fn read(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.rest).await {
            Ok(1..) => Some(()),
            _ => None,
        }
    }

    async fn is_closed(&mut self) -> bool {
        timeout(SOON, self.read()).await.expect("an end").is_none()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

const GET_NOW: &str = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";

async fn refused(address: SocketAddr, text: &str, status: u16) {
    let mut client = Client::connect(address).await;
    let answer = client.send(text).await.expect("an answer");
    assert_eq!(answer.status, status, "{text:?}: {}", answer.body);
    assert!(
        answer
            .head
            .contains("content-type: application/problem+json"),
        "{}",
        answer.head
    );
}

#[tokio::test]
async fn a_connection_is_kept() {
    let (gateway, _) = start().await;
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        assert_eq!(client.send(GET_NOW).await.expect("an answer").body, "1");
    }
    client.write([GET_NOW, GET_NOW].concat()).await;
    assert_eq!(client.answer().await.expect("the first").body, "1");
    assert_eq!(client.answer().await.expect("the second").body, "1");
}

#[tokio::test]
async fn two_ways_to_say_how_long_a_body_is_are_refused_and_closed() {
    let (gateway, _) = start().await;
    let (length, coding) = ("Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n");
    for (first, second) in [(length, coding), (coding, length)] {
        let mut client = Client::connect(gateway.address()).await;
        let text = format!(
            "POST /text/length HTTP/1.1\r\nHost: a\r\n{first}{second}\r\n2\r\n\"\"\r\n0\r\n\r\n"
        );
        let answer = client.send(&text).await.expect("an answer");
        assert_eq!(answer.status, 400);
        assert!(answer.head.contains("application/problem+json"));
        assert!(client.is_closed().await);
    }
    let mut client = Client::connect(gateway.address()).await;
    let chunked =
        format!("POST /text/length HTTP/1.1\r\nHost: a\r\n{coding}\r\n2\r\n\"\"\r\n0\r\n\r\n");
    assert_eq!(client.send(&chunked).await.expect("an answer").body, "0");
    assert_eq!(client.send(&chunked).await.expect("an answer").body, "0");
}

#[tokio::test]
async fn no_transfer_coding_but_chunked_is_taken() {
    let (gateway, _) = start().await;
    for codings in [
        "gzip, chunked",
        "identity, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
    ] {
        let text = format!(
            "POST /text/length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n"
        );
        refused(gateway.address(), &text, 400).await;
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let (gateway, _) = start().await;
    refused(gateway.address(), "GET /now HTTP/1.1\r\n\r\n", 400).await;
    refused(
        gateway.address(),
        "GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        400,
    )
    .await;
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(
        client
            .send("GET /now HTTP/1.0\r\n\r\n")
            .await
            .expect("an answer")
            .status,
        200
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_the_answer_arrives() {
    let (gateway, _) = start().await;
    let mut other = Client::connect(gateway.address()).await;
    let large = format!("\"{}\"", "x".repeat(1024 * 1024 - 1));
    let sized = format!(
        "POST /text/length HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    refused(gateway.address(), &sized, 413).await;
    let chunked = format!(
        "POST /text/length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    refused(gateway.address(), &chunked, 413).await;
    assert_eq!(other.send(GET_NOW).await.expect("an answer").body, "1");
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_asked_for_what_is_too_large() {
    let (gateway, _) = start().await;
    let head = "POST /text/length HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length:";
    refused(gateway.address(), &format!("{head} 9999999\r\n\r\n"), 413).await;
    let mut client = Client::connect(gateway.address()).await;
    let asked = client
        .send(&format!("{head} 3\r\n\r\n"))
        .await
        .expect("an answer");
    assert_eq!(asked.status, 100);
    assert_eq!(client.send("\"a\"").await.expect("an answer").body, "1");
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_closed() {
    let (gateway, _) = start().await;
    for text in [
        "\0\r\n\r\n",
        "GET /now HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /now HTTP/1.1\r\nX: a\0b\r\n\r\n",
    ] {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.send(text).await;
        assert!(answer.is_none_or(|answer| answer.status == 400), "{text:?}");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let (gateway, bus) = start().await;
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until(|| bus.counters().in_flight == 1).await;
    let began = Instant::now();
    drop(client);
    until(|| bus.counters().in_flight == 0).await;
    assert!(
        began.elapsed() < Duration::from_millis(200),
        "the place was kept until the answer"
    );
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, waiting).await.expect("in time");
}

#[tokio::test]
async fn administrative_paths_are_for_local_clients() {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus.clone())
        .with_worker(Worker::new(bus))
        .with_listen("0.0.0.0:0".parse().expect("an address"))
        .with_admin_listen(LOCAL.parse().expect("an address"));
    let gateway = gateway.start().await.expect("a gateway");
    let admin = gateway.admin_address().expect("an address");
    for (port, path, status) in [
        (gateway.address().port(), "/_routes", 404),
        (gateway.address().port(), "/healthz", 200),
        (gateway.address().port(), "/now", 200),
        (admin.port(), "/_routes", 200),
        (admin.port(), "/healthz", 200),
        (admin.port(), "/readyz", 200),
        (admin.port(), "/now", 404),
    ] {
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).await;
        let answer = client
            .send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(
            answer.expect("an answer").status,
            status,
            "{path} on {port}"
        );
    }
}

/// Asks again and again on one connection until an answer says that it ends; counts the answers.
async fn ask_until_told(address: SocketAddr, text: &'static str) -> usize {
    let mut client = Client::connect(address).await;
    let mut answers = 0;
    loop {
        let answer = client.send(text).await.expect("every request is answered");
        assert_eq!(answer.status, 200);
        answers += 1;
        if answer.head.contains("connection: close") {
            return answers;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_loses_no_request() {
    let (gateway, _) = start().await;
    let address = gateway.address();
    let clients: Vec<_> = (0..64)
        .map(|number| {
            tokio::spawn(ask_until_told(
                address,
                if number % 8 == 0 {
                    "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
                } else {
                    GET_NOW
                },
            ))
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    gateway.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    for client in clients {
        assert!(client.await.expect("no request is lost") > 0);
    }
    assert!(TcpStream::connect(address).await.is_err());
}

/// Connects for each request until that is refused; every connection that was made has to be answered.
async fn connect_again_and_again(address: SocketAddr) -> usize {
    let mut answers = 0;
    while let Ok(stream) = TcpStream::connect(address).await {
        let rest = Vec::new();
        let answer = Client { stream, rest }.send(GET_NOW).await;
        assert_eq!(answer.map(|answer| answer.status), Some(200));
        answers += 1;
    }
    answers
}

#[tokio::test]
async fn a_stop_ends_and_loses_nobody_while_clients_keep_connecting() {
    let (gateway, _) = start().await;
    let clients = (0..200).map(|_| tokio::spawn(connect_again_and_again(gateway.address())));
    let clients: Vec<_> = clients.collect();
    sleep(Duration::from_millis(500)).await;
    timeout(SOON, gateway.stop()).await.expect("an end");
    for client in clients {
        // Nobody waited for a second before being let in, as where more come at once than may wait.
        assert!(client.await.expect("no request is lost") > 0);
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_a_stop_and_may_ask_once_more() {
    let (gateway, _) = start().await;
    let address = gateway.address();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.send(GET_NOW).await.expect("an answer").status, 200);
    let mut late = Client::connect(address).await;
    assert_eq!(late.send(GET_NOW).await.expect("an answer").status, 200);
    let stop = tokio::spawn(gateway.stop());
    sleep(Duration::from_millis(50)).await;
    let answer = late
        .send("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an answer");
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("connection: close"));
    timeout(Duration::from_secs(3), stop)
        .await
        .expect("a quick stop")
        .expect("no panic");
    assert!(idle.is_closed().await);
}

/// Does what the system has a part in by the clock on the wall: one that is stopped would run ahead of it.
async fn in_real_time<T>(what: impl Future<Output = T>) -> T {
    resume();
    let result = what.await;
    sleep(Duration::from_millis(20)).await;
    pause();
    result
}

/// How long until the connection ends, by a clock that is stopped and goes on when nothing else is left to do.
async fn left_alone(client: &mut Client) -> u64 {
    let begun = Instant::now();
    assert!(client.read().await.is_none());
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_arrive_ends_its_connection_as_silence_does() {
    let (gateway, _) = start().await;
    let connect = async || in_real_time(Client::connect(gateway.address())).await;
    let mut half = connect().await;
    in_real_time(half.write("GET /now HTTP/1.1\r\nHost: a\r\n")).await;
    sleep(Duration::from_secs(20)).await;
    in_real_time(half.write("X: a\r\n")).await;
    let left = left_alone(&mut half).await;
    assert!((8..=10).contains(&left), "{left}");
    let mut kept = connect().await;
    for _ in 0..3 {
        let answer = in_real_time(kept.send(GET_NOW)).await;
        assert_eq!(answer.expect("an answer").status, 200);
        sleep(Duration::from_secs(20)).await;
    }
    let left = left_alone(&mut kept).await;
    assert!((8..=15).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_its_answers_is_given_up() {
    const ANSWERS: usize = 640;
    let (gateway, _) = start().await;
    let mut client = in_real_time(Client::connect(gateway.address())).await;
    let asked = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n".repeat(ANSWERS);
    client.write(&asked).await;
    // The clock goes on while the system is still at moving bytes, each a sign of life: this is a long time for it, too.
    sleep(Duration::from_secs(3600)).await;
    while client.read().await.is_some() {}
    let read = client.rest.len();
    assert!(read > LONG && read < ANSWERS * LONG, "{read}");
}

#[tokio::test]
async fn a_stop_ends_at_its_timeout() {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus.clone())
        .with_worker(Worker::new(bus))
        .with_listen(LOCAL.parse().expect("an address"))
        .with_stop_timeout(Duration::from_millis(100));
    let gateway = gateway.start().await.expect("a gateway");
    let mut client = Client::connect(gateway.address()).await;
    client
        .write("POST /text/length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n\"")
        .await;
    sleep(Duration::from_millis(20)).await;
    timeout(Duration::from_secs(2), gateway.stop())
        .await
        .expect("in time");
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_brought_nothing_holds_no_stop_up_past_its_timeout() {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus)
        .with_listen(LOCAL.parse().expect("an address"))
        .with_stop_timeout(Duration::from_millis(100));
    let gateway = gateway.start().await.expect("a gateway");
    let mut quiet = in_real_time(Client::connect(gateway.address())).await;
    let begun = Instant::now();
    gateway.stop().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(quiet.read().await.is_none());
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let (gateway, bus) = start().await;
    let error = Gateway::new(bus)
        .with_listen(gateway.address())
        .start()
        .await
        .expect_err("taken");
    assert!(
        error.to_string().contains(&gateway.address().to_string()),
        "{error}"
    );
}
