//! The browser's protocol: calls with their answers, and what is heard of a page meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::wait::within;

/// How long an answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection to a browser. Cloning gives the same one.
#[derive(Debug, Clone)]
pub(super) struct Devtools {
    sending: Arc<AsyncMutex<SplitSink<Socket, Message>>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    pages: HashMap<String, Heard>,
}

/// What was heard of one page.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<(Vec<String>, Vec<String>)>>);

impl Devtools {
    pub(super) async fn connect(url: &str) -> Self {
        let connected = tokio_tungstenite::connect_async(url).await;
        let (socket, _) = connected.unwrap_or_else(|error| panic!("no browser at {url}: {error}"));
        let (sending, receiving) = socket.split();
        let devtools = Self {
            sending: Arc::new(AsyncMutex::new(sending)),
            shared: Arc::default(),
        };
        tokio::spawn(receive(receiving, Arc::clone(&devtools.shared)));
        devtools
    }

    /// Hears from now on what happens to the page of a session.
    pub(super) fn listen(&self, session: &str) -> Heard {
        let heard = Heard::default();
        let mut shared = lock(&self.shared);
        shared.pages.insert(session.to_owned(), heard.clone());
        heard
    }

    /// Calls a method and returns its result.
    ///
    /// # Panics
    ///
    /// When the browser refuses, or does not answer.
    pub(super) async fn call(
        &self,
        method: &str,
        parameters: Value,
        session: Option<&str>,
    ) -> Value {
        let answer = self.send(method, parameters, session).await;
        let mut answer = within(ANSWER_DEADLINE, answer)
            .await
            .unwrap_or_else(|_| panic!("the browser has gone before it answered {method}"));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Sends a call; the browser may end before it answers.
    #[expect(
        clippy::disallowed_methods,
        reason = "the ban is meant for the NATS client's sink"
    )]
    pub(super) async fn send(
        &self,
        method: &str,
        parameters: Value,
        session: Option<&str>,
    ) -> oneshot::Receiver<Value> {
        let (answered, answer) = oneshot::channel();
        let id = {
            let mut shared = lock(&self.shared);
            shared.last_id += 1;
            let id = shared.last_id;
            shared.waiting.insert(id, answered);
            id
        };
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let mut sending = self.sending.lock().await;
        // Whoever waits for the answer hears that there is no browser any more.
        let _ = sending.send(Message::text(call.to_string())).await;
        answer
    }
}

impl Heard {
    pub(super) fn complaints(&self) -> Vec<String> {
        lock(&self.0).0.clone()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        lock(&self.0).1.clone()
    }

    fn hear(&self, method: &str, parameters: &Value) {
        let mut heard = lock(&self.0);
        match method {
            "Network.requestWillBeSent" => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                heard.1.push(url.to_owned());
            }
            "Runtime.exceptionThrown" => heard.0.push(parameters["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if is_complaint(&parameters["type"]) => {
                heard.0.push(parameters["args"].to_string());
            }
            "Log.entryAdded" if is_complaint(&parameters["entry"]["level"]) => {
                heard.0.push(parameters["entry"].to_string());
            }
            _ => {}
        }
    }
}

fn is_complaint(level: &Value) -> bool {
    ["error", "warning", "assert"]
        .iter()
        .any(|complaint| level == complaint)
}

/// Takes in what the browser says, until it is gone.
async fn receive(mut receiving: SplitStream<Socket>, shared: Arc<Mutex<Shared>>) {
    while let Some(Ok(message)) = receiving.next().await {
        let Ok(message) = serde_json::from_slice::<Value>(&message.into_data()) else {
            continue;
        };
        let mut shared = lock(&shared);
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = shared.waiting.remove(&id) {
                let _ = waiting.send(message);
            }
            continue;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        if let Some(page) = shared.pages.get(session) {
            page.hear(
                message["method"].as_str().unwrap_or_default(),
                &message["params"],
            );
        }
    }
    lock(&shared).waiting.clear();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
