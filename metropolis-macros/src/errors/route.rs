//! What can be wrong with a route.

use syn::{Error, LitStr};

use super::{error, helped, quoted};

pub(crate) fn no_method(route: &LitStr) -> Error {
    let help = format!("http = \"GET {}\"", route.value());
    helped(
        route,
        format_args!("the route {} has no method", quoted(route)),
        help,
    )
}

pub(crate) fn no_path(route: &LitStr) -> Error {
    helped(
        route,
        format_args!("the route {} has no path", quoted(route)),
        r#"http = "GET /users/{id}", or http = "none" for no route"#,
    )
}

pub(crate) fn small_method(route: &LitStr, method: &str) -> Error {
    let capitals = method.to_ascii_uppercase();
    let help = format!("http = {:?}", route.value().replacen(method, &capitals, 1));
    helped(
        route,
        format_args!("the method `{method}` is not in capitals"),
        help,
    )
}

pub(crate) fn unknown_method(route: &LitStr, method: &str) -> Error {
    helped(
        route,
        format_args!("`{method}` is not a method a route can have"),
        "one of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, then a space and the path",
    )
}

pub(crate) fn no_slash(route: &LitStr, path: &str) -> Error {
    helped(
        route,
        format_args!("the path `{path}` does not start with `/`"),
        format_args!("write `/{path}`"),
    )
}

pub(crate) fn slash_at_the_end(route: &LitStr) -> Error {
    let help = format!("http = {:?}", route.value().trim_end_matches('/'));
    helped(
        route,
        format_args!("the route {} ends with `/`", quoted(route)),
        help,
    )
}

pub(crate) fn empty_segment(route: &LitStr) -> Error {
    helped(
        route,
        format_args!("the route {} has an empty segment", quoted(route)),
        "put one `/` between segments: \"/users/{id}\"",
    )
}

pub(crate) fn too_long(route: &LitStr, length_max: usize) -> Error {
    error(
        route,
        format_args!("the path of the route is longer than {length_max} bytes"),
    )
}

pub(crate) fn dots(route: &LitStr, segment: &str) -> Error {
    helped(
        route,
        format_args!("the route {} has the segment `{segment}`", quoted(route)),
        "write the path that is meant; clients take dots out of a URL before they send it",
    )
}

pub(crate) fn bad_character(route: &LitStr, wrong: char, segment: &str) -> Error {
    helped(
        route,
        format_args!(
            "the route {} has `{wrong}` in the segment `{segment}`",
            quoted(route)
        ),
        "a segment is letters, digits, `.`, `_`, `~` and `-`, or `{name}`",
    )
}

pub(crate) fn loose_brace(route: &LitStr, segment: &str) -> Error {
    helped(
        route,
        format_args!(
            "the braces in {} do not enclose the whole segment `{segment}`",
            quoted(route)
        ),
        "a parameter is a segment of its own: \"/users/{id}\"",
    )
}

pub(crate) fn bad_parameter(route: &LitStr, name: &str) -> Error {
    helped(
        route,
        format_args!(
            "`{{{name}}}` in the route {} is not named like a field",
            quoted(route)
        ),
        "a parameter is called after a property of the input: \"/users/{user_id}\"",
    )
}

pub(crate) fn parameter_twice(route: &LitStr, segment: &str) -> Error {
    helped(
        route,
        format_args!("the route {} has `{segment}` twice", quoted(route)),
        "give each parameter a name of its own: \"/users/{user_id}/orders/{order_id}\"",
    )
}
