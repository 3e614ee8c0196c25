//! Findings: everything that is wrong with a document, collected while it is read, and the refusal that comes of it.

use std::fmt;

use super::excerpt::excerpt;

/// So many things that are wrong are told; the rest are counted.
const TOLD_MAX: usize = 16;

/// Each is cut at this many characters, as it may quote names of any length.
const FINDING_MAX: usize = 300;

/// What was found to be wrong so far.
#[derive(Debug, Default)]
pub struct Findings(Refusal);

/// Everything that is wrong with a document, as one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    told: Vec<String>,
    untold: usize,
}

impl Findings {
    /// Adds something that is wrong.
    pub fn add(&mut self, what: impl AsRef<str>) {
        let Self(Refusal { told, untold }) = self;
        if told.len() < TOLD_MAX {
            told.push(excerpt(what.as_ref(), FINDING_MAX));
        } else {
            *untold += 1;
        }
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn none_or<T>(self, value: T) -> Result<T, Refusal> {
        if self.0.told.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("; "))?;
        match self.untold {
            0 => Ok(()),
            untold => write!(f, "; and {untold} more"),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_mistakes_is_refused_in_a_few_words() {
        let mut findings = Findings::default();
        for at in 0..1000 {
            findings.add(format!("`{at}{}` is wrong", "x".repeat(1000)));
        }
        let refusal = findings.none_or(()).expect_err("a thousand mistakes");
        let text = refusal.to_string();
        assert!(text.starts_with("`0xx"), "{text}");
        assert!(text.ends_with("…; and 984 more"), "{text}");
        assert!(text.len() < 6_000, "{}", text.len());
        assert_eq!(Findings::default().none_or(5), Ok(5));
    }
}
