//! The console without a mouse.

use metropolis_tests::Browser;
use metropolis_tests::browser::Scheme;

use super::*;

const FOCUS: &str = "document.activeElement";

/// Presses Tab until something has the focus; within as many steps as a person would bear.
async fn tab_to(page: &Page, condition: &str) {
    for _ in 0..40 {
        page.press("Tab").await;
        if page.evaluate(&format!("{FOCUS}.{condition}")).await == true {
            return;
        }
    }
    let reached = page.evaluate(&format!("{FOCUS}.outerHTML")).await;
    panic!("Tab does not lead to what is {condition}, but to {reached}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_reached_by_keys() {
    let (gateway, _fleet) = fleet_behind_a_gateway().await;
    let browser = Browser::start().await;
    let page = browser.page((1280, 800), Scheme::Light).await;
    page.open(&url(gateway.address(), "/_console")).await;
    page.shows(".tasks", "get_book").await;

    // The first stop skips what is the same on every view.
    page.press("Tab").await;
    assert_eq!(page.evaluate(&format!("{FOCUS}.hash")).await, "#content");
    page.press("Enter").await;
    page.comes_true(&format!("{FOCUS}.id === 'content'")).await;
    page.shows("main h1", "Tasks").await;

    // A slash looks for something, and what is found is opened.
    page.press("/").await;
    page.comes_true(&format!("{FOCUS}.id === 'find'")).await;
    page.enter("shout").await;
    page.comes_true("document.querySelectorAll('.tasks tbody tr').length === 1")
        .await;
    tab_to(&page, "innerText === 'shout'").await;
    page.press("Enter").await;
    page.shows("main h1", "shout").await;
    page.comes_true(&format!("{FOCUS}.localName === 'h1'"))
        .await;

    // The focus survives what comes anew each second, and the form is sent.
    tab_to(&page, "localName === 'textarea'").await;
    page.evaluate(&format!("{FOCUS}.value = ''")).await;
    page.enter(r#"{"id": 2}"#).await;
    tab_to(&page, "innerText === 'Send'").await;
    page.press("Enter").await;
    page.shows(".answer", "VOLUME 2").await;

    // Escape empties the search, which leads back to all tasks; tables are sorted by their headings.
    page.evaluate(&format!("{FOCUS}.blur()")).await;
    page.press("/").await;
    page.press("Escape").await;
    page.shows(".tasks", "append").await;
    tab_to(&page, "innerText === 'Rate /s'").await;
    page.press("Enter").await;
    page.comes_true("document.querySelector('th[aria-sort]').innerText.startsWith('Rate')")
        .await;
    page.comes_true("document.querySelector('.tasks tbody a').innerText === 'append'")
        .await;
    assert_clean(&page, gateway.address());
    browser.stop().await;
    gateway.stop().await;
}
