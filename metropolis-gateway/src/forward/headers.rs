//! Request headers on their way to a task: an allow-list, and what can never be on it.

use http::header::{
    ACCEPT_LANGUAGE, CONNECTION, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
};
use metropolis::trace;
use metropolis::wire::{self, Headers, JSON};

use crate::head::VALUE_MAX;
use crate::status::Refusal;

/// Headers that belong to one connection, or that say how this message is framed or encoded.
const NEVER: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Prefixes that belong to the bus and to the framework.
const NEVER_PREFIXES: &[&str] = &["nats-", "metropolis-"];

/// What tasks see unless the gateway is told otherwise.
pub(crate) fn forwarded_by_default() -> Vec<HeaderName> {
    vec![
        ACCEPT_LANGUAGE,
        IF_MATCH,
        IF_MODIFIED_SINCE,
        IF_NONE_MATCH,
        IF_UNMODIFIED_SINCE,
        HeaderName::from_static("prefer"),
        HeaderName::from_static("x-request-id"),
    ]
}

/// Reads the name of a header that tasks are to see.
///
/// # Errors
/// When it is no name, or of a header that must not travel on.
pub(crate) fn check_forwarded(name: &str) -> Result<HeaderName, String> {
    let header: HeaderName = name
        .parse()
        .map_err(|_| format!("`{name}` is no name of a header"))?;
    let text = header.as_str();
    let reserved = NEVER_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    if reserved || NEVER.contains(&text) {
        return Err(format!("the header `{name}` cannot be forwarded to tasks"));
    }
    if trace::HEADERS.contains(&text) {
        return Err(format!(
            "the header `{name}` goes along by itself where clients are trusted with traces: METROPOLIS_TRUST_TRACE"
        ));
    }
    // The bus is narrower than HTTP, and says so itself.
    Headers::new()
        .append(text, "")
        .map_err(|error| error.to_string())?;
    Ok(header)
}

/// Picks the headers a task sees, in the order of their values.
///
/// # Errors
/// When one of them is too long, or could not travel as a header of the bus.
pub(super) fn for_task(received: &HeaderMap, allowed: &[HeaderName]) -> Result<Headers, Refusal> {
    let mut headers = Headers::new();
    let wanted = received
        .iter()
        .filter(|(name, _)| allowed.contains(name) && !is_hop_by_hop(received, name));
    for (name, value) in wanted {
        if value.len() > VALUE_MAX {
            return Err(Refusal::HeadersTooLarge {
                max: VALUE_MAX,
                what: "bytes in one value",
            });
        }
        let unreadable = || Refusal::Bad("the value of a header is no printable text");
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| unreadable())?;
        headers
            .append(name.as_str(), text)
            .map_err(|_| unreadable())?;
    }
    Ok(headers)
}

/// Says what the payload is; JSON goes without saying.
///
/// # Errors
/// When the media type could not travel as a header of the bus.
pub(super) fn set_media_type(headers: &mut Headers, media_type: &str) -> Result<(), Refusal> {
    if media_type == JSON {
        return Ok(());
    }
    let added = headers.append(wire::CONTENT_TYPE, media_type);
    added.map_err(|_| Refusal::Bad("the Content-Type holds a control character"))
}

/// Whether the client declared the header to be for this connection only.
fn is_hop_by_hop(received: &HeaderMap, name: &HeaderName) -> bool {
    let options = received.get_all(CONNECTION).into_iter();
    options
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|option| {
            option
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_str().as_bytes())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(received: &[(&'static str, &[u8])], expected: Result<&[(&str, &str)], u16>) {
        let received = received.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        let mut map = HeaderMap::new();
        for (name, value) in received {
            map.append(name, value);
        }
        let found = for_task(&map, &forwarded_by_default());
        match (found, expected) {
            (Ok(headers), Ok(expected)) => assert_eq!(headers.iter().collect::<Vec<_>>(), expected),
            (Err(refusal), Err(status)) => {
                assert_eq!(refusal.into_response(None, None).status(), status)
            }
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn only_what_is_allowed_travels() {
        check(
            &[
                ("host", b"a"),
                ("cookie", b"secret"),
                ("authorization", b"secret"),
                ("nats-msg-id", b"1"),
                ("metropolis-timeout-ms", b"1"),
                ("x-request-id", b"7"),
                ("if-match", b"\"a\""),
            ],
            Ok(&[("x-request-id", "7"), ("if-match", "\"a\"")]),
        );
    }

    #[test]
    fn what_connection_names_stays_here() {
        let connection: &[u8] = b"keep-alive, X-Request-Id";
        check(
            &[
                ("connection", connection),
                ("x-request-id", b"7"),
                ("prefer", b"a"),
            ],
            Ok(&[("prefer", "a")]),
        );
    }

    #[test]
    fn values_keep_their_order() {
        check(
            &[("prefer", b"a"), ("prefer", b"b")],
            Ok(&[("prefer", "a"), ("prefer", "b")]),
        );
    }

    #[test]
    fn bad_values_are_refused_only_where_they_would_travel() {
        check(&[("prefer", b"\xFF")], Err(400));
        check(&[("prefer", b"a\tb")], Err(400));
        check(&[("prefer", &[b'a'; VALUE_MAX + 1])], Err(431));
        check(&[("cookie", b"\xFF")], Ok(&[]));
    }

    #[test]
    fn reserved_names_cannot_be_forwarded() {
        for name in [
            "Nats-Msg-Id",
            "metropolis-x",
            "Connection",
            "TE",
            "a b",
            "",
            "x!y",
            "Traceparent",
            "baggage",
        ] {
            assert!(check_forwarded(name).is_err(), "{name}");
        }
        assert_eq!(
            check_forwarded("X-Tenant"),
            Ok(HeaderName::from_static("x-tenant"))
        );
    }
}
