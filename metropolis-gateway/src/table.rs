//! Table: from method and path to what answers there.
//!
//! Pure, and built from values. A literal segment beats a parameter, in whatever order the routes came; the cost of a
//! look-up depends on the path, not on the number of routes. What stands behind a route is not this room's concern.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderValue;
use metropolis::route::{Method, Segment};

mod path;

pub(crate) use path::{PathError, canonical};

/// Routes, with what answers each of them.
#[derive(Debug)]
pub(crate) struct Table<T> {
    /// Where in `methods` those of each path are. The nodes of this tree are moved as it grows, so they had better be small.
    paths: matchit::Router<u32>,
    methods: Vec<Methods<T>>,
}

/// What answers at one path, by method.
#[derive(Debug)]
pub(crate) struct Methods<T> {
    targets: [Option<T>; Method::ALL.len()],
}

/// A path that is in the table.
#[derive(Debug)]
pub(crate) struct Found<'t, 'p, T> {
    pub(crate) methods: &'t Methods<T>,
    /// The values of the path's parameters in order, decoded.
    pub(crate) values: Vec<Cow<'p, str>>,
}

impl<T> Table<T> {
    /// A table of routes that differ in more than the names of their parameters, as the catalog's do.
    pub(crate) fn of<'s>(routes: impl IntoIterator<Item = (Method, &'s [Segment], T)>) -> Self {
        let mut by_path: BTreeMap<String, u32> = BTreeMap::new();
        let mut methods: Vec<Methods<T>> = Vec::new();
        for (method, segments, target) in routes {
            let at = *by_path.entry(key(segments)).or_insert_with(|| {
                methods.push(Methods::none());
                (methods.len() - 1) as u32
            });
            methods[at as usize].targets[method as usize] = Some(target);
        }
        let mut paths = matchit::Router::new();
        for (key, at) in by_path {
            paths
                .insert(key, at)
                .expect("whole segments that are literals or parameters never conflict");
        }
        Self { paths, methods }
    }

    /// Finds a path in its [`canonical`] form; `None` when no route has it.
    ///
    /// # Errors
    /// When the value of a parameter is no text.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Result<Option<Found<'_, 'p, T>>, PathError> {
        let Ok(matched) = self.paths.at(path) else {
            return Ok(None);
        };
        let values = matched.params.iter().map(|(_, value)| path::decode(value));
        Ok(Some(Found {
            values: values.collect::<Result<_, _>>()?,
            methods: &self.methods[*matched.value as usize],
        }))
    }
}

impl<T> Methods<T> {
    fn none() -> Self {
        Self {
            targets: [const { None }; Method::ALL.len()],
        }
    }

    /// What answers a method; `HEAD` is `GET` whose body is left out.
    pub(crate) fn get(&self, method: &http::Method) -> Option<&T> {
        let name = match method.as_str() {
            "HEAD" => "GET",
            name => name,
        };
        let method = Method::ALL.iter().find(|known| known.as_str() == name)?;
        self.targets[*method as usize].as_ref()
    }

    /// What answers some method; there is one, or the path would not be in the table.
    pub(crate) fn any(&self) -> Option<&T> {
        self.targets.iter().flatten().next()
    }

    /// The value of the `Allow` header.
    pub(crate) fn allow(&self) -> &'static HeaderValue {
        let bit = |method: &Method| match self.targets[*method as usize] {
            Some(_) => 1 << *method as usize,
            None => 0,
        };
        &ALLOWED[Method::ALL.iter().map(bit).sum::<usize>()]
    }
}

/// The value of the `Allow` header for each set of methods, a bit for each.
static ALLOWED: LazyLock<Vec<HeaderValue>> =
    LazyLock::new(|| (0..1 << Method::ALL.len()).map(allowed).collect());

fn allowed(set: usize) -> HeaderValue {
    let has = |method: &Method| set >> *method as usize & 1 == 1;
    let own = Method::ALL.into_iter().filter(has).map(Method::as_str);
    let head = has(&Method::Get).then_some("HEAD");
    let names: Vec<&str> = own.chain(head).chain(["OPTIONS"]).collect();
    HeaderValue::from_str(&names.join(", ")).expect("names of methods are header text")
}

/// Parameters are named by their position, so that routes may call one place by different names.
fn key(segments: &[Segment]) -> String {
    let mut key = String::new();
    for (at, segment) in segments.iter().enumerate() {
        key.push('/');
        match segment {
            Segment::Literal(literal) => key.push_str(literal),
            Segment::Parameter(_) => key.extend(["{", &at.to_string(), "}"]),
        }
    }
    match key.is_empty() {
        true => "/".to_owned(),
        false => key,
    }
}

#[cfg(test)]
mod tests;
