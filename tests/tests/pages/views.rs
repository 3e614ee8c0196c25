//! Every view of the console, for everybody: in light and dark, wide and narrow.

use metropolis_tests::Browser;
use metropolis_tests::browser::Scheme;

use super::fleet::MARKUP;
use super::*;

const WIDE: (u32, u32) = (1280, 800);
const NARROW: (u32, u32) = (390, 800);

/// Looks at what is shown now in both sizes, and goes back to the wide one.
async fn inspect_in_both_sizes(page: &Page, name: &str, scheme: Scheme) {
    for (width, height) in [NARROW, WIDE] {
        page.resize(width, height).await;
        let name = format!("console-{name}-{}-{width}", scheme.name());
        // Colours do not depend on the width, so one of both is enough.
        match (scheme, width) {
            (Scheme::Dark, 390) => drop(page.picture(&name).await),
            _ => inspect(page, &name).await,
        }
    }
}

/// Goes through all views by clicking.
async fn walk(page: &Page, address: SocketAddr, scheme: Scheme) {
    page.open(&url(address, "/_console")).await;
    eprintln!(
        "first paint of /_console, {}: {:?}",
        scheme.name(),
        page.first_paint().await
    );
    page.shows("main h1", "Tasks").await;
    // Rates are there from the second answer on.
    page.comes_true("/[1-9]/.test(document.querySelector('.strip .value').innerText)")
        .await;
    page.shows(".strip", "1 quarantined").await;
    inspect_in_both_sizes(page, "tasks", scheme).await;

    page.click("nav a[href='#/services']").await;
    page.shows("main", "ledger-1").await;
    page.shows("main", "metropolis-tests").await;
    inspect_in_both_sizes(page, "services", scheme).await;

    page.click("nav a[href='#/map']").await;
    page.comes_true("document.querySelectorAll('.edges .call').length === 3")
        .await;
    page.shows("main table", "books.{id}.get").await;
    inspect_in_both_sizes(page, "map", scheme).await;

    page.click(".map a[href$='ledger.append']").await;
    page.shows("main h1", "append").await;
    page.shows("main", "overdrawn 7").await;
    page.shows("main", "It calls").await;
    inspect_in_both_sizes(page, "foreign", scheme).await;

    page.click("nav a[href='#/quarantine']").await;
    page.shows("main", "GET /_console/x is the gateway's own")
        .await;
    inspect_in_both_sizes(page, "quarantine", scheme).await;

    page.click("nav a[href='#/tasks']").await;
    page.click("main a[href$='books.%7Bid%7D.get']").await;
    page.shows("main h1", "get_book").await;
    page.shows(".prose", "There are <b>three</b> of them").await;
    page.shows("main", "book_not_found").await;
    page.shows("main", "The number on its back.").await;
    inspect_in_both_sizes(page, "task", scheme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_shown_and_nothing_is_wrong_with_it() {
    let (gateway, _fleet) = fleet_behind_a_gateway().await;
    let browser = Browser::start().await;
    for scheme in [Scheme::Light, Scheme::Dark] {
        let page = browser.page(WIDE, scheme).await;
        walk(&page, gateway.address(), scheme).await;
        assert_clean(&page, gateway.address());
    }
    browser.stop().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_say_is_text_and_what_is_not_known_is_a_dash() {
    let (gateway, _fleet) = fleet_behind_a_gateway().await;
    let browser = Browser::start().await;
    let page = browser.page(WIDE, Scheme::Light).await;
    page.open(&url(gateway.address(), "/_console#/tasks/ledger.append"))
        .await;
    page.shows("main", MARKUP).await;
    assert_eq!(
        page.evaluate("document.querySelectorAll('main img').length")
            .await,
        0
    );
    page.shows(".figures", "1.5, 12.3, 40.0 ms").await;

    page.open(&url(gateway.address(), "/_console#/tasks/mail.send"))
        .await;
    page.shows("main h1", "send").await;
    page.shows(".figures", "p50, p95, p99\n–").await;
    page.shows(".figures", "2.5 ms").await;
    page.shows("main", "It has no route on this gateway").await;
    assert_clean(&page, gateway.address());
    browser.stop().await;
    gateway.stop().await;
}
