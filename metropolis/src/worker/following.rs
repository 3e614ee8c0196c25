//! Following: the keys of a bucket that concern a worker, and what they hold, put in force for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::live::{ApplyError, Live};
use crate::live::{Bucket, Entry, Follower, setting_key};

/// How long a start waits for the bucket. A worker that has not heard of it by then begins as it is annotated.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// What follows keys. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Following {
    _tasks: JoinSet<()>,
    leaving: watch::Sender<bool>,
}

/// One key that is followed.
struct Key {
    follower: Follower,
    what: What,
    /// What it held the last time, if that is in force.
    document: Option<Bytes>,
}

#[derive(Clone, Copy)]
enum What {
    /// The service's document.
    Service,
    /// A setting, by its place on the shelf.
    Setting(usize),
}

/// Keys that were looked at once, and what the service's held.
pub(super) struct Looked {
    keys: Vec<Key>,
    /// The service's document, if one was seen.
    service: Option<Entry>,
}

impl Looked {
    /// Looks at every key, and puts the settings in force.
    pub(super) async fn at(bucket: Option<&Bucket>, service: &str, live: &Live) -> Self {
        let mut keys = bucket.map_or_else(Vec::new, |bucket| keys(bucket, service, live));
        let looks = keys
            .iter_mut()
            .map(|key| timeout(FIRST_LOOK, key.follower.look()));
        let entries = join_all(looks).await.into_iter();
        let entries: Vec<Option<Entry>> = entries.map(|looked| looked.ok().flatten()).collect();
        let mut of_service = None;
        for (key, entry) in keys.iter_mut().zip(entries) {
            match (key.what, entry) {
                (What::Service, entry) => of_service = entry,
                (What::Setting(_), Some(entry)) => key.take(&entry, live).await,
                (What::Setting(_), None) => {}
            }
        }
        Self {
            keys,
            service: of_service,
        }
    }

    /// Begins to serve, as the service's document wants it.
    pub(super) async fn serve(&self, live: &Live) -> Result<(), ApplyError> {
        if let Some(entry) = &self.service {
            let document = entry.document().map(Bytes::as_ref);
            match live.apply(document, &entry.revision.to_string()).await {
                // It was said, and the worker begins as it is annotated.
                Err(ApplyError::Refused(_)) => {}
                served => return served,
            }
        }
        live.serve().await
    }

    /// Follows the keys from now on.
    pub(super) fn follow(self, live: &Arc<Live>) -> Following {
        let (leaving, left) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for key in self.keys {
            tasks.spawn(follow(key, Arc::clone(live), left.clone()));
        }
        Following {
            _tasks: tasks,
            leaving,
        }
    }
}

impl Following {
    /// Puts nothing in force any more. What is being put in force is finished.
    pub(super) fn end(&self) {
        self.leaving.send_replace(true);
    }
}

fn keys(bucket: &Bucket, service: &str, live: &Live) -> Vec<Key> {
    let key = |key: &str, what| Key {
        follower: bucket.follow(key),
        what,
        document: None,
    };
    let followed = live.shelf().map_or(&[][..], |shelf| shelf.followed());
    let settings = followed.iter().enumerate();
    let settings =
        settings.map(|(at, setting)| key(&setting_key(service, setting.key), What::Setting(at)));
    let own = key(live.key(), What::Service);
    std::iter::once(own).chain(settings).collect()
}

async fn follow(mut key: Key, live: Arc<Live>, mut leaving: watch::Receiver<bool>) {
    loop {
        let entry = tokio::select! {
            biased;
            _ = leaving.wait_for(|leaves| *leaves) => return,
            entry = key.follower.next() => entry,
        };
        // To the end, whoever leaves meanwhile: half a pause would lose what is under way.
        key.take(&entry, &live).await;
    }
}

impl Key {
    /// Puts in force what the key holds, as far as that can be.
    async fn take(&mut self, entry: &Entry, live: &Live) {
        let revision = entry.revision.to_string();
        let document = entry.document();
        let bytes = document.map(Bytes::as_ref);
        match self.what {
            What::Service => {
                if let Err(error @ ApplyError::NotServed { .. }) =
                    live.apply(bytes, &revision).await
                {
                    tracing::warn!(%error, "it is tried again");
                    self.follower.again();
                }
            }
            What::Setting(at) => {
                let old = self.document.as_deref();
                if live.set(at, old, bytes, &revision) {
                    self.document = document.cloned();
                }
            }
        }
    }
}
