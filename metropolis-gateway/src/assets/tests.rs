use sha2::{Digest, Sha256};

use super::*;

const README: &str = include_str!("../../assets/docs/README.md");

fn asked(headers: &[(&HeaderName, &str)]) -> HeaderMap {
    let parsed = headers
        .iter()
        .map(|(name, value)| ((*name).clone(), value.parse().expect("header text")));
    parsed.collect()
}

fn vendored() -> impl Iterator<Item = &'static Asset> {
    DOCS.iter().filter(|asset| asset.is_packed())
}

#[test]
fn what_is_vendored_is_what_was_published() {
    assert_eq!(vendored().count(), 2);
    for asset in vendored() {
        let response = asset.answer(&HeaderMap::new());
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        let name = asset.path.last().expect("a path has segments");
        let line = format!("| `{:x}` | `{name}` |", Sha256::digest(response.body()));
        assert!(README.contains(&line), "{line}");
    }
}

#[test]
fn who_takes_gzip_gets_it_and_all_are_told_that_it_depends_on_that() {
    let asset = vendored().next().expect("there are some");
    for (accepts, is_packed) in [
        ("gzip", true),
        ("deflate, gzip;q=0.5", true),
        ("br,gzip", true),
        ("gzip;q=0", false),
        ("gzip; q=0.0, br", false),
        ("identity", false),
        ("", false),
    ] {
        let response = asset.answer(&asked(&[(&ACCEPT_ENCODING, accepts)]));
        let headers = response.headers();
        assert_eq!(
            headers.contains_key(CONTENT_ENCODING),
            is_packed,
            "{accepts}"
        );
        assert_eq!(headers[VARY], "accept-encoding");
        assert_eq!(response.body().starts_with(&[0x1f, 0x8b]), is_packed);
    }
}

#[test]
fn who_has_a_file_already_is_told_that_nothing_has_changed() {
    for asset in DOCS {
        let tag = asset.answer(&HeaderMap::new()).headers()[ETAG].clone();
        let tag = tag.to_str().expect("text");
        for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let response = asset.answer(&asked(&[(&IF_NONE_MATCH, &known)]));
            assert_eq!(response.status(), 304, "{known}");
            assert!(response.body().is_empty());
            assert_eq!(response.headers()[ETAG], tag);
        }
        let response = asset.answer(&asked(&[(&IF_NONE_MATCH, "\"x\"")]));
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn packed_and_unpacked_have_different_tags() {
    let asset = vendored().next().expect("there are some");
    let plain = asset.answer(&HeaderMap::new());
    let packed = asset.answer(&asked(&[(&ACCEPT_ENCODING, "gzip")]));
    assert_ne!(plain.headers()[ETAG], packed.headers()[ETAG]);
}

/// What is quoted in a file and looks like another one of the same page.
fn references(asset: &Asset) -> Vec<String> {
    let answer = asset.answer(&HeaderMap::new());
    let text = String::from_utf8(answer.body().to_vec()).expect("text");
    let quoted = text.split('"');
    let referred = quoted.filter_map(|text| match asset.media_type {
        HTML => text.starts_with('_').then(|| text.to_owned()),
        _ => text
            .strip_prefix("./")
            .map(|name| format!("_console/{name}")),
    });
    referred.collect()
}

#[test]
fn a_page_holds_no_script_and_no_style() {
    for page in [&DOCS[0], &CONSOLE[0]] {
        let answer = page.answer(&HeaderMap::new());
        let text = std::str::from_utf8(answer.body()).expect("text");
        for forbidden in [
            "<style",
            " style=",
            "<script>",
            " onclick=",
            "http://",
            "https://",
        ] {
            assert!(!text.contains(forbidden), "{:?} {forbidden}", page.path);
        }
    }
}

#[test]
fn every_file_that_is_referred_to_is_there_and_every_file_is_referred_to() {
    // The bundle names its licences in its first line.
    let licences = "_docs/swagger-ui-5.35.0/swagger-ui-bundle.js.LICENSE.txt";
    for (page, first) in [(DOCS, vec!["docs", licences]), (CONSOLE, vec!["_console"])] {
        let paths: Vec<String> = page.iter().map(|asset| asset.path.join("/")).collect();
        let ours = page.iter().filter(|asset| !asset.is_packed());
        let referred: Vec<String> = ours.flat_map(references).collect();
        let is_file = |path: &&String| path.contains('.');
        let missing = referred
            .iter()
            .filter(is_file)
            .find(|path| !paths.contains(path));
        assert_eq!(missing, None);
        let unused = paths.iter().filter(|path| !referred.contains(path));
        assert_eq!(unused.collect::<Vec<_>>(), first);
    }
}
