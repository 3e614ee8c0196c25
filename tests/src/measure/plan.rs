//! What a bench was asked for on its command line: `cargo bench … -- quick worker "64 in flight"`.

use super::player;

/// What is measured, and how thoroughly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    is_quick: bool,
    rounds: Option<usize>,
    wanted: Vec<String>,
}

/// What this process is: the bench, or one of the processes it measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The bench itself.
    Bench(Plan),
    /// A process of a bench, with the words that say which.
    Role(Vec<String>),
}

impl Part {
    /// Reads the arguments of this process.
    pub fn of_this_process() -> Self {
        // Cargo adds the flag to whatever the user gave.
        let words = std::env::args().skip(1).filter(|word| word != "--bench");
        Self::read(words.collect())
    }

    fn read(mut words: Vec<String>) -> Self {
        if words.first().is_some_and(|word| word == player::ROLE) {
            return Self::Role(words.split_off(1));
        }
        Self::Bench(Plan::read(words))
    }
}

impl Plan {
    fn read(words: Vec<String>) -> Self {
        let mut plan = Self::default();
        for word in words {
            match word.strip_prefix("rounds=").map(str::parse) {
                Some(Ok(rounds @ 1..)) => plan.rounds = Some(rounds),
                Some(_) => panic!("`{word}` is no number of rounds; write rounds=3"),
                None if word == "quick" => plan.is_quick = true,
                None => plan.wanted.push(word),
            }
        }
        plan
    }

    /// Whether the figures are only to show that the bench works.
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// How many rounds count, of a figure that is usually measured in so many.
    pub fn rounds(&self, usual: usize) -> usize {
        let quick = if self.is_quick { usual.min(2) } else { usual };
        self.rounds.unwrap_or(quick)
    }

    /// One of two values: the first for figures that count, the second for a quick look.
    pub fn either<T>(&self, thorough: T, quick: T) -> T {
        if self.is_quick { quick } else { thorough }
    }

    /// Whether a figure is wanted: its name holds every word that was given.
    pub fn wants(&self, name: &str) -> bool {
        self.wanted.iter().all(|word| name.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Plan {
        Plan::read(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn words_are_all_looked_for_in_a_name() {
        let plan = plan(&["quick", "worker", "64 in flight"]);
        assert!(plan.is_quick());
        assert!(plan.wants("worker, no wait, 32 B, 64 in flight"));
        assert!(!plan.wants("worker, no wait, 32 B, 1 in flight"));
        assert!(!plan.wants("gateway, 32 B, 64 in flight"));
    }

    #[test]
    fn rounds_are_as_asked_for_else_few_when_quick() {
        assert_eq!(plan(&[]).rounds(7), 7);
        assert_eq!(plan(&["quick"]).rounds(7), 2);
        assert_eq!(plan(&["quick", "rounds=5"]).rounds(7), 5);
    }

    #[test]
    fn a_role_is_told_from_a_bench() {
        let words = ["role", "Worker", "Ours"].map(str::to_owned).to_vec();
        assert_eq!(Part::read(words.clone()), Part::Role(words[1..].to_vec()));
        assert_eq!(Part::read(Vec::new()), Part::Bench(Plan::default()));
    }
}
