//! Numbers that came as text, and the bounds a schema sets them.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use serde_json::{Map, Number, Value};

use super::integral;

/// The limits of a number, exclusive ones included.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds {
    minimum: Option<Number>,
    maximum: Option<Number>,
    above: Option<Number>,
    below: Option<Number>,
}

impl Bounds {
    pub(super) fn of(keywords: &Map<String, Value>) -> Self {
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_number).cloned();
        Self {
            minimum: bound("minimum"),
            maximum: bound("maximum"),
            above: bound("exclusiveMinimum"),
            below: bound("exclusiveMaximum"),
        }
    }

    /// Says which bound a number in JSON's notation breaks, if any.
    pub(super) fn broken(&self, number: &str) -> Option<String> {
        let rules = [
            (&self.minimum, &[Less][..], "less than"),
            (&self.maximum, &[Greater], "more than"),
            (&self.above, &[Less, Equal], "not more than"),
            (&self.below, &[Greater, Equal], "not less than"),
        ];
        rules.into_iter().find_map(|(bound, broken_by, words)| {
            let bound = bound.as_ref()?;
            broken_by
                .contains(&compare(number, bound)?)
                .then(|| format!("{words} {bound}"))
        })
    }
}

/// Compares integers exactly as long as both fit 128 bits, everything else as floats.
///
/// A 128-bit integer against a power of two is a comparison of floats and can be off by rounding, so equality says
/// nothing there; serde has the last word about those.
fn compare(number: &str, bound: &Number) -> Option<Ordering> {
    if let (Ok(number), Some(bound)) = (number.parse::<i128>(), bound.as_i128()) {
        return Some(number.cmp(&bound));
    }
    let (float, limit) = (number.parse::<f64>().ok()?, bound.as_f64()?);
    let rounded = number.len() > 17 && float == limit && limit.abs() > u64::MAX as f64;
    if rounded {
        None
    } else {
        float.partial_cmp(&limit)
    }
}

/// A number as JSON writes it, and finite. Neither `NaN`, nor `+1`, nor `007`, nor ` 1`.
pub(super) fn number(text: &str) -> Option<&str> {
    let starts = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = text.ends_with(|last: char| last.is_ascii_digit());
    (starts && ends && serde_json::from_str::<f64>(text).is_ok()).then_some(text)
}

/// An integer, as plain digits.
pub(super) fn whole(text: &str) -> Option<String> {
    integral::whole(number(text)?)
}

/// An integer of any length, for an error only.
pub(super) fn digits(text: &str) -> Option<String> {
    number(text)
        .filter(|text| !text.contains(['.', 'e', 'E']))
        .map(str::to_owned)
}
