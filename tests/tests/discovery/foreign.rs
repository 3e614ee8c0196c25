//! Services that know nothing of us: written with nats-py, described by our metadata or not, or not described at all.

use std::ffi::OsString;

use metropolis_tests::{Process, python};

use super::*;

const SERVICE: &str = r#"
import asyncio, json, sys
import nats, nats.micro

async def main():
    client = await nats.connect(sys.argv[1])
    service = await nats.micro.add_service(client, name="stranger", version="2.1.0")

    async def plain(request):
        await request.respond(b"got " + request.data)
    async def add(request):
        numbers = json.loads(request.data)
        await request.respond(json.dumps({"sum": numbers["a"] + numbers["b"]}).encode())
    async def show(request):
        await request.respond(json.dumps({"subject": request.subject, "input": json.loads(request.data)}).encode())
    async def fail(request):
        await request.respond_error("422", "no such thing", data=b"")

    await service.add_endpoint(name="plain", subject="strange.plain", handler=plain)
    await service.add_endpoint(name="add", subject="strange.add", handler=add)
    await service.add_endpoint(name="seen", subject="strange.seen.get", handler=show)
    await service.add_endpoint(name="fail", subject="strange.fail", handler=fail)
    await service.add_endpoint(name="hidden", subject="strange.hidden", handler=show, metadata={"metropolis.http": "none"})
    await service.add_endpoint(name="routed", subject="strange.things.*", handler=show, metadata={
        "metropolis.subject": "strange.things.{id}", "metropolis.http": "PUT /things/{id}/state", "metropolis.timeout-ms": "1500"})
    print("serving", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

async fn script(text: &str, arguments: impl IntoIterator<Item = String>) -> Process {
    let arguments = ["-c".to_owned(), text.to_owned()]
        .into_iter()
        .chain(arguments);
    let process = Process::program(python::python().await)
        .args(arguments.map(OsString::from))
        .start()
        .await;
    process.wait_for_line(|line| line == "serving").await;
    process
}

#[tokio::test]
async fn a_service_written_with_nats_py_is_served_by_its_subjects_or_by_its_own_routes() {
    let network = network(&["strange.>"]).await;
    // It announces nothing, so it has to be found.
    let gateway = gateway(&network, Duration::from_millis(300)).await;
    let address = gateway.address();
    let _service = script(SERVICE, [network.url(WITNESS)]).await;
    answers(address, "GET", "/strange/seen", 200).await;
    let mut client = HttpClient::connect(address).await;

    let sum = client
        .send("POST", "/strange/add", &[JSON], r#"{"a":1,"b":2}"#)
        .await;
    assert_eq!(
        (sum.status, sum.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(sum.json::<Value>(), json!({ "sum": 3 }));

    let plain = client.send("POST", "/strange/plain", &[JSON], "{}").await;
    assert_eq!((plain.status, plain.text().as_str()), (200, "got {}"));
    assert_eq!(
        plain.header("content-type"),
        Some("application/octet-stream")
    );

    let seen = client.send("GET", "/strange/seen?a=1&b=x", &[], "").await;
    assert_eq!(
        seen.json::<Value>()["input"],
        json!({ "a": "1", "b": "x" }),
        "{}",
        seen.text()
    );

    let routed = client
        .send("PUT", "/things/a.b/state", &[JSON], r#"{"on":true}"#)
        .await;
    assert_eq!(
        routed.json::<Value>(),
        json!({ "subject": "strange.things.a%2Eb", "input": { "on": true } })
    );

    let failed = client.send("POST", "/strange/fail", &[JSON], "{}").await;
    assert_eq!(
        (failed.status, failed.header("content-type")),
        (422, Some("application/problem+json"))
    );
    assert_eq!(failed.json::<Value>()["detail"], "no such thing");
    assert_eq!(
        client
            .send("POST", "/strange/hidden", &[JSON], "{}")
            .await
            .status,
        404
    );

    let document: Value = client.send("GET", "/openapi.json", &[], "").await.json();
    assert!(document["paths"]["/things/{id}/state"]["put"].is_object());
    let listed = listed(address).await;
    assert_eq!(
        (
            &listed["services"][0]["service"],
            &listed["services"][0]["version"]
        ),
        (&json!("stranger"), &json!("2.1.0"))
    );
}

/// The predecessor's worker, as far as the wire is concerned.
const PREDECESSOR: &str = r#"
import asyncio, json, sys
import nats

async def main():
    client = await nats.connect(sys.argv[1])

    def task(function):
        async def handle(message):
            try:
                code, data = 200, function(**json.loads(message.data))
            except Exception as error:
                code, data = 500, str(error)
            await message.respond(json.dumps({"code": code, "data": data}).encode())
        return handle

    await client.subscribe("foo.bar.GET", "worker", task(lambda data: data[0][::-1]))
    await client.subscribe("foo.baz.get", "worker", task(lambda **input: input))
    print("serving", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

const ROUTES: &str = r#"
[[route]]
method = "GET"
path = "/foo/bar"
subject = "foo.bar.GET"
format = "legacy"

[[route]]
method = "GET"
path = "/foo/baz/{id}"
subject = "foo.baz.get"
format = "legacy"

[[route]]
method = "POST"
path = "/raw/{kind}"
subject = "plain.{kind}"
timeout = "300ms"
"#;

#[tokio::test]
async fn responders_that_announce_nothing_have_routes_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, ROUTES).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let network = binary::network(&config).await;
    let (_gateway, address) = binary::started(&network, &config).await;
    let _worker = script(PREDECESSOR, [network.url(WITNESS)]).await;
    let bus = network.connect(WITNESS).await;
    let mut client = HttpClient::connect(address).await;

    let reversed = client.send("GET", "/foo/bar?data=asdf", &[], "").await;
    assert_eq!(
        (reversed.status, reversed.text().as_str()),
        (200, "\"fdsa\"")
    );
    assert_eq!(reversed.header("content-type"), Some("application/json"));
    let lists = client.send("GET", "/foo/baz/7?a=1&a=2", &[], "").await;
    assert_eq!(
        lists.json::<Value>(),
        json!({ "id": ["7"], "a": ["1", "2"] })
    );
    let failed = client.send("GET", "/foo/bar?other=1", &[], "").await;
    assert_eq!(failed.status, 500);
    assert!(!failed.text().contains("argument"), "{}", failed.text());

    let mut plain = bus.subscribe("plain.*", None, 16).await.unwrap();
    let requests = async {
        let answered = client
            .send("POST", "/raw/a%20b", &[JSON], r#"{"x":1}"#)
            .await;
        assert_eq!((answered.status, answered.text().as_str()), (200, "[1]"));
        // Nobody answers the second one, and the route's own timeout ends it.
        let begun = Instant::now();
        let late = client.send("POST", "/raw/late", &[JSON], "{}").await;
        assert_eq!(late.status, 504, "{}", late.text());
        assert!(begun.elapsed() < Duration::from_secs(5));
    };
    let responses = async {
        let request = plain.next().await.unwrap();
        assert_eq!(
            (request.subject.as_str(), &request.payload[..]),
            ("plain.a%20b", &b"{\"x\":1}"[..])
        );
        publish(&bus, request.reply.unwrap().to_string(), "[1]").await;
    };
    tokio::join!(requests, responses);
    let listed = listed(address).await;
    assert_eq!(listed["routes"].as_array().unwrap().len(), 3);
}

/// The bytes of the predecessor's wire, in both spellings of the method.
#[tokio::test]
async fn the_predecessors_wire_is_spoken_to_the_byte() {
    let network = network(&["foo.>"]).await;
    let bus = network.connect(WITNESS).await;
    for subject in ["foo.bar.GET", "foo.bar.get"] {
        let mut route = metropolis_gateway::StaticRoute::new("GET /foo/bar", subject);
        route.format = metropolis_gateway::Format::Legacy;
        let gateway = discovering(&network, NEVER)
            .await
            .with_route(route)
            .start()
            .await
            .unwrap();
        ready(gateway.address()).await;
        let mut requests = bus.subscribe(subject, None, 16).await.unwrap();
        let mut client = HttpClient::connect(gateway.address()).await;
        let asked = client.send("GET", "/foo/bar?data=asdf", &[], "");
        let answered = async {
            let request = requests.next().await.unwrap();
            assert_eq!(&request.payload[..], br#"{"data":["asdf"]}"#);
            publish(
                &bus,
                request.reply.unwrap().to_string(),
                r#"{"code":200,"data":"fdsa"}"#,
            )
            .await;
        };
        let (answer, ()) = tokio::join!(asked, answered);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "\"fdsa\""),
            "{subject}"
        );
        gateway.stop().await;
    }
}
