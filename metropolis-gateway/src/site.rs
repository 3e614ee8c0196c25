//! Site: everything the gateway answers, and the way of one request through it.
//!
//! The routes of the tasks and the gateway's own paths stand in one table, so that both have the same rules for paths
//! and methods. No sockets here: a listener and a test come in by the same door.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Body;
use metropolis::catalog::{Catalog, Problem, Problems};
use metropolis::listing::{Line, Listing};
use metropolis::route::{Method as RouteMethod, Route, Segment};
use metropolis::{Bus, Client};

use crate::admin::{Admin, BuiltIn, Readiness};
use crate::forward::{Forwarding, TaskRoute, forward};
use crate::openapi;
use crate::operation::{self, Operation};
use crate::status::Refusal;
use crate::table::{Table, canonical};

/// The longest path and query together, in bytes.
pub const URI_MAX: usize = 8 * 1024;
/// The largest number of headers of one request.
pub const HEADERS_MAX: usize = 80;
/// The most bytes that names and values of all headers may have.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// Paths that are the gateway's, now or in a release to come; no task can have them.
const RESERVED: &[&str] = &[
    "openapi.json",
    "healthz",
    "readyz",
    "_routes",
    "docs",
    "metrics",
    "_console",
];

/// What stands behind a route.
#[derive(Debug)]
enum Target {
    Task(Box<TaskRoute>),
    BuiltIn(BuiltIn),
}

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Public,
    Admin,
}

/// Everything that is answered.
#[derive(Debug)]
pub(crate) struct Site {
    public: Table<Target>,
    admin: Table<Target>,
    forwarding: Forwarding,
    built_in: Admin,
}

/// What a site is made of beside its tasks.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) bus: Bus,
    pub(crate) body_max: usize,
    pub(crate) headers: Vec<HeaderName>,
    /// Whether administrative paths are answered to everybody who reaches the public listener.
    pub(crate) is_local: bool,
}

impl Site {
    /// Makes the site of a catalog.
    ///
    /// # Errors
    /// When a task has a path that is the gateway's own.
    pub(crate) fn new(catalog: &Catalog, plan: Plan) -> Result<Self, Problems> {
        check_reserved(catalog)?;
        let operations = operation::linked(catalog.entries());
        let openapi = openapi::document(&operations).to_string();
        let lines: Vec<Line> = operations.iter().map(Operation::line).collect();
        let routes = serde_json::to_vec(&Listing(lines)).expect("a listing is plain data");
        let public = if plan.is_local {
            BuiltIn::LOCAL
        } else {
            BuiltIn::PUBLIC
        };
        Ok(Self {
            public: table(&operations, public),
            admin: table(&[], BuiltIn::ADMIN),
            built_in: Admin {
                openapi: openapi.into(),
                routes: routes.into(),
                readiness: Readiness::new(plan.bus.clone()),
            },
            forwarding: Forwarding {
                client: Client::new(plan.bus.clone()),
                bus: plan.bus,
                body_max: plan.body_max,
                headers: plan.headers,
            },
        })
    }

    /// Whether the gateway is stopping; it says not ready from the beginning of that.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.built_in.readiness
    }

    /// Answers a request. Never fails: what goes wrong is an answer as well.
    pub(crate) async fn respond<B: Body<Data = Bytes> + Unpin>(
        &self,
        side: Side,
        head: &Parts,
        body: &mut B,
    ) -> Response<Bytes> {
        let response = self
            .answer(side, head, body)
            .await
            .unwrap_or_else(|refusal| refusal.into_response(None));
        if head.method == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }

    async fn answer<B: Body<Data = Bytes> + Unpin>(
        &self,
        side: Side,
        head: &Parts,
        body: &mut B,
    ) -> Result<Response<Bytes>, Refusal> {
        check_sizes(head)?;
        check_framing(&head.headers)?;
        let path = canonical(head.uri.path())?;
        let table = match side {
            Side::Public => &self.public,
            Side::Admin => &self.admin,
        };
        let found = table.find(&path)?.ok_or(Refusal::NotFound)?;
        let allow = found.methods.allow();
        let answer = match found.methods.get(&head.method) {
            Some(Target::Task(task)) => {
                forward(&self.forwarding, task, &found.values, head, body).await
            }
            Some(Target::BuiltIn(path)) => self.built_in.answer(*path).await,
            None if head.method == Method::OPTIONS => Ok(options(allow)),
            None => Err(Refusal::Method),
        };
        Ok(answer.unwrap_or_else(|refusal| refusal.into_response(Some(allow))))
    }
}

