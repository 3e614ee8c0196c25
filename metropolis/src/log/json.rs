//! A log line as one JSON object: what a collector reads without being told how.
//!
//! The members `time`, `level`, `target` and `message` come first, then the line's own fields, flat, and the spans it
//! happened in. Written straight into the line: a tree of values in between would cost more than all the rest.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::time::SystemTime;

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
        write!(
            writer,
            r#"{{"time":"{}","level":"{}","target":"#,
            humantime::format_rfc3339_micros(now),
            meta.level()
        )?;
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
    fn member(&mut self, field: &Field, value: fmt::Arguments<'_>, is_text: bool) {
        if self.result.is_ok() {
            self.result = self.write(field.name(), value, is_text);
        }
    }

    fn write(&mut self, name: &str, value: fmt::Arguments<'_>, is_text: bool) -> fmt::Result {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let after = if OURS.contains(&name) { "_" } else { "" };
        self.writer.write_char(',')?;
        quoted(&mut self.writer, format_args!("{name}{after}"))?;
        self.writer.write_char(':')?;
        match is_text {
            true => quoted(&mut self.writer, value),
            false => self.writer.write_fmt(value),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither infinities nor NaN.
        match value.is_finite() {
            true => self.member(field, format_args!("{value}"), false),
            false => self.member(field, format_args!("null"), false),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, format_args!("{value}"), true);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.member(field, format_args!("{value}"), true);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, format_args!("{value:?}"), true);
    }
}

fn text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    quoted(writer, format_args!("{text}"))
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
