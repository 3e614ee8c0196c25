//! Attempt: a request somebody typed into the console. It goes the way of every public request, and what came of it is
//! told as a value, so that also a fault is a result.
//!
//! A browser sends requests for every page that is open in it, so where one comes from is checked: nothing is done for
//! a page that is not the console's.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use serde::{Deserialize, Serialize};

use crate::forward;
use crate::status::Refusal;

/// No page but the gateway's own can send it: a browser asks first, and the gateway does not say yes.
const MARK: HeaderName = HeaderName::from_static("metropolis-console");

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The most bytes one request of the console may have. Larger bodies are for other clients.
const REQUEST_MAX: usize = 2 * 1024 * 1024;

/// The most bytes of an answer that are shown.
const SHOWN_MAX: usize = 256 * 1024;

/// A request as it was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempt {
    method: String,
    /// With its query.
    path: String,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    body: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
struct Outcome<'a> {
    status: u16,
    took_ms: f64,
    headers: Vec<(&'a str, String)>,
    /// `null` when it is no text.
    body: Option<&'a str>,
    bytes: usize,
    /// Whether `body` is only the beginning.
    is_cut: bool,
}

impl Attempt {
    /// Reads what the page sends.
    ///
    /// # Errors
    /// When it is no request.
    pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Self, Refusal> {
        let text = forward::whole(body, REQUEST_MAX).await?;
        serde_json::from_slice(&text).map_err(|_| Refusal::Bad("this is no request to be tried"))
    }

    /// The request, as any client would send it.
    ///
    /// # Errors
    /// When method, path or media type are no such thing.
    pub(crate) fn request(self) -> Result<(Parts, Full<Bytes>), Refusal> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.path.as_str())
            .header(HOST, "console")
            .header(ACCEPT, "*/*");
        if let Some(media_type) = &self.media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        let body = Full::new(Bytes::from(self.body.unwrap_or_default()));
        let request = request.body(body);
        let request = request.map_err(|_| Refusal::Bad("this is no HTTP request"))?;
        if !request.uri().path().starts_with('/') || request.uri().authority().is_some() {
            return Err(Refusal::Bad("the path must begin with `/`"));
        }
        Ok(request.into_parts())
    }
}

/// Tells what came of a request.
pub(crate) fn outcome(response: &Response<Bytes>, took: Duration) -> Response<Bytes> {
    let body = response.body();
    let shown = &body[..body.len().min(SHOWN_MAX)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // A character may have been cut in two.
        Err(error) if error.error_len().is_none() && shown.len() < body.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let headers = response.headers().iter();
    let outcome = Outcome {
        status: response.status().as_u16(),
        took_ms: took.as_secs_f64() * 1e3,
        headers: headers
            .map(|(name, value)| {
                (
                    name.as_str(),
                    String::from_utf8_lossy(value.as_bytes()).into(),
                )
            })
            .collect(),
        body: text,
        bytes: body.len(),
        is_cut: shown.len() < body.len(),
    };
    let json = serde_json::to_vec(&outcome).expect("texts and numbers have a JSON form");
    super::private(json.into())
}

/// Checks that a request comes from the console's page, on this gateway.
///
/// The page must have been opened by an address or as `localhost`: a name can be made to point here by whoever owns it,
/// and his page would then count as this gateway's own (DNS rebinding).
///
/// # Errors
/// When it comes from elsewhere, or that is not certain.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(MARK) {
        return Err(Refusal::Forbidden(
            "the header Metropolis-Console is missing",
        ));
    }
    let is_same = |site: &HeaderValue| site == "same-origin";
    if !headers.get(FETCH_SITE).is_none_or(is_same) {
        return Err(Refusal::Forbidden("the request comes from another site"));
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let host = host.ok_or(Refusal::Forbidden("the Host is missing"))?;
    if let Some(origin) = headers.get(ORIGIN)
        && !is_origin_of(origin, &host)
    {
        return Err(Refusal::Forbidden("the request comes from another origin"));
    }
    if !is_address(host.host()) {
        return Err(Refusal::Forbidden(
            "requests can be tried where the console was opened by an address or as localhost",
        ));
    }
    Ok(())
}

fn is_origin_of(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
