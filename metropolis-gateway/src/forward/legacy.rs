//! The wire format of the Python `metropolis`: every value of the input in a list, the reply `{"code":200,"data":…}`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use metropolis::input::{InputError, Text};
use metropolis::wire::JSON;
use metropolis::{CallError, Fault};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::flood::may_log;
use crate::status::Refusal;

/// The input of texts and a body: `?data=a&data=b` is `{"data":["a","b"]}`. A body is the JSON object they join.
pub(super) fn payload(texts: &[Text<'_>], body: &Bytes) -> Result<Bytes, Refusal> {
    if texts.is_empty() && !body.is_empty() {
        return Ok(body.clone());
    }
    let mut input = Map::new();
    if !body.is_empty() {
        input = serde_json::from_slice(body).map_err(|_| not_an_object())?;
    }
    for text in texts {
        let values = input
            .entry(text.name)
            .or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(values) = values else {
            return Err(Refusal::Bad("a value comes from two places"));
        };
        values.push(text.value.into());
    }
    Ok(Bytes::from(Value::Object(input).to_string()))
}

fn not_an_object() -> InputError {
    InputError {
        pointer: String::new(),
        message: "the body is not a JSON object".to_owned(),
    }
}

/// A reply.
#[derive(Deserialize)]
struct Wrapped<'b> {
    code: u16,
    #[serde(borrow, default)]
    data: Option<&'b RawValue>,
}

/// What a client gets: the data, with the code as the status.
///
/// # Errors
/// When it is no such reply. Of 500 and above the data is the text of an exception, which is logged and not passed on.
pub(super) fn answer(payload: &[u8]) -> Result<Response<Bytes>, Refusal> {
    let wrapped: Wrapped<'_> = serde_json::from_slice(payload)
        .map_err(|_| Refusal::BadAnswer("it is not `{\"code\":…,\"data\":…}`"))?;
    let data = wrapped.data.map_or("null", RawValue::get);
    let status = match wrapped.code {
        200..=299 | 400..=406 | 408..=499 => StatusCode::from_u16(wrapped.code).ok(),
        code @ 500..=599 => {
            let text: String = data.chars().take(TEXT_MAX).collect();
            if may_log("a responder failed") {
                tracing::warn!(code, text, "a responder failed");
            }
            let fault = Fault::new(code, metropolis::fault::INTERNAL, "internal error");
            return Err(Refusal::Call(CallError::Fault(fault)));
        }
        _ => None,
    };
    let status = status.ok_or(Refusal::BadAnswer("its code is no status of an answer"))?;
    let mut response = Response::new(Bytes::copy_from_slice(data.as_bytes()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(response)
}

/// So much of an exception's text is logged, in characters.
const TEXT_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use metropolis::input::Place;

    use super::*;

    #[test]
    fn texts_become_lists() {
        let text = |name, value| Text {
            name,
            value,
            place: Place::Query,
        };
        let payload = |texts: &[Text<'_>], body: &'static str| {
            payload(texts, &Bytes::from_static(body.as_bytes()))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .ok()
        };
        assert_eq!(
            payload(&[text("data", "asdf")], "").as_deref(),
            Some(r#"{"data":["asdf"]}"#)
        );
        assert_eq!(
            payload(&[text("a", "1"), text("b", ""), text("a", "2")], "").as_deref(),
            Some(r#"{"a":["1","2"],"b":[""]}"#)
        );
        assert_eq!(payload(&[], "").as_deref(), Some("{}"));
        assert_eq!(payload(&[], r#"{"x": 1}"#).as_deref(), Some(r#"{"x": 1}"#));
        assert_eq!(
            payload(&[text("a", "1")], r#"{"x":1}"#).as_deref(),
            Some(r#"{"a":["1"],"x":1}"#)
        );
        assert_eq!(payload(&[text("x", "1")], r#"{"x":1}"#), None);
        assert_eq!(payload(&[text("x", "1")], "[]"), None);
    }

    #[test]
    fn the_code_is_the_status_and_the_data_the_body() {
        let check = |reply: &str, expected: Option<(u16, &str)>| {
            let answer = answer(reply.as_bytes()).ok();
            let answer = answer.map(|it| {
                (
                    it.status().as_u16(),
                    String::from_utf8_lossy(it.body()).into_owned(),
                )
            });
            assert_eq!(
                answer,
                expected.map(|(status, body)| (status, body.to_owned())),
                "{reply}"
            );
        };
        check(r#"{"code":200,"data":"fdsa"}"#, Some((200, "\"fdsa\"")));
        check(
            r#"{"code": 201, "data": {"a": 1.50}}"#,
            Some((201, "{\"a\": 1.50}")),
        );
        check(r#"{"code":404,"data":"no"}"#, Some((404, "\"no\"")));
        check(r#"{"code":200}"#, Some((200, "null")));
        for reply in [
            "",
            "1",
            "{}",
            r#"{"code":500,"data":"boom"}"#,
            r#"{"code":100,"data":1}"#,
            r#"{"code":407}"#,
            r#"{"code":-1}"#,
            r#"{"code":99999}"#,
        ] {
            check(reply, None);
        }
    }
}