fn table(operations: &[Operation], built_in: &[BuiltIn]) -> Table<Target> {
    let own: Vec<(BuiltIn, [Segment; 1])> = built_in
        .iter()
        .map(|path| (*path, [Segment::Literal(path.name().to_owned())]))
        .collect();
    let own = own
        .iter()
        .map(|(path, segments)| (RouteMethod::Get, &segments[..], Target::BuiltIn(*path)));
    let tasks = operations.iter().filter_map(|operation| {
        let route = operation.route.as_ref()?;
        let task = TaskRoute::of(operation)?;
        Some((route.method, route.segments(), Target::Task(Box::new(task))))
    });
    Table::of(own.chain(tasks))
}

fn check_reserved(catalog: &Catalog) -> Result<(), Problems> {
    let problems = catalog.entries().iter().filter_map(|entry| {
        let route = entry.route.as_ref().filter(|route| is_reserved(route))?;
        let problem = Problem::new(format!(
            "the path of the route `{route}` is the gateway's own"
        ));
        let help = "give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`";
        Some(problem.at(entry.meta()).help(help))
    });
    Problems(problems.collect()).check()
}

/// Everything below the console is the console's.
fn is_reserved(route: &Route) -> bool {
    match route.segments() {
        [Segment::Literal(only)] => RESERVED.contains(&only.as_str()),
        [Segment::Literal(first), ..] => first == "_console",
        _ => false,
    }
}

fn check_sizes(head: &Parts) -> Result<(), Refusal> {
    let uri = head
        .uri
        .path_and_query()
        .map_or(0, |uri| uri.as_str().len());
    if uri > URI_MAX {
        return Err(Refusal::UriTooLong { max: URI_MAX });
    }
    if head.headers.len() > HEADERS_MAX {
        return Err(Refusal::HeadersTooLarge {
            max: HEADERS_MAX,
            what: "lines",
        });
    }
    let lines = head.headers.iter();
    let bytes: usize = lines
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > HEADERS_BYTES_MAX {
        return Err(Refusal::HeadersTooLarge {
            max: HEADERS_BYTES_MAX,
            what: "bytes",
        });
    }
    Ok(())
}

/// Two readings of where a message ends, or whom it is for, are how requests are smuggled (RFC 9112 §6.1, §3.2).
fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let is_plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !is_plain || codings.next().is_some() {
            return Err(Refusal::Framing(
                "the only transfer coding taken is chunked, once",
            ));
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(Refusal::Framing(
                "there are both Content-Length and Transfer-Encoding",
            ));
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Refusal::Framing("there is more than one Content-Length"));
    }
    if headers.keys().any(looks_like_framing) {
        return Err(Refusal::Framing(
            "a header is named almost like Content-Length or Transfer-Encoding",
        ));
    }
    check_host(headers)
}

/// Whether somebody on the way may take the header for one that says where the message ends: there are servers that
/// read `_` as `-`.
fn looks_like_framing(name: &HeaderName) -> bool {
    fn letters(name: &HeaderName) -> impl Iterator<Item = u8> {
        name.as_str().bytes().filter(u8::is_ascii_alphanumeric)
    }
    let alike = |framing: &HeaderName| letters(framing).eq(letters(name)) && framing != name;
    alike(&CONTENT_LENGTH) || alike(&TRANSFER_ENCODING)
}

fn check_host(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_authority = |byte: &u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte);
    let is_good = |host: &HeaderValue| host.as_bytes().iter().all(is_authority);
    if !hosts.next().is_none_or(is_good) {
        return Err(Refusal::Bad("the Host is no host and port"));
    }
    if hosts.next().is_some() {
        return Err(Refusal::Bad("there is more than one Host"));
    }
    Ok(())
}

fn options(allow: &HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow.clone());
    response
}

/// The answer to `HEAD`: the length stays, the body does not.
fn without_body(mut response: Response<Bytes>) -> Response<Bytes> {
    let length = response.body().len();
    if response.status() != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Bytes::new();
    response
}

#[cfg(test)]
mod tests;
