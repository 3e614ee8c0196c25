//! A service made by hand: it answers ADR-32's questions and its endpoints with what it was told, right or wrong.

use metropolis::service::{ANNOUNCE, INFO, LEAVE, PING};

use super::*;

/// One endpoint, whose reply is the text it was given.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) subject: String,
    pub(crate) json: Value,
    pub(crate) reply: String,
}

impl Endpoint {
    pub(crate) fn new(name: &str, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self {
            json: json!({ "name": name, "subject": subject, "queue_group": "q", "metadata": {} }),
            reply: format!("\"{name}\""),
            subject,
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.json["metadata"][key] = value.into();
        self
    }
}

/// A running service; dropping it is silence.
pub(crate) struct Responder {
    bus: Bus,
    name: String,
    id: String,
    info: String,
    tasks: tokio::task::JoinSet<()>,
}

impl Responder {
    /// Serves and says so.
    pub(crate) async fn start(
        bus: &Bus,
        name: &str,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> Self {
        let responder = Self::silent(bus, name, endpoints).await;
        responder.announce().await;
        responder
    }

    /// Serves and tells only who asks.
    pub(crate) async fn silent(
        bus: &Bus,
        name: &str,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> Self {
        let endpoints: Vec<Endpoint> = endpoints.into_iter().collect();
        let id = bus.inbox().as_str().rsplit('.').next().unwrap().to_owned();
        let identity = json!({ "name": name, "id": id, "version": "1.0.0", "metadata": {} });
        let with = |kind: &str| {
            let mut answer = identity.clone();
            answer["type"] = format!("io.nats.micro.v1.{kind}_response").into();
            answer
        };
        let mut info = with("info");
        info["endpoints"] = endpoints
            .iter()
            .map(|endpoint| endpoint.json.clone())
            .collect();
        let mut responder = Self {
            bus: bus.clone(),
            name: name.to_owned(),
            id,
            info: info.to_string(),
            tasks: tokio::task::JoinSet::new(),
        };
        let answer = responder.info.clone();
        responder.serve(INFO, None, answer).await;
        responder.serve(PING, None, with("ping").to_string()).await;
        for endpoint in endpoints {
            responder
                .serve(&endpoint.subject, Some("q"), endpoint.reply)
                .await;
        }
        responder
    }

    async fn serve(&mut self, filter: &str, queue: Option<&str>, reply: String) {
        let queue = queue.map(|queue| metropolis::subject::Queue::parse(queue).unwrap());
        let mut requests = self
            .bus
            .subscribe(filter, queue.as_ref(), 256)
            .await
            .unwrap();
        let bus = self.bus.clone();
        self.tasks.spawn(async move {
            while let Some(request) = requests.next().await {
                if let Some(to) = request.reply {
                    publish(&bus, to.to_string(), reply.clone()).await;
                }
            }
        });
    }

    pub(crate) async fn announce(&self) {
        let subject = format!("{ANNOUNCE}.{}.{}", self.name, self.id);
        publish(&self.bus, subject, self.info.clone()).await;
    }

    /// Says that it goes, and goes.
    pub(crate) async fn leave(mut self) {
        publish(&self.bus, format!("{LEAVE}.{}.{}", self.name, self.id), "").await;
        self.tasks.shutdown().await;
    }
}
