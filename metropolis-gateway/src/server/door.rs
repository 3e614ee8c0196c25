//! Door: how connections come in, and how a listener closes without losing one.
//!
//! A connection that waits in a listener's queue is reset when the listener closes, though its client may have sent a
//! request already. So a listener that is to close turns away whoever comes from then on, for a tenth of a second, and takes
//! in who is there. Whoever was turned away is refused a second later, which is better than a request that is lost.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::patience::Activity;
use super::threads::Threads;
use super::{Guest, Phase, reached};
use crate::site::{Side, Site};

/// Connections that may wait to be accepted, as far as the system allows it. Where there are more, a client hears nothing and
/// asks again after a second; the 128 that libraries give a listener are few for a burst.
const BACKLOG: u32 = 4096;

/// How long accepting pauses after an error that is not the connection's own, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a closing listener, which turns away whoever comes, waits for handshakes that were under way: a round trip to a
/// client.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// Listens on an address, from now on.
///
/// # Errors
/// When the system refuses.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of a process that has ended do not keep its address from the next one. Elsewhere the option means that
    // others may take the address.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What a listener needs to let connections in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) side: Side,
    pub(super) site: Arc<Site>,
    pub(super) threads: Option<Arc<Threads>>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) places: Arc<Semaphore>,
    pub(super) alive: mpsc::Sender<Infallible>,
}

impl Door {
    /// Lets connections in until the server closes.
    pub(super) async fn accept_all(self, listener: TcpListener) {
        let mut phase = self.phase.clone();
        let closing = reached(&mut phase, Phase::Closing);
        self.let_in_until(closing, &listener).await;
        if let Err(error) = turn_away(&listener) {
            tracing::debug!(%error, "who connects while the listener closes may be reset");
        }
        let cut_off = reached(&mut phase, Phase::CutOff);
        let end = timeout(HANDSHAKE, cut_off);
        self.let_in_until(end, &listener).await;
    }

    async fn let_in_until<T>(&self, end: impl Future<Output = T>, listener: &TcpListener) {
        let all = async {
            loop {
                let (stream, place) = self.accept(listener).await;
                self.let_in(stream, place);
            }
        };
        // However many there are to be let in, the end is looked for first.
        tokio::select! {
            biased;
            _ = end => {}
            () = all => {}
        }
    }

    /// Waits for a place and then for a connection.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, OwnedSemaphorePermit) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // An answer goes out as one write; waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let guest = Guest {
            side: self.side,
            phase: self.phase.clone(),
            activity: Activity::default(),
            place,
            _alive: self.alive.clone(),
        };
        let Some(threads) = &self.threads else {
            let site = Arc::clone(&self.site);
            tokio::spawn(async move { guest.stay(stream, Bytes::new(), &site, None).await });
            return;
        };
        match stream.into_std() {
            Ok(stream) => threads.serve(stream, guest),
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Lets no connection begin any more: the system drops what asks for one, so that its client asks again, after a second,
/// and is refused then.
#[cfg(target_os = "linux")]
fn turn_away(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    // Instructions of the classic BPF (Linux, Documentation/networking/filter.rst), over the TCP header of a packet.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Not on this system: who connects just as the listener closes is reset.
#[cfg(not(target_os = "linux"))]
fn turn_away(_listener: &TcpListener) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn who_has_connected_is_taken_in_and_who_comes_later_is_not_connected() -> io::Result<()>
    {
        for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let listener = match listen(SocketAddr::new(address, 0)) {
                // A machine without IPv6 has nobody to turn away there.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => continue,
                listener => listener?,
            };
            let address = listener.local_addr()?;
            let mut early = TcpStream::connect(address).await?;
            turn_away(&listener)?;
            let late = timeout(HANDSHAKE, TcpStream::connect(address)).await;
            assert!(!cfg!(target_os = "linux") || late.is_err(), "{late:?}");

            let (mut taken, _) = listener.accept().await?;
            early.write_all(b"asked").await?;
            let mut read = [0; 5];
            taken.read_exact(&mut read).await?;
            assert_eq!(read, *b"asked");
        }
        Ok(())
    }
}
