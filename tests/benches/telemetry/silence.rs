//! What telemetry does for a request although all of it is off: its own steps alone, so often that their time shows.
//!
//! They are far too few to show in the time of a whole request.

use std::hint::black_box;
use std::time::Instant;

use hyper::Request;
use metropolis::__private::Alone;
use metropolis::wire::Headers;
use metropolis::{Bus, Settings, connect};
use metropolis_gateway::Gateway;
use metropolis_tests::measure::Plan;
use metropolis_tests::measure::report::{Spread, verdict};

use crate::roles::{Part, echo};

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 9;
/// Requests of one round.
const REQUESTS: u32 = 1_000_000;

/// Times in ns at the gateway and at the worker.
pub(crate) struct Silence {
    gateway: Spread,
    worker: Spread,
}

impl Silence {
    /// Measures both in this process, whose log is set up as that of the processes is.
    pub(crate) async fn measure(plan: &Plan) -> Self {
        let variables = Part::Off.variables(None).into_iter();
        let settings = Settings::read(variables.map(|(name, value)| (name.to_owned(), value)));
        let settings = settings.expect("good settings");
        // Sets up the log; the bus is not asked for anything.
        connect(&settings, "bench").await.expect("the embedded bus");
        let gateway = Gateway::configured(Bus::embedded(), &settings);
        let gateway = gateway.in_process().await.expect("no problems");
        // As the load has it: looking for a header costs nothing where there is none at all.
        let head = Request::post("/bench/echo")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("content-length", "32")
            .body(());
        let (head, ()) = head.expect("a path").into_parts();
        let (worker, headers) = (Alone::of::<echo>(), Headers::new());
        Self {
            gateway: rounds(plan, || gateway.observe(black_box(&head))),
            worker: rounds(plan, || worker.observe(black_box(&headers))),
        }
    }

    /// A line for each of the two. `request_us` is what a whole request takes, of which both together are a part.
    pub(crate) fn rows(&self, request_us: Option<f64>) -> Vec<Vec<String>> {
        let both = (self.gateway.median + self.worker.median) / 1e3;
        let share = request_us.map(|whole| both / whole);
        let line = |who: &str, time: &Spread, share: String| {
            vec![who.to_owned(), format!("{time:.0}"), share]
        };
        let of_both = share.map_or_else(String::new, |share| {
            format!("{:.1} % ({})", share * 1e2, verdict(share, Some(0.01)))
        });
        vec![
            line("gateway", &self.gateway, String::new()),
            line("worker", &self.worker, of_both),
        ]
    }
}

fn rounds(plan: &Plan, each: impl Fn()) -> Spread {
    let rounds = (0..=plan.rounds(ROUNDS)).map(|_| nanoseconds(&each));
    Spread::of(rounds.skip(1))
}

fn nanoseconds(each: impl Fn()) -> f64 {
    let begun = Instant::now();
    for _ in 0..REQUESTS {
        each();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}
