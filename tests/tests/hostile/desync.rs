//! The cases of the crate `http_desync_guardian` (Apache-2.0), read from its package and replayed as bytes.
//!
//! Behind each of them comes a second request. One that is compliant gets both answered; after one that is severe or
//! ambiguous the second request must have had no chance, as two parties could disagree where it begins.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use metropolis::{Bus, Raw, Worker};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::exchange::{Answers, exchange_within};
use crate::parties::gateway;

const FILES: &[&str] = &[
    "acceptable",
    "ambiguous",
    "bad-header-characters",
    "edge-cases",
    "more-compliant-tests",
    "real-life-test-cases",
    "rfc-compliant",
    "severe",
    "single-case",
    "uri-specific-test-cases",
];

/// How many cases the package holds.
const CASES: usize = 159;

/// A connection that waits for a body that does not come is left alone after this.
const DEADLINE: Duration = Duration::from_secs(4);

/// Comes behind every case. Its own length is less than the shortest body that a case announces and does not send.
const SECOND: &[u8] = b"GET /desync/second HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";

#[metropolis::task(subject = "hostile.desync.post", http = "POST /foo/bar")]
async fn foo_post(raw: Raw) -> Raw {
    raw
}

#[metropolis::task(subject = "hostile.desync.put", http = "PUT /foo/bar")]
async fn foo_put(raw: Raw) -> Raw {
    raw
}

#[metropolis::task(subject = "hostile.desync.get", http = "GET /foo/bar")]
async fn foo_get() -> String {
    "foo".to_owned()
}

#[metropolis::task(subject = "hostile.desync.html.post", http = "POST /test.html")]
async fn html_post(raw: Raw) -> Raw {
    raw
}

#[metropolis::task(subject = "hostile.desync.html.put", http = "PUT /test.html")]
async fn html_put(raw: Raw) -> Raw {
    raw
}

#[metropolis::task(subject = "hostile.desync.html.get", http = "GET /test.html")]
async fn html_get() -> String {
    "html".to_owned()
}

#[metropolis::task(subject = "hostile.desync.second", http = "GET /desync/second")]
async fn second() -> String {
    "second".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Compliant,
    Acceptable,
    Ambiguous,
    Severe,
}

#[derive(Debug)]
struct Case {
    name: String,
    method: String,
    uri: String,
    version: String,
    headers: Vec<(String, String)>,
    tier: Tier,
}

impl Case {
    fn read(yaml: &Yaml) -> Self {
        let headers = yaml["headers"].as_vec().into_iter().flatten();
        Self {
            name: text(&yaml["name"]),
            method: text(&yaml["method"]),
            uri: text(&yaml["uri"]),
            version: text(&yaml["version"]),
            headers: headers
                .map(|header| (text(&header["name"]), text(&header["value"])))
                .collect(),
            tier: match yaml["expected"]["tier"].as_str().unwrap() {
                "Compliant" => Tier::Compliant,
                "Acceptable" => Tier::Acceptable,
                "Ambiguous" => Tier::Ambiguous,
                "Severe" => Tier::Severe,
                other => panic!("there is no tier {other}"),
            },
        }
    }

    /// The request as the package's own tests write it, with a `Host` as every client sends.
    fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.uri, self.version);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.trim().eq_ignore_ascii_case("host"))
        {
            head.push_str("Host: gateway\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn values(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
    }

    /// A body as a compliant request announces it.
    fn body(&self) -> Vec<u8> {
        if self.values("transfer-encoding").next().is_some() {
            return b"5\r\nhello\r\n0\r\n\r\n".to_vec();
        }
        let length = self.values("content-length").next();
        vec![b'x'; length.map_or(0, |length| length.trim().parse().unwrap())]
    }
}

/// The package escapes once more what its YAML has escaped already.
fn text(yaml: &Yaml) -> String {
    let raw = match yaml {
        Yaml::String(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => panic!("{other:?} is no text"),
    };
    let mut text = String::new();
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => escaped(&mut chars),
            c => c,
        });
    }
    text
}

