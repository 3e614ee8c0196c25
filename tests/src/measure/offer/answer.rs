//! As much of an HTTP answer as a load has to know: where it ends, what it is, and whether it says when to come back.

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    pub(super) has_retry_after: bool,
    pub(super) body: &'b [u8],
}

impl<'b> Answer<'b> {
    /// Reads an answer, once it is there to its end. Knows lengths and no codings, as the contenders send them.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Self> {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
        let mut lines = bytes[..head].split(|byte| *byte == b'\n');
        let status = number(lines.next()?.get(9..12)?)?;
        let (mut length, mut has_retry_after) = (0, false);
        for line in lines {
            if let Some(value) = value(line, b"content-length:") {
                length = number(value)?;
            }
            has_retry_after |= value(line, b"retry-after:").is_some();
        }
        Some(Self {
            status: u16::try_from(status).ok()?,
            has_retry_after,
            body: bytes.get(head + 4..)?.get(..length)?,
        })
    }

    /// The code of a problem, which says why; nothing where the answer is none.
    pub(super) fn code(&self) -> &'b str {
        const KEY: &[u8] = br#""code":""#;
        let mut keys = self.body.windows(KEY.len());
        let code = keys
            .position(|key| key == KEY)
            .map(|at| &self.body[at + KEY.len()..]);
        let code = code.and_then(|code| code.split(|byte| *byte == b'"').next());
        std::str::from_utf8(code.unwrap_or_default()).unwrap_or_default()
    }
}

fn value<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (begins, value) = line.split_at_checked(name.len())?;
    begins
        .eq_ignore_ascii_case(name)
        .then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: Option<(u16, bool, &str)>) {
        let expected = expected.map(|(status, has_retry_after, body)| Answer {
            status,
            has_retry_after,
            body: body.as_bytes(),
        });
        assert_eq!(Answer::read(bytes.as_bytes()), expected, "{bytes:?}");
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            Some((200, false, "ab")),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", None);
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, false, "")));
        check("", None);
    }

    #[test]
    fn a_refusal_says_why_and_when_to_come_back() {
        let text =
            "HTTP/1.1 503 X\r\nretry-after: 1\r\ncontent-length: 15\r\n\r\n{\"code\":\"busy\"}";
        check(text, Some((503, true, "{\"code\":\"busy\"}")));
        let answer = Answer::read(text.as_bytes());
        assert_eq!(answer.map(|answer| answer.code()), Some("busy"));
    }
}
