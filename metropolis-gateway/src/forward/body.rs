//! The body of a request: which kind it is, and reading it within its limits.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

use crate::status::Refusal;

/// How long a whole body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const JSON_OR_FORM: &str = "application/json, application/x-www-form-urlencoded";

/// A body that was read: it is the payload or a part of it, or it is form fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) body: Bytes,
    /// Still encoded.
    pub(super) form: String,
}

/// What a body is, by its media type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Json,
    Form,
    /// Bytes of this media type, for a task that takes any.
    Raw(String),
}

impl Kind {
    /// A body that does not say what it is counts as JSON, or as mere bytes for a task that takes any.
    pub(super) fn of(
        headers: &HeaderMap,
        method: &Method,
        takes_raw: bool,
    ) -> Result<Self, Refusal> {
        check_coding(headers)?;
        let media_type = media_type(headers)?;
        if takes_raw {
            let media_type = media_type.unwrap_or("application/octet-stream");
            return Ok(Self::Raw(media_type.to_owned()));
        }
        match media_type.map(essence).as_deref() {
            None | Some("application/json") => Ok(Self::Json),
            Some("application/x-www-form-urlencoded") => Ok(Self::Form),
            Some(other) if other.starts_with("application/") && other.ends_with("+json") => {
                Ok(Self::Json)
            }
            Some(_) => Err(Refusal::MediaType {
                header: accept_header(method),
                types: JSON_OR_FORM,
            }),
        }
    }
}

fn media_type(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Refusal::Bad("there is more than one Content-Type"));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| Refusal::Bad("the Content-Type is no printable text"))
}

/// The media type without its parameters, in lower case.
fn essence(media_type: &str) -> Cow<'_, str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(essence.to_ascii_lowercase()),
        false => Cow::Borrowed(essence),
    }
}

/// Compressed bodies are not taken: their size would be unknown until they were read.
fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(Refusal::MediaType {
        header: ACCEPT_ENCODING,
        types: "identity",
    })
}

/// Where a client of this method looks for the media types it may send (RFC 5789, Linked Data Platform, RFC 9110).
fn accept_header(method: &Method) -> HeaderName {
    match method.as_str() {
        "POST" => HeaderName::from_static("accept-post"),
        "PATCH" => HeaderName::from_static("accept-patch"),
        _ => ACCEPT,
    }
}

/// Reads the whole body. One that arrived in a piece is not copied.
///
/// # Errors
/// When it is, or says it is, larger than `max`, when it takes too long, or when the client leaves.
pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
    kind: Kind,
    body: &mut B,
    max: usize,
) -> Result<Content, Refusal> {
    if kind == Kind::Nothing {
        return Ok(Content::default());
    }
    let body = whole(body, max).await?;
    if kind != Kind::Form {
        let form = String::new();
        return Ok(Content { body, form });
    }
    let form = String::from_utf8(body.into()).map_err(|_| Refusal::Bad("the form is not UTF-8"))?;
    let body = Bytes::new();
    Ok(Content { body, form })
}

/// Reads all bytes of a body, whatever they are.
///
/// # Errors
/// As [`read`].
pub(crate) async fn whole<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    max: usize,
) -> Result<Bytes, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max {
        return Err(Refusal::BodyTooLarge { max });
    }
    let mut all = pin!(pieces(body, max));
    // Most bodies have come with their heads, and need no timer.
    let now = poll_fn(|context| Poll::Ready(all.as_mut().poll(context))).await;
    if let Poll::Ready(all) = now {
        return all;
    }
    let all = timeout(BODY_TIMEOUT, all).await;
    all.unwrap_or(Err(Refusal::BodyTimeout))
}

async fn pieces<B: Body<Data = Bytes> + Unpin>(body: &mut B, max: usize) -> Result<Bytes, Refusal> {
    let first = piece(body).await?.unwrap_or_default();
    if first.len() > max {
        return Err(Refusal::BodyTooLarge { max });
    }
    let Some(second) = piece(body).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece_read) = next {
        if whole.len() + piece_read.len() > max {
            return Err(Refusal::BodyTooLarge { max });
        }
        whole.extend_from_slice(&piece_read);
        next = piece(body).await?;
    }
    Ok(whole.freeze())
}

/// The next data of a body, trailers left out.
async fn piece<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Bad("the body ended before it was complete"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http::HeaderValue;
    use hyper::body::Frame;

    use super::*;

    fn check(media_type: Option<&'static str>, raw: bool, expected: Result<Kind, u16>) {
        let mut headers = HeaderMap::new();
        if let Some(media_type) = media_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        let kind = Kind::of(&headers, &Method::POST, raw);
        let kind = kind.map_err(|refusal| refusal.into_response(None, None).status().as_u16());
        assert_eq!(kind, expected, "{media_type:?}");
    }

    #[test]
    fn the_media_type_says_what_a_body_is() {
        check(None, false, Ok(Kind::Json));
        check(Some("application/json"), false, Ok(Kind::Json));
        check(
            Some("Application/JSON; charset=utf-8"),
            false,
            Ok(Kind::Json),
        );
        check(Some("application/merge-patch+json"), false, Ok(Kind::Json));
        check(
            Some("application/x-www-form-urlencoded"),
            false,
            Ok(Kind::Form),
        );
        check(Some("text/plain"), false, Err(415));
        check(Some("application/jsonx"), false, Err(415));
        check(Some(""), false, Err(415));
    }

    #[test]
    fn a_task_that_takes_bytes_takes_any_media_type() {
        check(
            None,
            true,
            Ok(Kind::Raw("application/octet-stream".to_owned())),
        );
        check(
            Some("image/png"),
            true,
            Ok(Kind::Raw("image/png".to_owned())),
        );
    }

    #[test]
    fn a_compressed_body_is_refused_and_says_what_is_taken() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let refusal = Kind::of(&headers, &Method::POST, true).expect_err("gzip");
        let response = refusal.into_response(None, None);
        assert_eq!(response.status(), 415);
        assert_eq!(response.headers()[ACCEPT_ENCODING], "identity");
    }

    /// A body whose client has stopped sending.
    struct Stalled;

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let refusal = read(Kind::Json, &mut Stalled, 1)
            .await
            .expect_err("no body");
        assert_eq!(refusal.into_response(None, None).status(), 408);
    }
}
