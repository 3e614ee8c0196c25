//! Whom a worker works with: a service of the same subject and another contract, the task it calls, and its callers.

use super::*;

/// What a worker does: it has one task, which calls another.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) service: &'static str,
    /// Its task, what that is called with, and what it answers then.
    pub(super) task: [&'static str; 3],
    /// The task it calls, and what that always answers.
    pub(super) called: [&'static str; 2],
}

/// Somebody who may see and say everything.
pub(super) struct Witness {
    bus: Bus,
    job: Job,
    announces: Subscription,
    leaves: Subscription,
    contracts: Subscription,
}

impl Witness {
    pub(super) async fn start(network: &Network, job: Job) -> Self {
        let bus = network.connect(WITNESS).await;
        let subscribe = async |filter: &str| bus.subscribe(filter, None, 64).await.unwrap();
        let announces = subscribe(&format!("{}.>", service::ANNOUNCE)).await;
        let leaves = subscribe(&format!("{}.>", service::LEAVE)).await;
        let contracts = subscribe(&rival_contract()).await;
        let questions = subscribe(service::INFO).await;
        let [called, returned] = job.called;
        let calls = subscribe(called).await;
        tokio::spawn(answer(bus.clone(), questions, rival(job.task[0])));
        tokio::spawn(answer(bus.clone(), calls, returned.to_owned()));
        Self {
            bus,
            job,
            announces,
            leaves,
            contracts,
        }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The instance hears of a document for its service, and puts it in force.
    pub(super) async fn steers(&self, bucket: &Bucket, instance: &str) -> Result<(), String> {
        let key = format!("service.{}", self.job.service);
        let revision = bucket.put(&key, "{}").await;
        let stats = format!("{}.{}.{instance}", service::STATS, self.job.service);
        let wanted = format!(r#""metropolis.applied.{key}":"{revision}""#);
        let is_applied = async || {
            let answers = gather(&self.bus, subject(stats.clone()), PATIENCE).await;
            answers.is_ok_and(|answers| {
                let mut texts = answers
                    .iter()
                    .map(|answer| String::from_utf8_lossy(&answer.payload));
                texts.any(|text| text.contains(&wanted))
            })
        };
        match holds_within(SOON, is_applied).await {
            true => Ok(()),
            false => Err(format!("{key} is not followed")),
        }
    }

    /// The instance that says it has come.
    pub(super) async fn announced(&mut self) -> Result<String, String> {
        let topic = format!("{}.{}", service::ANNOUNCE, self.job.service);
        let subject = heard(&mut self.announces, &topic).await?;
        Ok(subject.rsplit('.').next().unwrap_or_default().to_owned())
    }

    /// The instance answers whatever it is asked.
    pub(super) async fn sees(&self, instance: &str) -> Result<(), String> {
        let [task, input, expected] = self.job.task;
        let call = Outgoing {
            payload: input.into(),
            ..Outgoing::empty(subject(task.to_owned()))
        };
        let called = self.bus.request(call, Instant::now() + SOON).await;
        if !called.as_ref().is_ok_and(|it| it.payload == expected) {
            return Err(format!("{task}: {called:?}"));
        }
        let service = self.job.service;
        let mut questions = Vec::new();
        for verb in [service::PING, service::INFO, service::STATS] {
            for rest in [
                String::new(),
                format!(".{service}"),
                format!(".{service}.{instance}"),
            ] {
                questions.push(self.answers(format!("{verb}{rest}"), instance));
            }
        }
        for answered in futures_util::future::join_all(questions).await {
            answered?;
        }
        self.fetches_the_contract(instance).await
    }

    async fn fetches_the_contract(&self, instance: &str) -> Result<(), String> {
        let info = format!("{}.{}.{instance}", service::INFO, self.job.service);
        let infos = gather(&self.bus, subject(info), PATIENCE)
            .await
            .map_err(|error| error.to_string())?;
        let info = Info::read(&infos[0].payload).map_err(|error| error.to_string())?;
        let hash = &info.endpoints[0].metadata[service::METADATA_CONTRACT];
        let hash = ContractHash::parse(hash).ok_or("no hash")?;
        let fetched = fetch_contract(&self.bus, &hash).await;
        fetched.map(drop).map_err(|error| error.to_string())
    }

    /// The instance is among those who answer a question.
    async fn answers(&self, question: String, instance: &str) -> Result<(), String> {
        let answers = gather(&self.bus, subject(question.clone()), PATIENCE).await;
        let answers = answers.map_err(|error| error.to_string())?;
        let names_it = |payload: &[u8]| String::from_utf8_lossy(payload).contains(instance);
        if answers.iter().any(|answer| names_it(&answer.payload)) {
            return Ok(());
        }
        Err(format!("no answer to {question}"))
    }

    /// The instance has asked for the contract in service, and has said that it goes.
    pub(super) async fn parted(&mut self, instance: &str) -> Result<(), String> {
        heard(&mut self.contracts, &rival_contract()).await?;
        let leave = format!("{}.{}.{instance}", service::LEAVE, self.job.service);
        heard(&mut self.leaves, &leave).await.map(drop)
    }
}

/// The subject of a message that begins with what is wanted.
async fn heard(subscription: &mut Subscription, wanted: &str) -> Result<String, String> {
    match tokio::time::timeout(Duration::from_secs(1), subscription.next()).await {
        Ok(Some(message)) if message.subject.as_str().starts_with(wanted) => {
            Ok(message.subject.to_string())
        }
        other => Err(format!("no {wanted}, but {other:?}")),
    }
}

fn rival_hash() -> String {
    "a".repeat(64)
}

fn rival_contract() -> String {
    format!("{}.{}", service::CONTRACT, rival_hash())
}

/// Another service that answers the same subject, with another contract.
fn rival(task: &str) -> String {
    json!({
        "type": "io.nats.micro.v1.info_response", "name": "rival", "id": "rival", "version": "1.0.0",
        "description": "", "metadata": {},
        "endpoints": [{
            "name": "rival", "subject": task, "queue_group": "rivals",
            "metadata": { service::METADATA_CONTRACT: rival_hash() },
        }],
    })
    .to_string()
}
