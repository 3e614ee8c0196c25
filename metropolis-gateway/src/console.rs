//! Console: what the page at `/_console` asks for: who is on the bus, how they are doing, who calls whom, what a task
//! promises, and what came of a request that was tried.
//!
//! What there is, the routes know. How it is doing, services say themselves (`$SRV.STATS`), and they are asked only while
//! somebody looks, however many look. The page itself lies in `assets/console`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use metropolis::bus::Bus;
use metropolis::service::{ANSWERS_MAX, STATS, gather};
use metropolis::subject::Subject;
use tokio::sync::Mutex;
use tokio::time::sleep_until;

use self::readings::Readings;
use self::view::View;
use crate::admission::Admitted;
use crate::status::Refusal;
use crate::{admin, assets, forward};

mod attempt;
mod promise;
mod readings;
mod sums;
mod view;

pub(crate) use attempt::{Attempt, check_origin, outcome};
pub(crate) use view::{About, Now};

/// The shortest time between two questions to all services.
pub(crate) const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long answers are waited for; whoever needs longer is taken in the next time.
const PATIENCE: Duration = Duration::from_millis(300);

const MORE: &str = "more instances answer than are listened to, so numbers are missing";

/// The longest text that is searched for, in bytes.
const FIND_MAX: usize = 128;

/// Asks services how they are, on behalf of all consoles that are open.
#[derive(Debug)]
pub(crate) struct Console {
    bus: Bus,
    about: About,
    started: Instant,
    heard: Mutex<Heard>,
    drawn: Mutex<Option<Drawn>>,
}

/// What was shown last: several consoles mostly show the same.
#[derive(Debug)]
struct Drawn {
    view: View,
    json: Bytes,
}

/// What was heard last.
#[derive(Debug, Default)]
struct Heard {
    asked: Option<Instant>,
    readings: Option<Arc<Readings>>,
    /// What is wrong with the last question, or with its answers.
    trouble: Option<String>,
}

impl Console {
    pub(crate) fn new(bus: Bus, about: About) -> Self {
        Self {
            bus,
            about,
            started: Instant::now(),
            heard: Mutex::default(),
            drawn: Mutex::default(),
        }
    }

    /// Everything that moves. The query says what to look for (`find`), and which task to show in full (`subject`).
    pub(crate) async fn data(
        &self,
        query: &str,
        admitted: Arc<Admitted>,
        now: Now,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut view = View {
            find: parameter(query, "find")?.to_lowercase(),
            subject: parameter(query, "subject")?,
            admitted,
            about: self.about,
            now,
            uptime: self.started.elapsed(),
            bus: self.bus.clone(),
            readings: Arc::default(),
            trouble: None,
        };
        (view.readings, view.trouble) = self.readings().await;
        self.draw(view).await.map(private)
    }

    /// Draws a view, one at a time: with thousands of tasks this takes long, and must not take more than one core.
    async fn draw(&self, view: View) -> Result<Bytes, Refusal> {
        let mut last = self.drawn.lock().await;
        if let Some(drawn) = last.as_ref().filter(|drawn| drawn.view.is_same(&view)) {
            return Ok(drawn.json.clone());
        }
        // Not on a thread of the runtime, where requests would wait for it.
        let drawing = tokio::task::spawn_blocking(move || Drawn {
            json: view.to_json().into(),
            view,
        });
        let failed = |_| Refusal::BadAnswer("the console's data cannot be written");
        let drawn = last.insert(drawing.await.map_err(failed)?);
        Ok(drawn.json.clone())
    }

    /// What a task promises, by its subject as declared.
    pub(crate) fn promise(query: &str, admitted: &Admitted) -> Result<Response<Bytes>, Refusal> {
        let subject = parameter(query, "subject")?;
        Ok(private(promise::of(&admitted.operations, &subject)))
    }

    /// What services say, asked no more than a moment ago.
    async fn readings(&self) -> (Arc<Readings>, Option<String>) {
        // Whoever comes while others are asking waits here, and finds the answers.
        let mut heard = self.heard.lock().await;
        if let Some(asked) = heard.asked {
            if asked.elapsed() < ASK_EVERY && heard.readings.is_some() {
                return heard.last();
            }
            // Somebody asked and left before the answers came: that counts.
            sleep_until((asked + ASK_EVERY).into()).await;
        }
        heard.asked = Some(Instant::now());
        let before = heard.readings.clone().unwrap_or_default();
        let question = Subject::parse(STATS).expect("a literal subject");
        let (readings, trouble) = match gather(&self.bus, question, PATIENCE).await {
            Ok(answers) => {
                let trouble = (answers.len() >= ANSWERS_MAX).then(|| MORE.to_owned());
                (before.next(answers, Instant::now()).await, trouble)
            }
            Err(error) => (
                before,
                Some(format!("services cannot be asked now: {error}")),
            ),
        };
        (heard.readings, heard.trouble) = (Some(readings), trouble);
        heard.last()
    }
}

impl Heard {
    fn last(&self) -> (Arc<Readings>, Option<String>) {
        let readings = self.readings.clone().unwrap_or_default();
        (readings, self.trouble.clone())
    }
}

/// JSON for the console's own page, and for the moment.
pub(crate) fn private(body: Bytes) -> Response<Bytes> {
    let mut response = admin::json(body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    assets::keep_to_itself(headers);
    response
}

/// The first value a query has for a name; empty when it has none.
fn parameter(query: &str, name: &str) -> Result<String, Refusal> {
    let pairs = forward::pairs(query)?;
    let found = pairs.into_iter().find(|(known, _)| known == name);
    let value = found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    match value.len() > FIND_MAX.max(metropolis::subject::SUBJECT_MAX) {
        true => Err(Refusal::Bad("what is looked for is too long")),
        false => Ok(value),
    }
}
