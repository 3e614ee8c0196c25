//! The keys an attribute knows, and the one a misspelt word probably meant. Data for `keys` and for the messages.

/// The keys one attribute knows, each with an example that can be pasted.
pub(crate) struct Vocabulary {
    pub(crate) attribute: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key: `name` as written by the user, `example` as shown to them.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

impl Vocabulary {
    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The key that was probably meant: at most one slip per three letters.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static Key> {
        let slips = |key: &&Key| strsim::damerau_levenshtein(key.name, name);
        self.keys
            .iter()
            .min_by_key(slips)
            .filter(|key| slips(key) <= key.name.len().div_ceil(3))
    }
}
