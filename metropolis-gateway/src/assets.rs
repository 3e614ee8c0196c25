//! Assets: the files of the gateway's own pages, held in the program, and how they are served.
//!
//! Nothing is fetched from anywhere, when it is built or when it runs, and the policy sent with each page lets a browser
//! ask this gateway alone. What the pages show comes from other rooms.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

/// Nothing but files of this gateway, no script or style inside of a page, and in no frame. Pictures may be part of a
/// style sheet, as the viewer's are.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Its path, by segments.
    pub(crate) path: &'static [&'static str],
    media_type: &'static str,
    content: Content,
}

/// The bytes of a file, and how long a browser may keep them.
#[derive(Debug)]
enum Content {
    /// The next release may have others, so the browser asks each time and is mostly told that nothing has changed.
    Ours(&'static [u8]),
    /// As published, packed; the path names the release, so it never changes.
    Vendored { gzip: &'static [u8] },
}

macro_rules! ours {
    ([$($segment:literal),+], $media_type:expr, $file:literal) => {
        Asset {
            path: &[$($segment),+],
            media_type: $media_type,
            content: Content::Ours(include_bytes!(concat!("../assets/", $file))),
        }
    };
}

macro_rules! vendored {
    ([$($segment:literal),+], $media_type:expr, $file:literal) => {
        Asset {
            path: &[$($segment),+],
            media_type: $media_type,
            content: Content::Vendored { gzip: include_bytes!(concat!("../assets/", $file)) },
        }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page about the routes. Where its parts are from: `assets/docs/README.md`.
pub(crate) static DOCS: &[Asset] = &[
    ours!(["docs"], HTML, "docs/index.html"),
    ours!(["_docs", "docs.js"], SCRIPT, "docs/docs.js"),
    ours!(["_docs", "docs.css"], CSS, "docs/docs.css"),
    ours!(["_docs", "icon.svg"], SVG, "icon.svg"),
    vendored!(
        ["_docs", "swagger-ui-5.35.0", "swagger-ui-bundle.js"],
        SCRIPT,
        "docs/swagger-ui-bundle.js.gz"
    ),
    vendored!(
        ["_docs", "swagger-ui-5.35.0", "swagger-ui.css"],
        CSS,
        "docs/swagger-ui.css.gz"
    ),
    ours!(
        [
            "_docs",
            "swagger-ui-5.35.0",
            "swagger-ui-bundle.js.LICENSE.txt"
        ],
        TEXT,
        "docs/swagger-ui-bundle.js.LICENSE.txt"
    ),
];

/// The page about what runs. What it asks for is `console`'s to answer.
pub(crate) static CONSOLE: &[Asset] = &[
    ours!(["_console"], HTML, "console/index.html"),
    ours!(["_console", "icon.svg"], SVG, "icon.svg"),
    ours!(["_console", "console.css"], CSS, "console/console.css"),
    ours!(["_console", "attempt.js"], SCRIPT, "console/attempt.js"),
    ours!(["_console", "console.js"], SCRIPT, "console/console.js"),
    ours!(["_console", "dom.js"], SCRIPT, "console/dom.js"),
    ours!(["_console", "frames.js"], SCRIPT, "console/frames.js"),
    ours!(["_console", "json.js"], SCRIPT, "console/json.js"),
    ours!(["_console", "layout.js"], SCRIPT, "console/layout.js"),
    ours!(["_console", "map.js"], SCRIPT, "console/map.js"),
    ours!(["_console", "marks.js"], SCRIPT, "console/marks.js"),
    ours!(["_console", "promise.js"], SCRIPT, "console/promise.js"),
    ours!(["_console", "prose.js"], SCRIPT, "console/prose.js"),
    ours!(
        ["_console", "quarantine.js"],
        SCRIPT,
        "console/quarantine.js"
    ),
    ours!(["_console", "schema.js"], SCRIPT, "console/schema.js"),
    ours!(["_console", "services.js"], SCRIPT, "console/services.js"),
    ours!(["_console", "spark.js"], SCRIPT, "console/spark.js"),
    ours!(["_console", "task.js"], SCRIPT, "console/task.js"),
    ours!(["_console", "tasks.js"], SCRIPT, "console/tasks.js"),
    ours!(["_console", "words.js"], SCRIPT, "console/words.js"),
];

impl Asset {
    /// Answers a request for this file.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response<Bytes> {
        let is_packed = self.is_packed() && takes_gzip(asked);
        let tag = self.tag(is_packed);
        let is_known = knows(asked, &tag);
        let body = match is_known {
            true => Bytes::new(),
            false => self.body(is_packed),
        };
        let mut response = Response::new(body);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        self.describe(response.headers_mut(), is_packed);
        response.headers_mut().insert(ETAG, tag);
        response
    }

    fn is_packed(&self) -> bool {
        matches!(self.content, Content::Vendored { .. })
    }

    fn describe(&self, headers: &mut HeaderMap, is_packed: bool) {
        let caching = match self.content {
            Content::Ours(_) => "no-cache",
            Content::Vendored { .. } => "public, max-age=31536000, immutable",
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let same_origin = HeaderValue::from_static("same-origin");
        headers.insert(OPENER_POLICY, same_origin);
        if self.is_packed() {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if is_packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        keep_to_itself(headers);
    }

    /// The bytes, unpacked for whoever does not take them packed.
    fn body(&self, is_packed: bool) -> Bytes {
        match self.content {
            Content::Ours(bytes) => Bytes::from_static(bytes),
            Content::Vendored { gzip } if is_packed => Bytes::from_static(gzip),
            Content::Vendored { gzip } => unpacked(gzip),
        }
    }

    fn tag(&self, is_packed: bool) -> HeaderValue {
        let (Content::Ours(bytes) | Content::Vendored { gzip: bytes }) = self.content;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let packed = if is_packed { "-gzip" } else { "" };
        let tag = format!("\"{:016x}{packed}\"", hasher.finish());
        HeaderValue::from_str(&tag).expect("digits and letters are header text")
    }
}

/// For what only the gateway's own pages are to read, whatever they are loaded by.
pub(crate) fn keep_to_itself(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}

fn unpacked(gzip: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    GzDecoder::new(gzip)
        .read_to_end(&mut bytes)
        .expect("the file is a part of this program, and a test unpacks it");
    bytes.into()
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    members(asked, &ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=");
        name.trim() == "gzip" && weight.and_then(|q| q.parse().ok()) != Some(0.0)
    })
}

/// Whether the client has the file already (RFC 9110 §13.1.2).
fn knows(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let mut known = members(asked, &IF_NONE_MATCH).map(|tag| tag.trim_start_matches("W/"));
    known.any(|known| known == "*" || known.as_bytes() == tag.as_bytes())
}

/// The members of a list, over all lines of the header.
fn members<'h>(asked: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = asked.get_all(name).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests;
