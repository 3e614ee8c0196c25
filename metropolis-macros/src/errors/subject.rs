//! What can be wrong with a subject or a queue.

use syn::{Error, LitStr};

use super::{error, helped, quoted};

pub(crate) fn empty(subject: &LitStr) -> Error {
    helped(subject, "the subject is empty", r#"subject = "users.get""#)
}

pub(crate) fn too_long(subject: &LitStr, length_max: usize) -> Error {
    let length = subject.value().len();
    error(
        subject,
        format_args!("the subject is {length} bytes long; at most {length_max} fit"),
    )
}

pub(crate) fn empty_token(subject: &LitStr, before: Option<&str>) -> Error {
    let place = before.map_or("at its start".to_owned(), |token| {
        format!("after `{token}`")
    });
    let text = subject.value();
    let tokens: Vec<&str> = text.split('.').filter(|token| !token.is_empty()).collect();
    helped(
        subject,
        format_args!("the subject {} has an empty token {place}", quoted(subject)),
        format_args!("put one dot between tokens: \"{}\"", tokens.join(".")),
    )
}

pub(crate) fn wildcard(subject: &LitStr, token: &str) -> Error {
    helped(
        subject,
        format_args!("the subject {} has the wildcard `{token}`", quoted(subject)),
        "name the token that varies: \"users.{id}.get\"",
    )
}

pub(crate) fn bad_character(subject: &LitStr, wrong: char, token: &str) -> Error {
    helped(
        subject,
        format_args!(
            "the subject {} has `{wrong}` in the token `{token}`",
            quoted(subject)
        ),
        "a token is letters, digits, `_` and `-`, or `{name}`",
    )
}

pub(crate) fn loose_brace(subject: &LitStr, token: &str) -> Error {
    helped(
        subject,
        format_args!(
            "the braces in {} do not enclose the whole token `{token}`",
            quoted(subject)
        ),
        "a parameter is a token of its own: \"users.{id}.get\"",
    )
}

pub(crate) fn bad_parameter(subject: &LitStr, name: &str) -> Error {
    helped(
        subject,
        format_args!(
            "`{{{name}}}` in the subject {} is not named like a field",
            quoted(subject)
        ),
        "a parameter is called after a property of the input: \"users.{user_id}.get\"",
    )
}

pub(crate) fn parameter_twice(subject: &LitStr, token: &str) -> Error {
    helped(
        subject,
        format_args!("the subject {} has `{token}` twice", quoted(subject)),
        "give each parameter a name of its own: \"users.{user_id}.orders.{order_id}\"",
    )
}

pub(crate) fn parameter_first(subject: &LitStr, token: &str) -> Error {
    helped(
        subject,
        format_args!(
            "the subject {} starts with the parameter `{token}`",
            quoted(subject)
        ),
        format_args!("start with a word of your own: \"users.{token}\""),
    )
}

pub(crate) fn reserved(subject: &LitStr, token: &str) -> Error {
    helped(
        subject,
        format_args!(
            "the subject {} starts with `{token}`, which is reserved",
            quoted(subject)
        ),
        "start with a word of your own, not with `$`, `_INBOX`, `_R_` or `metropolis`",
    )
}

pub(crate) fn empty_queue(queue: &LitStr) -> Error {
    helped(queue, "the queue is empty", r#"queue = "worker""#)
}

pub(crate) fn long_queue(queue: &LitStr, length_max: usize) -> Error {
    let length = queue.value().len();
    error(
        queue,
        format_args!("the queue is {length} bytes long; at most {length_max} fit"),
    )
}

pub(crate) fn bad_queue(queue: &LitStr, wrong: char) -> Error {
    helped(
        queue,
        format_args!("the queue {} has `{wrong}` in it", quoted(queue)),
        "a queue is letters, digits, `_` and `-`",
    )
}
