//! A task's value as an HTTP response.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use metropolis::context::REPLY_HEADERS;
use metropolis::wire::{self, Headers, JSON, Success};
use serde::de::IgnoredAny;

use super::TaskRoute;
use crate::flood::may_log;
use crate::status::Refusal;

/// Makes the response.
///
/// # Errors
/// When the worker did not send what the task promises.
pub(super) fn of(task: &TaskRoute, success: Success) -> Result<Response<Bytes>, Refusal> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = task.status;
    copy_headers(&success.headers, &mut response);
    if has_no_body(task.status) || task.returns_nothing() {
        return Ok(response);
    }
    let media_type = match &task.operation.contract().output {
        Some(_) => json(&success.payload)?,
        None => raw(&success.headers, &success.payload),
    };
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    *response.body_mut() = success.payload;
    Ok(response)
}

/// Whether a client takes JSON; one that does not say takes anything.
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    let ranges = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.split(',').any(takes_json)
    };
    values.peek().is_none() || values.any(|value| value == "*/*" || ranges(value))
}

/// Whether a range such as `application/*;q=0.8` takes JSON. A quality of zero means the contrary.
fn takes_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_json = matches!(
        parts.next(),
        Some("*/*" | "application/*" | "application/json")
    );
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    let is_wanted = quality.is_none_or(|quality| quality.parse() != Ok(0.0));
    is_json && is_wanted
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}

/// A worker in another language may answer anything. Checking takes a fraction of what the call took, and no nesting is
/// too deep for it: nothing is built.
fn json(payload: &[u8]) -> Result<HeaderValue, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|_| Refusal::BadAnswer("it is not UTF-8"))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Refusal::BadAnswer("it is not JSON"))?;
    Ok(HeaderValue::from_static(JSON))
}

/// A reply that names no media type is JSON, unless somebody answers whatever they like.
fn raw(headers: &Headers, payload: &[u8]) -> HeaderValue {
    let given = headers.get(wire::CONTENT_TYPE);
    let media_type = given.or_else(|| json(payload).is_ok().then_some(JSON));
    let media_type = media_type.unwrap_or_default();
    let value = is_media_type(media_type).then(|| HeaderValue::from_str(media_type).ok());
    value
        .flatten()
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Whether a text is `type/subtype`, perhaps with parameters (RFC 9110 §8.3.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(good)
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let parts = essence.split_once('/');
    text.is_ascii() && parts.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Copies the headers a task may set, as far as HTTP can carry them.
fn copy_headers(headers: &Headers, response: &mut Response<Bytes>) {
    for (name, value) in headers.iter() {
        let Some(name) = REPLY_HEADERS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
        else {
            continue;
        };
        match HeaderValue::from_str(value) {
            Ok(value) => {
                let name = HeaderName::from_static(name);
                response.headers_mut().append(name, value);
            }
            Err(_) => {
                if may_log(name) {
                    tracing::warn!(header = *name, "a reply header cannot be passed on");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_rule_json_out() {
        for (accept, expected) in [
            ("*/*", true),
            ("text/html, application/xml;q=0.9, */*;q=0.8", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/*", true),
            ("text/html", false),
            ("application/json;q=0", false),
            ("application/json; q=0.0, text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(accepts_json(&headers), expected, "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn only_json_counts_as_json() {
        for good in ["{}", "null", " [1, 2] ", "\"é\""] {
            assert!(json(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            &b""[..],
            b"{",
            b"{} {}",
            b"hello",
            b"\"\xFF\"",
            b"[1,]",
            b"NaN",
        ] {
            assert!(json(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn deep_nesting_does_no_harm() {
        let depth = 500_000;
        assert!(json(&[b"[".repeat(depth), b"]".repeat(depth)].concat()).is_ok());
        assert!(json(&b"[".repeat(depth)).is_err());
    }

    #[test]
    fn bytes_have_a_media_type_that_is_one() {
        for (media_type, expected) in [
            ("image/png", "image/png"),
            ("text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("application/vnd.a+b", "application/vnd.a+b"),
            ("é", "application/octet-stream"),
            ("text", "application/octet-stream"),
            ("/", "application/octet-stream"),
            ("a b/c", "application/octet-stream"),
            ("text/html; x=é", "application/octet-stream"),
        ] {
            let mut headers = Headers::new();
            let added = headers.append(wire::CONTENT_TYPE, media_type);
            added.expect("good for the bus");
            assert_eq!(raw(&headers, b"x"), expected, "{media_type}");
        }
    }

    #[test]
    fn only_headers_a_task_may_set_are_passed_on() {
        let mut headers = Headers::new();
        for (name, value) in [
            ("location", "/a"),
            ("ETag", "\"1\""),
            ("link", "é"),
            ("set-cookie", "a"),
            ("nats-x", "b"),
        ] {
            headers.append(name, value).expect("good for the bus");
        }
        let mut response = Response::new(Bytes::new());
        copy_headers(&headers, &mut response);
        let mut names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["etag", "link", "location"]);
    }
}
