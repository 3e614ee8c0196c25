//! Peers that share no code with us: nats-py, and a socket.

use metropolis_tests::network::PASSWORD;
use metropolis_tests::python::run_python;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;

const PYTHON: &str = r#"
import asyncio, json, sys
import nats

async def main():
    client = await nats.connect(sys.argv[1])
    inbox = await client.subscribe(client.new_inbox())
    await client.publish("$SRV.INFO", b"", reply=inbox.subject)
    info = json.loads((await inbox.next_msg(timeout=5)).data)
    endpoint = next(e for e in info["endpoints"] if e["name"] == "get_user")
    value = await client.request(endpoint["subject"].replace("*", "7"), b'{"name":"Ada"}', timeout=5)
    fault = await client.request("discovery.users.0.get", b'{}', timeout=5)
    wrong = await client.request("discovery.users.7.get", b'{"name":5}', timeout=5)
    contract = await client.request("metropolis.contract." + endpoint["metadata"]["metropolis.contract"], timeout=5)
    stats = json.loads((await client.request("$SRV.STATS.people." + info["id"], timeout=5)).data)
    print(json.dumps({
        "type": info["type"],
        "value": json.loads(value.data), "value_headers": value.headers,
        "fault": json.loads(fault.data), "fault_headers": fault.headers,
        "wrong": json.loads(wrong.data),
        "contract": json.loads(contract.data), "parts": contract.headers["Metropolis-Parts"],
        "requests": sum(e["num_requests"] for e in stats["endpoints"]),
    }))
    await client.close()

asyncio.run(main())
"#;

#[tokio::test]
async fn nats_py_finds_a_task_calls_it_and_reads_its_faults() {
    let parts = Parts::on_a_server(people()).await;
    let worker = parts.worker().start().await.unwrap();
    let url = parts.network().url(WITNESS);
    let output = within(Duration::from_secs(120), run_python(PYTHON, [url])).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(seen["type"], "io.nats.micro.v1.info_response");
    assert_eq!(seen["value"], json!({ "id": 7, "name": "Ada" }));
    assert_eq!(seen["value_headers"], Value::Null);
    let headers = &seen["fault_headers"];
    assert_eq!(headers["Nats-Service-Error-Code"], "404");
    assert_eq!(headers["Nats-Service-Error"], "no user 0");
    assert_eq!(headers["Content-Type"], "application/problem+json");
    assert_eq!(headers["Metropolis-Instance"], worker.instance());
    assert_eq!(seen["fault"]["code"], "user_not_found");
    assert_eq!(seen["fault"]["data"]["id"], 0);
    assert_eq!(seen["wrong"]["data"]["pointer"], "/name");
    assert_eq!(seen["parts"], "1");
    assert_eq!(seen["contract"]["faults"][0]["code"], "user_not_found");
    assert_eq!(seen["requests"], 3);
    worker.stop().await;
}

/// What a server sent: a line, and the payload that followed it.
struct Frame {
    line: String,
    payload: Vec<u8>,
}

/// The next message on a connection that speaks NATS by hand.
async fn message(socket: &mut BufReader<TcpStream>) -> Frame {
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.unwrap();
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let length: usize = line.split_whitespace().last().unwrap().parse().unwrap();
            let mut payload = vec![0; length + "\r\n".len()];
            socket.read_exact(&mut payload).await.unwrap();
            payload.truncate(length);
            return Frame { line, payload };
        }
    }
}

#[tokio::test]
async fn a_socket_is_enough_to_call_a_task_and_to_ask_who_is_there() {
    let parts = Parts::on_a_server(people()).await;
    let worker = parts.worker().start().await.unwrap();
    let address = parts.network().server.address();
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    let options = json!({ "verbose": false, "headers": true, "user": WITNESS, "pass": PASSWORD });
    let hello = format!("CONNECT {options}\r\nSUB _INBOX.me.* 1\r\n");
    socket.write_all(hello.as_bytes()).await.unwrap();

    let call = b"PUB discovery.users.7.get _INBOX.me.1 14\r\n{\"name\":\"Ada\"}\r\n";
    socket.write_all(call).await.unwrap();
    let value = within(SOON, message(&mut socket)).await;
    assert_eq!(value.line, "MSG _INBOX.me.1 1 21\r\n");
    assert_eq!(value.payload, br#"{"id":7,"name":"Ada"}"#);

    let call = b"PUB discovery.users.0.get _INBOX.me.2 0\r\n\r\n";
    socket.write_all(call).await.unwrap();
    let fault = within(SOON, message(&mut socket)).await;
    let text = String::from_utf8(fault.payload).unwrap();
    assert!(
        fault.line.starts_with("HMSG _INBOX.me.2 1 "),
        "{}",
        fault.line
    );
    let (headers, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(headers.starts_with("NATS/1.0\r\n"), "{headers}");
    assert!(
        headers.contains("Nats-Service-Error-Code: 404"),
        "{headers}"
    );
    let problem: BTreeMap<String, Value> = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], "user_not_found");

    socket
        .write_all(b"PUB $SRV.PING _INBOX.me.3 0\r\n\r\n")
        .await
        .unwrap();
    let pong = within(SOON, message(&mut socket)).await;
    let ping: Ping = serde_json::from_slice(&pong.payload).unwrap();
    assert_eq!(ping.identity.id, worker.instance());
    worker.stop().await;
}
