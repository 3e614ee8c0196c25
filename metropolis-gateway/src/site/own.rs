//! Own: what the gateway answers on the paths that are its own.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::Body;

use super::routes::{Routes, Target};
use super::{Side, Site};
use crate::admin::{self, Ask, BuiltIn};
use crate::console::{self, Attempt, Console, Now};
use crate::status::Refusal;
use crate::table::canonical;

/// A request of one of the gateway's own paths.
pub(super) struct Asked<'a> {
    pub(super) side: Side,
    pub(super) routes: &'a Arc<Routes>,
    pub(super) head: &'a Parts,
}

impl Site {
    /// Answers one of the gateway's own paths.
    pub(super) async fn say<B: Body<Data = Bytes> + Unpin>(
        &self,
        path: BuiltIn,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Bytes>, Refusal> {
        match path {
            BuiltIn::Asset(asset) => Ok(asset.answer(&asked.head.headers)),
            BuiltIn::OpenApi => describe(asked.routes).await.map(admin::json),
            BuiltIn::Routes => Ok(admin::json(asked.routes.listing.clone())),
            BuiltIn::Healthz => Ok(admin::json(Bytes::from_static(br#"{"status":"alive"}"#))),
            BuiltIn::Readyz if self.readiness.check().await => {
                Ok(admin::json(Bytes::from_static(br#"{"status":"ready"}"#)))
            }
            BuiltIn::Readyz => Err(Refusal::NotReady),
            BuiltIn::Metrics => self.say_metrics().await.ok_or(Refusal::NotFound),
            BuiltIn::Console(ask) => self.tell(ask, asked, body).await,
        }
    }

    /// `None` where metrics are switched off. Writing those of thousands of routes takes a while, in which a thread of the
    /// runtime would do nothing else.
    async fn say_metrics(&self) -> Option<Response<Bytes>> {
        let exposition = Arc::clone(self.exposition.as_ref()?);
        let text = tokio::task::spawn_blocking(move || exposition.text());
        text.await.ok().map(admin::metrics)
    }

    /// Answers what the console's page asks for.
    async fn tell<B: Body<Data = Bytes> + Unpin>(
        &self,
        ask: Ask,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Bytes>, Refusal> {
        let query = asked.head.uri.query().unwrap_or_default();
        let admitted = &asked.routes.admitted;
        match ask {
            Ask::Data => {
                let now = Now {
                    is_ready: self.readiness.check().await,
                    is_elsewhere: asked.side == Side::Admin,
                };
                self.console.data(query, Arc::clone(admitted), now).await
            }
            Ask::Promise => Console::promise(query, admitted),
            Ask::Attempt => {
                console::check_origin(&asked.head.headers)?;
                let (head, body) = Attempt::read(body).await?.request()?;
                let begun = Instant::now();
                let response = self.attempt(asked.routes, &head, body).await;
                Ok(console::outcome(&response, begun.elapsed()))
            }
        }
    }

    /// Sends a request that was typed into the console the way of every public one. It reaches tasks alone, so that the
    /// console cannot be made to ask itself.
    fn attempt<'s>(
        &'s self,
        routes: &Routes,
        head: &'s Parts,
        mut body: Full<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 's>> {
        match is_of_task(routes, head) {
            Ok(true) => Box::pin(async move { self.respond(Side::Public, head, &mut body).await }),
            Ok(false) => Box::pin(ready(Refusal::NotFound.into_response(None, None))),
            Err(refusal) => Box::pin(ready(refusal.into_response(None, None))),
        }
    }
}

/// Making the document of thousands of routes takes a while, in which a thread of the runtime would do nothing else.
async fn describe(routes: &Arc<Routes>) -> Result<Bytes, Refusal> {
    if let Some(text) = routes.known_openapi() {
        return Ok(text);
    }
    let routes = Arc::clone(routes);
    let text = tokio::task::spawn_blocking(move || routes.openapi());
    text.await.map_err(|_| Refusal::NotReady)
}

fn is_of_task(routes: &Routes, head: &Parts) -> Result<bool, Refusal> {
    let path = canonical(head.uri.path())?;
    let found = routes.public.find(&path)?;
    let target = found.and_then(|found| found.methods.get(&head.method));
    Ok(matches!(target, Some(Target::Task(_))))
}
