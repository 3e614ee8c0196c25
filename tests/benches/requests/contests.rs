//! What is compared with what, and the goals.

use crate::cast::{Cast, Front};
use crate::contest::{Contender, Contest, Counted, Pair};
use crate::roles::Side;
use crate::shape::Shape;

pub(crate) fn all() -> Vec<Contest> {
    vec![
        worker(
            "worker, no wait",
            "bench.echo",
            "bench.echo",
            Some(1.10),
            Shape::all(),
        ),
        worker(
            "worker, waits once, against a spawn per message",
            "bench.yield",
            "bench.yield",
            Some(0.75),
            Shape::all(),
        ),
        worker(
            "worker, waits 1 ms, against a spawn per message",
            "bench.sleep",
            "bench.sleep",
            Some(0.75),
            Shape::small(),
        ),
        worker(
            "worker, no wait, against a spawn per message",
            "bench.spawn",
            "bench.echo",
            None,
            Shape::small(),
        ),
        gateway(),
        whole_path(),
        embedded(),
    ]
}

fn contender(name: &'static str, cast: Cast) -> Contender {
    Contender { name, cast }
}

fn pair(name: &'static str, baseline: usize, ours: usize, goal: Option<f64>) -> Pair {
    Pair {
        name,
        baseline,
        ours,
        goal,
        latency_goal: None,
    }
}

/// The raw loop and the worker, each asked on a subject of its own.
fn worker(
    name: &'static str,
    raw: &'static str,
    task: &'static str,
    goal: Option<f64>,
    shapes: Vec<Shape>,
) -> Contest {
    Contest {
        contenders: vec![
            contender("raw async-nats", Cast::Worker(Side::Baseline, raw)),
            contender("metropolis", Cast::Worker(Side::Ours, task)),
        ],
        pairs: vec![pair(name, 0, 1, goal)],
        counted: Counted::First,
        shapes,
    }
}

fn gateway() -> Contest {
    Contest {
        contenders: vec![
            contender("plain axum", Cast::Gateway(Front::Axum)),
            contender("metropolis-gateway", Cast::Gateway(Front::Program)),
            contender("metropolis, as a library", Cast::Gateway(Front::Library)),
        ],
        pairs: vec![
            pair("gateway", 0, 1, Some(0.65)),
            pair("gateway as a library", 0, 2, Some(0.65)),
        ],
        counted: Counted::First,
        shapes: Shape::all(),
    }
}

fn whole_path() -> Contest {
    let against_plain = Pair {
        latency_goal: Some(0.85),
        ..pair("whole path", 0, 2, Some(0.80))
    };
    Contest {
        contenders: vec![
            contender("plain axum + async-nats", Cast::Whole(Side::Baseline)),
            contender("nginx + axum", Cast::Nginx),
            contender("metropolis", Cast::Whole(Side::Ours)),
        ],
        pairs: vec![
            against_plain,
            pair("whole path against nginx + axum", 1, 2, Some(1.0)),
        ],
        counted: Counted::All,
        shapes: Shape::all(),
    }
}

fn embedded() -> Contest {
    Contest {
        contenders: vec![
            contender("plain axum", Cast::Embedded(Side::Baseline)),
            contender("metropolis", Cast::Embedded(Side::Ours)),
        ],
        pairs: vec![pair("embedded", 0, 1, Some(1.10))],
        counted: Counted::First,
        shapes: Shape::all(),
    }
}
