//! What keeps a worker from starting, apart from the conflicts the catalog finds.

use crate::catalog::{Entry, Problem, Problems};
use crate::context::Provisions;
use crate::live::Followed;
use crate::subject::is_token;

pub(super) fn alone() -> Problems {
    let problem = Problem::new("a worker alone on the embedded bus serves nobody").help(
        "run the gateway in this process (`metropolis_gateway::run()`), or set METROPOLIS_NATS_URL to a server that both reach",
    );
    Problems(vec![problem])
}

pub(super) fn doubled(name: &str) -> Problem {
    Problem::new(format!("two values of the type `{name}` are provided"))
        .help("provide one; give the other a type of its own")
}

/// What is wrong with the settings by themselves: their keys, and their schemas.
pub(super) fn settings(followed: &[Followed]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, setting) in followed.iter().enumerate() {
        let Followed { key, name, .. } = setting;
        if !is_token(key) {
            let problem = Problem::new(format!("`{key}` of `{name}` is no key of a setting"));
            problems.push(problem.help("use letters, digits, `-` and `_`"));
        }
        if let Some(other) = followed[..at].iter().find(|other| other.key == *key) {
            let both = format!("`{}` and `{name}`", other.name);
            problems.push(
                Problem::new(format!("two settings have the key `{key}`: {both}"))
                    .help("give each a key of its own"),
            );
        }
        if let Some(defect) = setting.defect() {
            let problem = format!("the schema of the setting `{name}` is broken: {defect}");
            problems.push(Problem::new(problem));
        }
    }
    problems
}

/// One problem per missing type, naming every task that needs it.
pub(super) fn missing(served: &[Entry], provisions: &Provisions) -> Vec<Problem> {
    let mut problems: Vec<(&str, Problem)> = Vec::new();
    for entry in served {
        for need in entry
            .meta()
            .needs
            .iter()
            .filter(|need| !provisions.has(need.id))
        {
            let name = (need.name)();
            match problems.iter_mut().find(|(known, _)| *known == name) {
                Some((_, problem)) => *problem = problem.clone().at(entry.meta()),
                None => problems.push((name, not_provided(name).at(entry.meta()))),
            }
        }
    }
    problems.into_iter().map(|(_, problem)| problem).collect()
}

fn not_provided(name: &str) -> Problem {
    Problem::new(format!("nothing provides `{name}`"))
        .help("give the worker one: `.provide(value)`")
}
