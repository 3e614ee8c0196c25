//! The Grafana dashboard and the page about metrics, held against what gateway and worker really show.

use std::collections::BTreeSet;

use metropolis_tests::promtool::complaints_about_rules;
use serde_json::Value;

use crate::metrics::Pair;
use crate::metrics_of;

const DASHBOARD: &str = include_str!("../../../deploy/grafana/metropolis.json");
const PAGE: &str = include_str!("../../../docs/operations.md");

/// Every query of every panel.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let queries = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap());
    queries.map(str::to_owned).collect()
}

/// Words that are names of our metrics.
fn names(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_word(c));
    let ours = words.filter(|word| {
        word.starts_with("http_server_")
            || word
                .strip_prefix("metropolis_")
                .is_some_and(|rest| rest.contains('_'))
    });
    ours.filter(|word| !word.starts_with("metropolis_gateway_run"))
        .map(str::to_owned)
        .collect()
}

/// The names of metrics that gateway and worker declare, those of a counter with its `_total`.
async fn shown() -> BTreeSet<String> {
    let pair = Pair::start().await;
    let both = metrics_of(pair.gateway).await + &metrics_of(pair.worker).await;
    let declared = both.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = declared.filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// A histogram's name without what its lines add to it.
fn family(name: &str) -> &str {
    let parts = ["_bucket", "_count", "_sum"];
    parts
        .iter()
        .find_map(|part| name.strip_suffix(part))
        .unwrap_or(name)
}

#[tokio::test]
async fn every_metric_is_on_the_page_and_on_the_dashboard_and_every_one_there_exists() {
    let shown = shown().await;
    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    let used: BTreeSet<String> = names(&queries.join("\n"))
        .iter()
        .map(|name| family(name).to_owned())
        .collect();
    assert_eq!(used, shown, "the dashboard");
    let section = PAGE.split("## Metrics").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows: BTreeSet<String> = rows
        .filter_map(|row| names(row.split('|').nth(1)?).into_iter().next())
        .collect();
    assert_eq!(rows, shown, "the page");
}

#[tokio::test]
async fn every_query_of_the_dashboard_is_promql() {
    let queries = queries();
    let rules = queries.iter().enumerate().map(|(at, query)| {
        let query = query.replace("$__rate_interval", "5m").replace('\'', "''");
        format!("      - {{ record: 'checked:query:{at}', expr: '{query}' }}\n")
    });
    let rules = format!(
        "groups:\n  - name: dashboard\n    rules:\n{}",
        rules.collect::<String>()
    );
    assert_eq!(complaints_about_rules(&rules).await, "", "{rules}");
}
