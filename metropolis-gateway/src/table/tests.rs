use metropolis::route::Route;

use super::*;

fn table(routes: &[&'static str]) -> Table<&'static str> {
    let routes: Vec<(&'static str, Route)> = routes
        .iter()
        .map(|text| (*text, Route::parse(text).expect("a route")))
        .collect();
    Table::of(
        routes
            .iter()
            .map(|(text, route)| (route.method, route.segments(), *text)),
    )
}

/// What a request finds: the route and the values, or why not.
fn find(table: &Table<&'static str>, method: &str, path: &str) -> String {
    let found = || -> Result<String, PathError> {
        let path = canonical(path)?;
        let Some(found) = table.find(&path)? else {
            return Ok("404".to_owned());
        };
        let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
        Ok(match found.methods.get(&method) {
            Some(route) => format!("{route} {:?}", found.values),
            None => format!("405 {}", found.methods.allow().to_str().expect("ASCII")),
        })
    };
    found().unwrap_or_else(|error| format!("400 {error}"))
}

#[test]
fn a_literal_beats_a_parameter_in_any_order() {
    for routes in [
        ["GET /users/{id}", "GET /users/me"],
        ["GET /users/me", "GET /users/{id}"],
    ] {
        let table = table(&routes);
        assert_eq!(find(&table, "GET", "/users/me"), "GET /users/me []");
        assert_eq!(find(&table, "GET", "/users/m"), "GET /users/{id} [\"m\"]");
        assert_eq!(
            find(&table, "GET", "/users/mee"),
            "GET /users/{id} [\"mee\"]"
        );
    }
}

#[test]
fn a_literal_that_leads_nowhere_does_not_hide_a_parameter() {
    let table = table(&["GET /{a}/x", "GET /b/y"]);
    assert_eq!(find(&table, "GET", "/b/x"), "GET /{a}/x [\"b\"]");
}

#[test]
fn parameters_of_one_place_may_have_different_names() {
    let table = table(&[
        "GET /users/{id}",
        "DELETE /users/{key}",
        "GET /users/{who}/name",
    ]);
    assert_eq!(
        find(&table, "DELETE", "/users/7"),
        "DELETE /users/{key} [\"7\"]"
    );
    assert_eq!(
        find(&table, "GET", "/users/7/name"),
        "GET /users/{who}/name [\"7\"]"
    );
}

#[test]
fn another_method_is_told_which_there_are() {
    let table = table(&["GET /a", "PUT /a", "POST /b"]);
    assert_eq!(find(&table, "POST", "/a"), "405 GET, PUT, HEAD, OPTIONS");
    assert_eq!(find(&table, "HEAD", "/b"), "405 POST, OPTIONS");
    assert_eq!(find(&table, "get", "/b"), "405 POST, OPTIONS");
    assert_eq!(find(&table, "HEAD", "/a"), "GET /a []");
}

#[test]
fn paths_are_compared_segment_by_segment() {
    let table = table(&["GET /a/b", "GET /x/{y}", "GET /x/{y}/z"]);
    for path in [
        "/a/b/", "//a/b", "/a//b", "/a", "/a/b/c", "/A/b", "/a%2Fb", "/x/", "/x//z", "", "*", "/",
    ] {
        assert_eq!(find(&table, "GET", path), "404", "{path}");
    }
}

#[test]
fn every_spelling_of_a_literal_is_the_same_path() {
    let table = table(&["GET /foo/b-r"]);
    for path in ["/foo/b-r", "/%66oo/b-r", "/f%6F%6f/b-r", "/foo/b%2Dr"] {
        assert_eq!(find(&table, "GET", path), "GET /foo/b-r []", "{path}");
    }
}

#[test]
fn a_parameter_is_decoded_once() {
    let table = table(&["GET /x/{y}"]);
    for (raw, value) in [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("%252F", "%2F"),
        ("%2A", "*"),
        ("%3E", ">"),
        ("a.b", "a.b"),
        ("%20", " "),
        ("a+b", "a+b"),
        ("%C3%A9", "é"),
        ("%0D%0A", "\r\n"),
        ("...", "..."),
    ] {
        let expected = format!("GET /x/{{y}} [{value:?}]");
        assert_eq!(find(&table, "GET", &format!("/x/{raw}")), expected, "{raw}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let table = table(&["GET /x/{y}"]);
    for raw in [
        "%",
        "%4",
        "%zz",
        "%+5",
        "%FF",
        "%C0%AE",
        "%ED%A0%80",
        "%00",
        "a%00b",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2E",
        "%é",
    ] {
        let found = find(&table, "GET", &format!("/x/{raw}"));
        assert!(found.starts_with("400 "), "{raw} gives {found}");
    }
}

#[test]
fn a_thousand_routes_are_found_one_by_one() {
    let texts: Vec<&'static str> = (0..1000)
        .map(|number| &*Box::leak(format!("GET /r{number}/{{id}}").into_boxed_str()))
        .collect();
    let table = table(&texts);
    assert_eq!(find(&table, "GET", "/r999/5"), "GET /r999/{id} [\"5\"]");
}