fn escaped(chars: &mut std::str::Chars<'_>) -> char {
    match chars.next().unwrap() {
        'x' => {
            let digits: String = chars.take(2).collect();
            char::from(u8::from_str_radix(&digits, 16).unwrap())
        }
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

/// Where cargo has unpacked the crate.
fn package() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        // Packages of other platforms may not have been downloaded.
        .args(["--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "http_desync_guardian");
    let manifest = package.unwrap()["manifest_path"].as_str().unwrap();
    PathBuf::from(manifest).parent().unwrap().join("tests")
}

fn cases() -> Vec<Case> {
    let package = package();
    let read = |file: &&str| {
        let path = package.join(file).with_extension("yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let documents = YamlLoader::load_from_str(&text).unwrap();
        documents[0]
            .as_vec()
            .unwrap()
            .iter()
            .map(Case::read)
            .collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

#[tokio::test]
async fn every_case_of_the_desync_guardian_is_answered_as_its_tier_demands() {
    let cases = cases();
    assert_eq!(cases.len(), CASES);
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone())
        .serve::<foo_post>()
        .serve::<foo_put>()
        .serve::<foo_get>()
        .serve::<html_post>()
        .serve::<html_put>()
        .serve::<html_get>()
        .serve::<second>();
    let gateway = gateway(&bus).with_worker(worker).with_body_max(8 << 20);
    let gateway = gateway.start().await.unwrap();
    let address = gateway.address();
    let replayed = stream::iter(&cases).map(async |case| {
        let body = match case.tier {
            Tier::Compliant | Tier::Acceptable => case.body(),
            // Whoever goes by chunks reads an end here, whoever goes by a length reads a part of the body.
            Tier::Ambiguous | Tier::Severe => b"0\r\n\r\n".to_vec(),
        };
        let bytes = Bytes::from([&case.head()[..], &body, SECOND].concat());
        (case, exchange_within(address, &bytes, DEADLINE).await)
    });
    let replayed: Vec<(&Case, Answers)> = replayed.buffer_unordered(CASES).collect().await;
    assert_eq!(replayed.len(), CASES);
    let wrong: Vec<String> = replayed
        .iter()
        .filter_map(|(case, answers)| {
            let what = judge(case, answers).err()?;
            let statuses: Vec<u16> = answers.list.iter().map(|answer| answer.status).collect();
            let head = case.head().escape_ascii().to_string();
            let (tier, name) = (case.tier, &case.name);
            Some(format!(
                "{tier:?} {name:?}: {what}; {statuses:?}\n    {head}"
            ))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    gateway.stop().await;
}

fn judge(case: &Case, answers: &Answers) -> Result<(), String> {
    let statuses: Vec<u16> = answers.list.iter().map(|answer| answer.status).collect();
    if !answers.is_closed {
        return Err("the connection was left open".to_owned());
    }
    let expected = match case.tier {
        Tier::Compliant => expected(case),
        Tier::Acceptable if statuses == [200, 200] => return Ok(()),
        Tier::Acceptable | Tier::Ambiguous | Tier::Severe if statuses.is_empty() => return Ok(()),
        Tier::Acceptable | Tier::Ambiguous | Tier::Severe => &[400],
    };
    match statuses == expected {
        true => Ok(()),
        false => Err(format!("expected were {expected:?}")),
    }
}

/// What a request without fault gets; not each of them is one that a task here takes.
fn expected(case: &Case) -> &'static [u16] {
    let is_plain = |value: &str| value.trim().eq_ignore_ascii_case("chunked");
    let codings = case.values("transfer-encoding");
    let mut lengths = case.values("content-length");
    match case.uri.as_str() {
        // There is nothing here that could undo another coding.
        _ if codings.count() > 1 || !case.values("transfer-encoding").all(is_plain) => &[400],
        // The request line has two words.
        "" => &[400],
        // More than the bus takes.
        _ if lengths.any(|length| length.trim() == "4000000") => &[413, 200],
        // What `%dd` stands for is no text.
        uri if uri.contains("%dd") => &[400, 200],
        "/foo/bar" | "/test.html" => &[200, 200],
        _ => &[404, 200],
    }
}
