use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

/// A socket that takes everything, and tells of each piece.
struct Socket(UnboundedSender<Vec<u8>>);

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let told = self.0.send(bytes.to_vec());
        told.expect("a test that sends looks at what came");
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

type Pieces = UnboundedReceiver<Vec<u8>>;

fn outbox() -> (Arc<Outbox>, Pieces) {
    let (told, pieces) = unbounded_channel();
    (Arc::new(Outbox::new(Box::new(Socket(told)))), pieces)
}

/// One whose writing task runs, for as long as the test does.
fn writing() -> (Arc<Outbox>, Pieces) {
    let (outbox, pieces) = outbox();
    let of_task = Arc::clone(&outbox);
    tokio::spawn(async move { of_task.write_all().await });
    (outbox, pieces)
}

fn send(outbox: &Outbox, leeway: Duration, byte: u8) {
    assert_eq!(outbox.push_within(leeway, |bytes| bytes.push(byte)), Ok(()));
}

#[tokio::test]
async fn what_may_wait_leaves_together_when_its_time_is_up() {
    let (outbox, mut pieces) = writing();
    let begun = Instant::now();
    for byte in 0..3 {
        send(&outbox, SOON, byte);
        tokio::task::yield_now().await;
    }
    assert_eq!(pieces.recv().await, Some(vec![0, 1, 2]));
    assert!(begun.elapsed() >= SOON);
}

#[tokio::test]
async fn what_may_wait_leaves_with_what_may_not() {
    let (outbox, mut pieces) = writing();
    send(&outbox, NEVER, 1);
    tokio::task::yield_now().await;
    send(&outbox, Duration::ZERO, 2);
    assert_eq!(pieces.recv().await, Some(vec![1, 2]));
}

#[tokio::test]
async fn the_shortest_time_counts() {
    let (outbox, mut pieces) = writing();
    send(&outbox, NEVER, 1);
    tokio::task::yield_now().await;
    send(&outbox, SOON, 2);
    assert_eq!(pieces.recv().await, Some(vec![1, 2]));
    // And what was waited for then does not hold up what comes later.
    send(&outbox, SOON, 3);
    assert_eq!(pieces.recv().await, Some(vec![3]));
}

#[test]
fn what_is_overdue_is_written_by_whoever_sends_next() {
    // Nobody polls the writing task.
    let (outbox, mut pieces) = outbox();
    send(&outbox, SOON, 1);
    send(&outbox, SOON, 2);
    assert!(pieces.is_empty());
    thread::sleep(SOON);
    send(&outbox, SOON, 3);
    assert_eq!(pieces.try_recv(), Ok(vec![1, 2, 3]));
    assert!(pieces.is_empty());
}
