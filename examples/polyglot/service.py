"""The Python half of `polyglot`: `python examples/polyglot/service.py [nats://127.0.0.1:4222]`, with nats-py alone.

A task is a subject that takes one JSON document and answers another. The metadata is for the gateway: without it the
route of `words.count` is `POST /words/count`, as it would be in Rust.
"""

import asyncio
import json
import signal
import sys

import nats
import nats.micro


async def main(url):
    client = await nats.connect(url)
    service = await nats.micro.add_service(client, name="words", version="1.0.0")

    async def count(request):
        text = json.loads(request.data)["text"]
        await request.respond(json.dumps({"words": len(text.split())}).encode())

    async def greet(request):
        name = json.loads(request.data)["name"]
        # A task in Rust, called as anybody calls it.
        shouted = await client.request("text.shout", json.dumps({"text": name}).encode(), timeout=2)
        code = (shouted.headers or {}).get("Nats-Service-Error-Code")
        if code:
            await request.respond_error(code, shouted.headers["Nats-Service-Error"])
        else:
            await request.respond(json.dumps({"greeting": "Hello " + json.loads(shouted.data)["text"]}).encode())

    await service.add_endpoint(name="count", subject="words.count", handler=count)
    await service.add_endpoint(
        name="greet", subject="words.greet", handler=greet, metadata={"metropolis.http": "GET /greetings/{name}"}
    )
    # Not needed: without it the gateway finds this service within its polling interval.
    info = service.info()
    await client.publish(f"metropolis.announce.{info.name}.{info.id}", json.dumps(info.to_dict()).encode())
    print("serving", flush=True)

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
    await client.publish(f"metropolis.leave.{info.name}.{info.id}", b"")
    await service.stop()
    await client.drain()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222"))
