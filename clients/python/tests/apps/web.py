"""A WSGI and an ASGI application that send a message for each request, and one when they are loaded."""

import os
import urllib.parse

import metlog

metlog.init(logger="web")  # the destination is in the environment
metlog.send(("loaded",), str(os.getpid()))


def handle(query):
    wanted = urllib.parse.parse_qs(query)
    metlog.send(("request",), wanted["n"][0])
    metlog.incr("requests")
    if "busy" in wanted:
        sum(range(1_000_000))


def application(environ, start_response):
    handle(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    handle(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
