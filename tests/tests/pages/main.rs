//! The gateway's own pages in a real browser: what they show, that they can be used by everybody, and that they ask
//! nobody else. Pictures of every view are left in `target/pages`.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod attempt;
mod caching;
mod data;
mod docs;
mod fleet;
mod keyboard;
mod switches;
mod views;

use std::net::SocketAddr;
use std::time::Duration;

use metropolis::{Bus, Context, Fault, Worker};
use metropolis_gateway::{Gateway, RunningGateway};
use metropolis_tests::browser::Page;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long anything may take that is not to take long.
const SOON: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct BookKey {
    /// The number on its back.
    id: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Book {
    id: u32,
    #[schemars(length(min = 1, max = 100))]
    title: String,
    /// How many letters it has; more than JavaScript can count.
    #[serde(default)]
    letters: u64,
    /// Who wrote it, if anybody knows.
    author: Option<Author>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Author {
    name: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Search {
    /// Only books whose title begins so.
    prefix: Option<String>,
    #[serde(default)]
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum BookFault {
    #[error("no book {0}")]
    #[fault(status = 404, code = "book_not_found")]
    NotFound(u32),
}

/// Looks a book up.
///
/// There are `<b>three</b>` of them, numbered from 1:
///
/// - the first
/// - the second
#[metropolis::task(subject = "books.{id}.get", queue = "books", timeout = "2s")]
async fn get_book(key: BookKey) -> Result<Book, BookFault> {
    match key.id {
        id @ 1..=3 => Ok(Book {
            id,
            title: format!("Volume {id}"),
            letters: u64::MAX,
            author: None,
        }),
        id => Err(BookFault::NotFound(id)),
    }
}

/// Lists books.
#[metropolis::task(subject = "books.get", queue = "books")]
async fn list_books(search: Search) -> Vec<Book> {
    let (prefix, limit) = (search.prefix.unwrap_or_default(), search.limit.unwrap_or(3));
    let book = |id| Book {
        id,
        title: format!("{prefix}{id}"),
        letters: 0,
        author: None,
    };
    (1..=limit).map(book).collect()
}

/// Adds a book.
#[metropolis::task(subject = "books", queue = "books", status = 201)]
async fn add_book(book: Book) -> Book {
    book
}

/// Tells the title of a book in capitals.
#[metropolis::task(subject = "books.shout", queue = "books")]
async fn shout(ctx: &Context, key: BookKey) -> Result<String, Fault> {
    Ok(ctx.call::<get_book>(&key).await?.title.to_uppercase())
}

/// A gateway with the worker of all tasks here, on the embedded bus.
fn stage(bus: &Bus) -> Gateway {
    Gateway::new(bus.clone())
        .with_worker(Worker::new(bus.clone()))
        .with_listen("127.0.0.1:0".parse().unwrap())
        .with_stop_timeout(Duration::from_secs(2))
}

/// The same, with services that are found on the bus, and running.
async fn fleet_behind_a_gateway() -> (RunningGateway, fleet::Fleet) {
    let bus = Bus::embedded();
    let fleet = fleet::Fleet::start(&bus).await;
    let gateway = stage(&bus).with_discovery().start().await.unwrap();
    (gateway, fleet)
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// Checks a page as it is now, and leaves a picture of it.
async fn inspect(page: &Page, name: &str) {
    page.picture(name).await;
    let barriers = page.barriers().await;
    assert!(barriers.is_empty(), "{name}\n{}", barriers.join("\n"));
    let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(
        page.evaluate(overflow).await,
        0,
        "{name} is wider than the page"
    );
}

/// Checks what a page has said and asked for from its beginning.
fn assert_clean(page: &Page, address: SocketAddr) {
    assert_eq!(page.complaints(), Vec::<String>::new());
    let own = url(address, "/");
    let is_own = |asked: &&String| asked.starts_with(&own) || asked.starts_with("data:");
    let requests = page.requests();
    assert!(!requests.is_empty());
    assert_eq!(requests.iter().find(|asked| !is_own(asked)), None);
}
