//! Counts by name, of names that nobody has listed before: the first ones get a line of their own, the rest share one.

use std::borrow::Cow;

/// What all names beyond the bound count as.
pub const OTHER: &str = "other";

/// How often each name was counted. Invariant: at most `names_max` names, no two alike, and `other` beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    names_max: usize,
    names: Vec<(Cow<'static, str>, u64)>,
    other: u64,
}

impl Tally {
    /// Nothing was counted yet; so many names are told apart.
    #[must_use]
    pub const fn new(names_max: usize) -> Self {
        Self {
            names_max,
            names: Vec::new(),
            other: 0,
        }
    }

    /// Counts a name once. A name that is known allocates nothing.
    pub fn add<'n>(&mut self, name: impl Into<Cow<'n, str>>) {
        self.add_times(name.into(), 1);
    }

    fn add_times(&mut self, name: Cow<'_, str>, times: u64) {
        if let Some((_, count)) = self.names.iter_mut().find(|(known, _)| *known == name) {
            *count += times;
        } else if self.names.len() < self.names_max && name != OTHER {
            self.names.push((Cow::Owned(name.into_owned()), times));
        } else {
            self.other += times;
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in other.iter() {
            self.add_times(Cow::Borrowed(name), count);
        }
    }

    /// Names and numbers, in the order of the first counting; `other` last, if there is any.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let other = (self.other > 0).then_some((OTHER, self.other));
        self.names
            .iter()
            .map(|(name, count)| (name.as_ref(), *count))
            .chain(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_count_as_other() {
        let mut tally = Tally::new(2);
        for name in ["a", "b", "c", "a", "other"] {
            tally.add(name);
        }
        let all: Vec<(&str, u64)> = tally.iter().collect();
        assert_eq!(all, [("a", 2), ("b", 1), ("other", 2)]);
    }

    #[test]
    fn merging_keeps_the_bound() {
        let (mut ours, mut theirs) = (Tally::new(1), Tally::new(2));
        ours.add("a");
        theirs.add("b");
        theirs.add("a");
        ours.merge(&theirs);
        let all: Vec<(&str, u64)> = ours.iter().collect();
        assert_eq!(all, [("a", 2), ("other", 1)]);
    }
}
