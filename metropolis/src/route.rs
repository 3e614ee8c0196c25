//! Routes: the method and path of a task, derived from its subject or given by `http = "…"`.
//!
//! Pure. Used by the listing of [`routes`](crate::routes()) and by the gateway, which never makes a subject of a path.

use std::fmt;

use crate::subject::{Pattern, Token, is_parameter_name};

/// A route's path may have this many bytes.
pub const PATH_MAX: usize = 1024;

/// The methods a route can have. `HEAD` and `OPTIONS` are answered by the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Safe; the input comes from path and query.
    Get,
    /// The default.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes; the input comes from path and query.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method's name, in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the input may come in the request's body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One segment of a route's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Stands for itself.
    Literal(String),
    /// `{name}`: any one segment, decoded once, the input's property `name`.
    Parameter(String),
}

/// Method and path of a task.
///
/// Invariant: the path starts with `/` and has no empty segment; no parameter is named twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    segments: Vec<Segment>,
}

/// What is wrong with a route that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RouteError(String);

impl Route {
    /// The route of a subject without one of its own: tokens are segments, and a last token that is a method is the
    /// method, `POST` otherwise.
    #[must_use]
    pub fn derive(subject: &Pattern) -> Self {
        let tokens = subject.tokens();
        let (method, path) = match (last_method(tokens), tokens.len()) {
            (Some(method), 2..) => (method, &tokens[..tokens.len() - 1]),
            _ => (Method::Post, tokens),
        };
        Self {
            method,
            segments: path.iter().map(segment_of).collect(),
        }
    }

    /// Reads a route such as `PUT /users/{id}/name`.
    ///
    /// # Errors
    /// Says what the text lacks.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let wrong = |what: &str| RouteError(format!("the route \"{text}\" {what}"));
        let (method, path) = text
            .split_once(' ')
            .ok_or_else(|| wrong("must be a method, a space and a path"))?;
        let method = Method::of(method)
            .ok_or_else(|| wrong("must start with GET, POST, PUT, PATCH or DELETE"))?;
        if path.len() > PATH_MAX {
            return Err(wrong("is too long"));
        }
        let rest = path
            .strip_prefix('/')
            .ok_or_else(|| wrong("must have a path that starts with `/`"))?;
        let segments = parse_segments(rest).ok_or_else(|| {
            wrong("must have segments of `[A-Za-z0-9._~-]+` or `{name}`, one `/` between them and none at the end")
        })?;
        let route = Self { method, segments };
        match route.doubled() {
            Some(name) => Err(wrong(&format!("names `{{{name}}}` twice"))),
            None => Ok(route),
        }
    }

    /// The path, with parameters in braces.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        self.push_path(&mut path, |name| name);
        path
    }

    /// The path's segments; none for `/`.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Method and path with the parameters' names left out: two routes of one shape cannot be told apart.
    #[must_use]
    pub fn shape(&self) -> String {
        let mut shape = format!("{} ", self.method);
        self.push_path(&mut shape, |_| "");
        shape
    }

    /// Adds the path to a text, with what is to stand in the braces of each parameter.
    fn push_path<'s>(&'s self, text: &mut String, in_braces: impl Fn(&'s str) -> &'s str) {
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Parameter(name) => text.extend(["{", in_braces(name), "}"]),
            }
        }
        if self.segments.is_empty() {
            text.push('/');
        }
    }

    fn doubled(&self) -> Option<&str> {
        let names: Vec<&str> = self.parameters().collect();
        (1..names.len())
            .find(|&at| names[..at].contains(&names[at]))
            .map(|at| names[at])
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path())
    }
}

fn last_method(tokens: &[Token]) -> Option<Method> {
    match tokens.last()? {
        Token::Literal(last) => Method::of(&last.to_ascii_uppercase()),
        Token::Parameter(_) => None,
    }
}

fn segment_of(token: &Token) -> Segment {
    match token {
        Token::Literal(literal) => Segment::Literal(literal.clone()),
        Token::Parameter(name) => Segment::Parameter(name.clone()),
    }
}

fn parse_segments(rest: &str) -> Option<Vec<Segment>> {
    if rest.is_empty() {
        return Some(Vec::new());
    }
    rest.split('/').map(parse_segment).collect()
}

/// A literal of dots alone would be taken out of a URL by the client that normalises it.
fn parse_segment(segment: &str) -> Option<Segment> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if segment.bytes().all(unreserved) && !matches!(segment, "" | "." | "..") {
        return Some(Segment::Literal(segment.to_owned()));
    }
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    is_parameter_name(name).then(|| Segment::Parameter(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(subject: &str) -> String {
        Route::derive(&Pattern::parse(subject).expect("a good subject")).to_string()
    }

    #[test]
    fn a_subject_gives_its_route() {
        for (subject, route) in [
            ("foo.bar", "POST /foo/bar"),
            ("foo.bar.get", "GET /foo/bar"),
            ("foo.bar.GET", "GET /foo/bar"),
            ("foo.bar.Delete", "DELETE /foo/bar"),
            ("users.{id}.get", "GET /users/{id}"),
            ("users.{get}", "POST /users/{get}"),
            ("get", "POST /get"),
            ("foo.head", "POST /foo/head"),
        ] {
            assert_eq!(derived(subject), route, "{subject}");
        }
    }

    /// The grammar the macro crate checks too; both read the same list.
    #[test]
    fn routes_are_read_back_as_written_or_refused_as_the_fixture_says() {
        let fixture = include_str!("../../tests/fixtures/routes.txt");
        let lines = fixture
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        for line in lines {
            let (verdict, rest) = line.split_once(' ').expect("a verdict, then the route");
            let text = rest.split("   #").next().unwrap_or_default();
            let text = text.trim_matches('"');
            let read = Route::parse(text).ok().map(|route| route.to_string());
            let expected = (verdict == "ok").then(|| text.to_owned());
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn a_path_has_a_most_length() {
        assert!(Route::parse(&format!("GET /{}", "a".repeat(PATH_MAX - 1))).is_ok());
        assert!(Route::parse(&format!("GET /{}", "a".repeat(PATH_MAX))).is_err());
    }

    #[test]
    fn routes_that_differ_in_parameter_names_alone_have_one_shape() {
        let shape = |text| Route::parse(text).expect("a good route").shape();
        assert_eq!(shape("GET /users/{id}"), shape("GET /users/{name}"));
        assert_ne!(shape("GET /users/{id}"), shape("PUT /users/{id}"));
        assert_ne!(shape("GET /users/{id}"), shape("GET /users/id"));
    }
}
