//! Head: what the head of a request is refused for, whatever it asks for: its size, and a second reading of where it ends.

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;

use crate::status::Refusal;

/// The longest path and query together, in bytes.
pub const URI_MAX: usize = 8 * 1024;
/// The largest number of headers of one request.
pub const HEADERS_MAX: usize = 80;
/// The most bytes that names and values of all headers may have.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// The longest value of a header that goes to a task, in bytes.
pub(crate) const VALUE_MAX: usize = 4096;

/// Checks a head.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn check(head: &Parts) -> Result<(), Refusal> {
    let uri = head.uri.path_and_query();
    if uri.is_some_and(|uri| uri.as_str().len() > URI_MAX) {
        return Err(Refusal::UriTooLong { max: URI_MAX });
    }
    check_headers(&head.headers)
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.len() > HEADERS_MAX {
        return Err(Refusal::HeadersTooLarge {
            max: HEADERS_MAX,
            what: "lines",
        });
    }
    let lines = Lines::of(headers);
    lines.check_size()?;
    lines.check_framing()?;
    lines.check_host()
}

/// What is looked for in the lines of a head, all of it in one go: most heads are short, and are looked at for each
/// request.
#[derive(Debug, Default)]
struct Lines<'h> {
    /// Of names and values.
    bytes: usize,
    hosts: usize,
    lengths: usize,
    codings: usize,
    /// The last of each, which is the only one where all is well.
    host: Option<&'h HeaderValue>,
    coding: Option<&'h HeaderValue>,
    /// Whether a name reads almost like one of those that say where a message ends.
    has_likeness: bool,
}

impl<'h> Lines<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let mut lines = Self::default();
        for (name, value) in headers {
            lines.bytes += name.as_str().len() + value.len();
            if name == HOST {
                lines.hosts += 1;
                lines.host = Some(value);
            } else if name == CONTENT_LENGTH {
                lines.lengths += 1;
            } else if name == TRANSFER_ENCODING {
                lines.codings += 1;
                lines.coding = Some(value);
            } else {
                lines.has_likeness |= looks_like_framing(name);
            }
        }
        lines
    }

    fn check_size(&self) -> Result<(), Refusal> {
        if self.bytes > HEADERS_BYTES_MAX {
            return Err(Refusal::HeadersTooLarge {
                max: HEADERS_BYTES_MAX,
                what: "bytes",
            });
        }
        Ok(())
    }

    /// Two readings of where a message ends are how requests are smuggled (RFC 9112 §6.1).
    fn check_framing(&self) -> Result<(), Refusal> {
        if let Some(coding) = self.coding {
            let is_plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
            if !is_plain || self.codings > 1 {
                return Err(Refusal::Framing(
                    "the only transfer coding taken is chunked, once",
                ));
            }
            if self.lengths > 0 {
                return Err(Refusal::Framing(
                    "there are both Content-Length and Transfer-Encoding",
                ));
            }
        }
        if self.lengths > 1 {
            return Err(Refusal::Framing("there is more than one Content-Length"));
        }
        if self.has_likeness {
            return Err(Refusal::Framing(
                "a header is named almost like Content-Length or Transfer-Encoding",
            ));
        }
        Ok(())
    }

    /// Two readings of whom a message is for do as much harm (RFC 9112 §3.2).
    fn check_host(&self) -> Result<(), Refusal> {
        let is_authority = |byte: &u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte);
        let is_good = |host: &HeaderValue| host.as_bytes().iter().all(is_authority);
        if self.hosts > 1 {
            return Err(Refusal::Bad("there is more than one Host"));
        }
        if !self.host.is_none_or(is_good) {
            return Err(Refusal::Bad("the Host is no host and port"));
        }
        Ok(())
    }
}

/// Whether somebody on the way may take the header for one that says where the message ends: there are servers that
/// read `_` as `-`.
fn looks_like_framing(name: &HeaderName) -> bool {
    // The letters of `Content-Length`: most names have fewer, whatever stands between.
    const LETTERS_MIN: usize = 13;
    if name.as_str().len() < LETTERS_MIN {
        return false;
    }
    fn letters(name: &HeaderName) -> impl Iterator<Item = u8> {
        name.as_str().bytes().filter(u8::is_ascii_alphanumeric)
    }
    let alike = |framing: &HeaderName| letters(framing).eq(letters(name));
    alike(&CONTENT_LENGTH) || alike(&TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(lines: &[(&'static str, &'static str)]) -> Result<(), u16> {
        let lines = lines.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        let status = |refusal: Refusal| refusal.into_response(None, None).status().as_u16();
        check_headers(&headers).map_err(status)
    }

    #[test]
    fn what_reads_almost_like_the_end_of_a_message_is_refused() {
        for name in [
            "content_length",
            "content--length",
            "contentlength",
            "transfer_encoding",
            "transfer.encoding",
            "_transfer-encoding",
        ] {
            assert_eq!(framing(&[(name, "5")]), Err(400), "{name}");
        }
        for name in [
            "content-length",
            "x-content-length",
            "content-lengths",
            "te",
        ] {
            assert_eq!(framing(&[(name, "5")]), Ok(()), "{name}");
        }
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(framing(&twice), Err(400));
    }

    #[test]
    fn a_framing_that_is_in_doubt_ends_the_connection() {
        let response = Refusal::Framing("why").into_response(None, None);
        assert_eq!(response.headers()["connection"], "close");
        let response = Refusal::Bad("why").into_response(None, None);
        assert!(!response.headers().contains_key("connection"));
    }

    #[test]
    fn a_host_is_a_host_and_a_port() {
        for host in ["", "a", "a.b:80", "[::1]:80", "a_b", "a-b.", "%C3%A9.x"] {
            assert_eq!(framing(&[("host", host)]), Ok(()), "{host}");
        }
        for host in ["a b", "a/b", "a?b", "a#b", "a@b", "a\\b", "a\tb"] {
            assert_eq!(framing(&[("host", host)]), Err(400), "{host}");
        }
    }
}
