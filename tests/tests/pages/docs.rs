//! The page about the routes.

use metropolis_tests::Browser;
use metropolis_tests::browser::Scheme;

use super::*;

const LIST: &str = "#operations-books-list_books";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routes_can_be_read_and_tried() {
    let gateway = stage(&Bus::embedded()).start().await.unwrap();
    let browser = Browser::start().await;
    for scheme in [Scheme::Light, Scheme::Dark] {
        let page = browser.page((1280, 900), scheme).await;
        page.open(&url(gateway.address(), "/docs")).await;
        eprintln!(
            "first paint of /docs, {}: {:?}",
            scheme.name(),
            page.first_paint().await
        );
        page.shows(LIST, "Lists books.").await;
        let is_dark = "document.documentElement.classList.contains('dark-mode')";
        assert_eq!(page.evaluate(is_dark).await, scheme == Scheme::Dark);
        inspect(&page, &format!("docs-list-{}-1280", scheme.name())).await;

        page.click(&format!("{LIST} .opblock-summary-control"))
            .await;
        page.click(&format!("{LIST} .try-out__btn")).await;
        page.click(&format!("{LIST} input[placeholder=prefix]"))
            .await;
        page.enter("Tome ").await;
        page.click(&format!("{LIST} .execute")).await;
        page.shows(&format!("{LIST} .live-responses-table"), "Tome 1")
            .await;
        // Light is looked at narrow and dark wide: each run over so much takes seconds.
        let width = if scheme == Scheme::Light { 390 } else { 1280 };
        page.resize(width, 900).await;
        inspect(&page, &format!("docs-tried-{}-{width}", scheme.name())).await;
        assert_clean(&page, gateway.address());
    }
    browser.stop().await;
    gateway.stop().await;
}
