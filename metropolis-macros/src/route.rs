//! The grammar of `http = "METHOD /path/{param}"`, for good messages only; the runtime stays the authority.
//! `tests/fixtures/routes.txt` holds what both accept and refuse.

use syn::LitStr;

use crate::errors::route as refuse;
use crate::subject::{is_name, parameter};

/// The most bytes a path may have.
const LENGTH_MAX: usize = 1024;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A method and a path, or `"none"`.
pub(crate) fn check(route: &LitStr) -> syn::Result<()> {
    let text = route.value();
    if text == "none" {
        return Ok(());
    }
    let (method, path) = match text.split_once(' ') {
        Some(halves) => halves,
        None if text.starts_with('/') => return Err(refuse::no_method(route)),
        None => return Err(refuse::no_path(route)),
    };
    check_method(route, method)?;
    check_path(route, path)
}

fn check_method(route: &LitStr, method: &str) -> syn::Result<()> {
    let capitals = method.to_ascii_uppercase();
    match METHODS.contains(&capitals.as_str()) {
        true if method == capitals => Ok(()),
        true => Err(refuse::small_method(route, method)),
        false => Err(refuse::unknown_method(route, method)),
    }
}

fn check_path(route: &LitStr, path: &str) -> syn::Result<()> {
    if path.len() > LENGTH_MAX {
        return Err(refuse::too_long(route, LENGTH_MAX));
    }
    let Some(path) = path.strip_prefix('/') else {
        return Err(refuse::no_slash(route, path));
    };
    if path.is_empty() {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(refuse::slash_at_the_end(route));
    }
    let segments: Vec<&str> = path.split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        check_segment(route, &segments[..at], segment)?;
    }
    Ok(())
}

fn check_segment(route: &LitStr, before: &[&str], segment: &str) -> syn::Result<()> {
    match parameter(segment) {
        Some(_) if before.contains(&segment) => Err(refuse::parameter_twice(route, segment)),
        Some(name) if is_name(name) => Ok(()),
        Some(name) => Err(refuse::bad_parameter(route, name)),
        None if segment.is_empty() => Err(refuse::empty_segment(route)),
        None if matches!(segment, "." | "..") => Err(refuse::dots(route, segment)),
        None => check_literal(route, segment),
    }
}

fn check_literal(route: &LitStr, segment: &str) -> syn::Result<()> {
    match segment.chars().find(|c| !is_unreserved(*c)) {
        None => Ok(()),
        Some('{' | '}') => Err(refuse::loose_brace(route, segment)),
        Some(wrong) => Err(refuse::bad_character(route, wrong, segment)),
    }
}

/// The characters that RFC 3986 never encodes.
fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
}
