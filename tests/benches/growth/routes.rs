//! Routes in the table of one gateway: time of a look-up, cost of a request, memory, time to start.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, Request};
use metropolis::Bus;
use metropolis_gateway::{Gateway, StaticRoute};
use metropolis_tests::NatsServer;
use metropolis_tests::measure::load::Load;
use metropolis_tests::measure::{Plan, Player, books, player};
use tokio::time::sleep;

use crate::roles::{self, SMALL, sample, timed};
use crate::steps::{self, Figure};

const SIZES: [usize; 5] = [1, 100, 1_000, 3_000, 10_000];
const CONNECTIONS: usize = 64;
const LOOK_UPS: usize = 100_000;
/// How long the gateway is left alone before its memory is read.
const REST: Duration = Duration::from_millis(300);

pub(crate) async fn report(plan: &Plan) -> String {
    let columns = [
        Figure::whole("look-up, ns", 0),
        Figure::whole("gateway, CPU µs per request", 2),
        Figure::RESIDENT,
        Figure::START,
        Figure::START_CPU,
    ];
    steps::table(plan, "routes", &SIZES, columns, async |size| {
        let look_up = look_up(size).await;
        let [request, memory, start, start_cpu] = process(plan, size).await;
        [look_up, request, memory, start, start_cpu]
    })
    .await
}

/// Paths that share their beginnings, as those of services do.
fn path(number: usize) -> String {
    format!("/shop/shelf{}/item{number}", number % 50)
}

fn subject(number: usize) -> String {
    path(number)[1..].replace('/', ".")
}

/// `OPTIONS` is answered by the table alone. What making the requests takes is taken off.
async fn look_up(routes: usize) -> f64 {
    let gateway = Gateway::new(Bus::embedded());
    let gateway = (0..routes).fold(gateway, |gateway, number| {
        let http = format!("POST {}", path(number));
        gateway.with_route(StaticRoute::new(http, subject(number)))
    });
    let app = gateway.in_process().await.expect("the routes are good");
    let both = nanoseconds(routes, async |request| drop(app.request(request).await)).await;
    both - nanoseconds(routes, async |request| drop(black_box(request))).await
}

async fn nanoseconds(routes: usize, each: impl AsyncFn(Request<Bytes>)) -> f64 {
    let begun = Instant::now();
    for step in 0..LOOK_UPS {
        // A stride that meets all routes, and neighbours never one after the other.
        let path = path(step * 7919 % routes);
        let request = Request::builder().method(Method::OPTIONS).uri(path);
        each(request.body(Bytes::new()).expect("the path is one")).await;
    }
    begun.elapsed().as_nanos() as f64 / LOOK_UPS as f64
}

/// The program with a file of routes: CPU of a request, memory at rest, time to start.
async fn process(plan: &Plan, routes: usize) -> [f64; 4] {
    let server = NatsServer::start().await;
    let _echo = roles::echo(&server.url(), "shop.>").await;
    let file = server.dir().join("gateway.toml");
    write_routes(&file, routes);
    let file = file
        .to_str()
        .expect("temporary directories have plain names");
    player::gateway_program();
    let url = server.url();
    let arguments = ["--config", file];
    let (gateway, [start, start_cpu]) = timed(Player::gateway(&url, &arguments)).await;
    sleep(REST).await;
    let memory = books::resident_mb(gateway.pid());
    let paths: Vec<String> = (0..routes).map(path).collect();
    let load = Load::over_http(gateway.address(), &paths, CONNECTIONS, SMALL).await;
    let sample = sample(plan, load, 2 * routes, &[gateway.pid()]).await;
    [sample.spent[0], memory, start, start_cpu]
}

fn write_routes(file: &Path, routes: usize) {
    let lines = (0..routes).map(|number| {
        let (path, subject) = (path(number), subject(number));
        format!("[[route]]\nmethod = \"POST\"\npath = \"{path}\"\nsubject = \"{subject}\"\n")
    });
    std::fs::write(file, lines.collect::<String>()).expect("the directory is ours");
}
