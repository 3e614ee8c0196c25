//! A log line as one JSON object: what a collector reads without being told how.
//!
//! The members `time`, `level`, `target` and `message` come first, then the line's own fields, flat, and the spans it
//! happened in. Written straight into the line: a tree of values in between would cost more than all the rest.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::time::SystemTime;

use humantime::format_rfc3339_micros;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::trace;

/// Members that are ours; a field of the same name gets an underscore.
const OURS: [&str; 4] = ["time", "level", "target", "spans"];

/// Formats events as JSON lines.
#[derive(Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (meta, now) = (event.metadata(), SystemTime::now());
        write!(writer, r#"{{"time":"{}","#, format_rfc3339_micros(now))?;
        writer.write_str(r#""level":""#)?;
        writer.write_str(meta.level().as_str())?;
        writer.write_str(r#"","target":"#)?;
        text(&mut writer, meta.target())?;
        let mut fields = Fields {
            writer: writer.by_ref(),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        if let Some(place) = trace::current() {
            write!(writer, r#","trace_id":"{}""#, place.trace_id())?;
        }
        spans(ctx, &mut writer)?;
        writer.write_str("}\n")
    }
}

/// Names and fields of the spans around an event, the outermost first.
fn spans<S, N>(ctx: &FmtContext<'_, S, N>, writer: &mut Writer<'_>) -> fmt::Result
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let Some(scope) = ctx.event_scope() else {
        return Ok(());
    };
    let mut before = r#","spans":["#;
    for span in scope.from_root() {
        writer.write_str(before)?;
        before = ",";
        let extensions = span.extensions();
        match extensions.get::<FormattedFields<N>>() {
            Some(fields) if !fields.is_empty() => quoted(
                writer,
                format_args!("{}{{{}}}", span.name(), fields.fields.as_str()),
            )?,
            _ => text(writer, span.name())?,
        }
    }
    writer.write_char(']')
}

/// Writes the fields of one event, each after a comma.
struct Fields<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_> {
    /// Writes a member whose value `write` writes.
    fn member(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self
                .name(field.name())
                .and_then(|()| write(&mut self.writer));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.writer.write_str(",\"")?;
        Escaping(&mut self.writer).write_str(name)?;
        let is_ours = OURS.contains(&name);
        self.writer.write_str(if is_ours { "_\":" } else { "\":" })
    }

    fn number(&mut self, field: &Field, number: impl itoa::Integer) {
        self.member(field, |writer| {
            writer.write_str(itoa::Buffer::new().format(number))
        });
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| fraction(writer, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let value = if value { "true" } else { "false" };
        self.member(field, |writer| writer.write_str(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| text(writer, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.member(field, |writer| quoted(writer, format_args!("{value}")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |writer| quoted(writer, format_args!("{value:?}")));
    }
}

/// Writes a number; JSON has neither infinities nor NaN.
///
/// The durations of access lines have three digits behind the point, and are written as such: finding the shortest
/// spelling of any number takes longer than the rest of the line.
fn fraction(writer: &mut Writer<'_>, value: f64) -> fmt::Result {
    const LARGEST: f64 = 1e12;
    if !value.is_finite() {
        return writer.write_str("null");
    }
    let thousandths = (value * 1e3).round();
    if !(0.0..LARGEST).contains(&thousandths) || thousandths / 1e3 != value {
        return write!(writer, "{value}");
    }
    let thousandths = thousandths as u64;
    let digits = thousandths % 1000;
    writer.write_str(itoa::Buffer::new().format(thousandths / 1000))?;
    let digits = [digits / 100, digits / 10 % 10, digits % 10];
    writer.write_str(".")?;
    digits.into_iter().try_for_each(|digit| {
        let digit = u8::try_from(digit).unwrap_or_default();
        writer.write_char(char::from(b'0' + digit))
    })
}

fn text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaping(writer).write_str(text)?;
    writer.write_char('"')
}

/// Writes a JSON string.
fn quoted(writer: &mut Writer<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    writer.write_char('"')?;
    Escaping(writer).write_fmt(text)?;
    writer.write_char('"')
}

/// Escapes what JSON does not allow in a string, while it is written.
struct Escaping<'e, 'w>(&'e mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        while let Some(at) = text.bytes().position(needs_escape) {
            self.0.write_str(&text[..at])?;
            match text.as_bytes()[at] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            text = &text[at + 1..];
        }
        self.0.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut kept = self.0.lock().expect("no holder panics");
            kept.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Kept {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn line(log: impl FnOnce()) -> Value {
        let kept = Kept::default();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Json)
            .with_writer(kept.clone());
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, log);
        let text = kept.0.lock().expect("no holder panics").clone();
        assert_eq!(
            text.iter().filter(|byte| **byte == b'\n').count(),
            1,
            "one line: {}",
            text.escape_ascii()
        );
        let mut line: Value = serde_json::from_slice(&text).expect("a line is JSON");
        let time = line["time"].take();
        humantime::parse_rfc3339(time.as_str().expect("a text")).expect("RFC 3339");
        line
    }

    #[test]
    fn fields_keep_their_types() {
        let nothing: Option<u64> = None;
        let line = line(|| {
            tracing::info!(target: "a::b", count = 3u64, less = -1i64, ratio = 0.5, wrong = f64::NAN,
                is_so = true, name = "x", nothing, "it is {}", "so");
        });
        let expected = json!({
            "time": null, "level": "INFO", "target": "a::b", "message": "it is so", "count": 3, "less": -1,
            "ratio": 0.5, "wrong": null, "is_so": true, "name": "x",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn fractions_are_what_they_were() {
        for number in [
            0.0,
            0.001,
            0.482,
            1.5,
            12.0,
            1e300,
            -0.5,
            0.1 + 0.2,
            123_456.789,
        ] {
            let line = line(|| tracing::info!(number, "x"));
            assert_eq!(line["number"].as_f64(), Some(number));
        }
    }

    #[test]
    fn no_text_breaks_out_of_its_line() {
        let hostile = "a\"b\\c\nd\r\t\u{1}é\u{2028}";
        let line = line(|| tracing::warn!(hostile, shown = ?hostile, "{hostile}"));
        assert_eq!(line["message"], hostile);
        assert_eq!(line["hostile"], hostile);
        assert_eq!(line["shown"], format!("{hostile:?}"));
    }

    #[test]
    fn fields_do_not_take_our_names() {
        let line = line(|| tracing::info!(level = 7u64, time = "now", "x"));
        assert_eq!(line["level"], "INFO");
        assert_eq!(
            (&line["level_"], &line["time_"]),
            (&json!(7), &json!("now"))
        );
    }

    #[test]
    fn spans_around_a_line_are_named() {
        let line = line(|| {
            let _outer = tracing::info_span!("outer").entered();
            let _inner = tracing::info_span!("inner", id = 7, name = "a\"b").entered();
            tracing::info!("x");
        });
        assert_eq!(
            line["spans"],
            json!(["outer", "inner{id=7 name=\"a\\\"b\"}"])
        );
    }
}
