//! One connection: its requests one after the other, until it ends, leaves for another thread, or has to stop.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::http1::Http1;
use super::patience::{Activity, Watch};
use super::stream::{Head, Stream};
use super::threads::Seat;
use super::turnstile::Entry;
use super::{Guest, Phase, is_crowd, reached};
use crate::site::{Side, Site};
use crate::status::Refusal;

/// How much of a body nobody wanted is read on after the answer is known, and for how long. Closing a connection while
/// its client still sends would take the answer away from it.
const DISCARD_MAX: usize = 4 * 1024 * 1024;
const DISCARD_FOR: Duration = Duration::from_secs(1);

/// How long an idle connection is looked at once more before it is closed.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// The same for a connection that has not brought a request yet: whoever has just connected is about to send one, and
/// nothing has told it that this gateway stops.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How it is with a connection that was gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It has ended.
    Ended,
    /// It leaves its seat; nothing is under way.
    Moves,
    /// A stop has come so far.
    Reached,
}

/// Answers the requests of one connection. What goes wrong on it is its client's affair. One that leaves its seat is given
/// back, with what was read of its next request.
pub(super) async fn serve(
    stream: TcpStream,
    unread: Bytes,
    site: &Site,
    guest: &mut Guest,
    mut seat: Option<&mut Seat>,
) -> Option<(TcpStream, Bytes)> {
    let Guest {
        side,
        phase,
        activity,
        place,
        ..
    } = guest;
    let (stream, kept) = Stream::new(stream, unread, activity.clone());
    let mut watch = Watch::over(activity.clone());
    let service = service_fn(|request| exchange(site, *side, &kept, activity, request));
    let is_idle = || activity.is_idle() && kept.is_empty();
    let turnstile = match side {
        Side::Public => seat.as_ref().map(|seat| seat.turnstile()),
        // Whoever wants to know how the gateway is does not wait behind others.
        Side::Admin => None,
    };
    let entry = Entry::at(turnstile);
    let mut connection = Http1::new(stream, service, || is_crowd(place), is_idle, entry);
    let is_left = |seat: &mut &mut Seat| seat.is_left(activity.seen());
    let moves = || activity.is_idle() && seat.as_mut().is_some_and(is_left);
    match go_on(&mut connection, &mut watch, phase, Phase::Closing, moves).await {
        Turn::Ended => return None,
        Turn::Moves => return connection.into_parts(),
        Turn::Reached => {}
    }
    // Its client may have asked already, and nobody is to be closed before that was read.
    connection.let_in();
    let stays = || false;
    let rest = go_on(&mut connection, &mut watch, phase, Phase::CutOff, stays);
    if timeout(look(activity), rest).await.is_ok() {
        return None;
    }
    connection.graceful_shutdown();
    go_on(&mut connection, &mut watch, phase, Phase::CutOff, stays).await;
    None
}

/// Goes on with a connection until it ends or moves, or a stop has come so far.
async fn go_on<C: Future + Unpin>(
    connection: &mut C,
    watch: &mut Watch,
    phase: &mut watch::Receiver<Phase>,
    until: Phase,
    mut moves: impl FnMut() -> bool,
) -> Turn {
    let news = phase.clone();
    let mut is_listening = false;
    let mut reached = pin!(reached(phase, until));
    poll_fn(|context| {
        if poll_watched(connection, watch, context).is_ready() {
            return Poll::Ready(Turn::Ended);
        }
        if moves() {
            return Poll::Ready(Turn::Moves);
        }
        // A stop is asked for once, and then only when there is news of it: this is polled for every request.
        if is_listening && !news.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        is_listening = true;
        reached.as_mut().poll(context).map(|()| Turn::Reached)
    })
    .await
}

/// Goes on with a connection, until it ends or is given up.
fn poll_watched<C: Future + Unpin>(
    connection: &mut C,
    watch: &mut Watch,
    context: &mut Context<'_>,
) -> Poll<()> {
    match Pin::new(connection).poll(context).is_ready() || watch.gives_up(context) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    }
}

fn look(activity: &Activity) -> Duration {
    match activity.has_begun() {
        true => LAST_LOOK,
        false => FIRST_LOOK,
    }
}

async fn exchange(
    site: &Site,
    side: Side,
    kept: &Head,
    activity: &Activity,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let busy = activity.begin();
    let (mut head, mut body) = request.into_parts();
    restore_lengths(&mut head, kept);
    let mut response = match lacks_host(&head) {
        true => site.refuse(&head, Refusal::Bad("there is no Host")),
        false => site.respond(side, &head, &mut body).await,
    };
    if body.is_end_stream() || discard(&head, &mut body).await {
        busy.has_read_all();
    }
    if site.readiness().is_stopping() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response.map(Full::new))
}

/// Puts back each `Content-Length` that hyper takes out of a request, for the site to refuse: all of them where there is a
/// `Transfer-Encoding` too, and those that repeat the first.
fn restore_lengths(head: &mut Parts, kept: &Head) {
    let lengths = kept.lengths();
    let left = match lengths {
        0 => 0,
        _ => head.headers.get_all(CONTENT_LENGTH).iter().count(),
    };
    for _ in left..lengths {
        let length = HeaderValue::from_static("0");
        head.headers.append(CONTENT_LENGTH, length);
    }
}

/// HTTP/1.1 demands a host (RFC 9112 §3.2).
fn lacks_host(head: &Parts) -> bool {
    head.version == Version::HTTP_11 && !head.headers.contains_key(HOST)
}

/// Reads on a body that was refused; says whether to its end. A client that waits to be asked for it is not asked.
async fn discard(head: &Parts, body: &mut Incoming) -> bool {
    if head.headers.contains_key(EXPECT) {
        return false;
    }
    let rest = async {
        let mut left = DISCARD_MAX;
        while let Some(frame) = body.frame().await {
            let bytes = frame.as_ref().ok().and_then(Frame::data_ref);
            match left.checked_sub(bytes.map_or(0, Bytes::len)) {
                Some(rest) if frame.is_ok() => left = rest,
                _ => return false,
            }
        }
        true
    };
    timeout(DISCARD_FOR, rest).await.unwrap_or(false)
}
