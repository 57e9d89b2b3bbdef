"""A service behind our middlewares, as W3C's suite for trace context asks for one: it is posted a list of
``{"url", "arguments"}``, and posts the arguments to each url, going on with the trace.

``python w3c.py wsgi|asgi PORT`` serves it by wsgiref or uvicorn.
"""

import asyncio
import contextvars
import json
import sys
import urllib.request

import metlog
import metlog.asgi
import metlog.propagation
import metlog.wsgi


def _go_on(body):
    for action in json.loads(body or b"null") or []:
        # Each call is a span of its own, as the suite expects.
        with metlog.span("call", kind="client"):
            headers = {"Content-Type": "application/json"}
            metlog.propagation.inject(metlog.current_context(), headers)
            data = json.dumps(action["arguments"]).encode()
            request = urllib.request.Request(action["url"], data, headers)
            with urllib.request.urlopen(request, timeout=10) as response:
                response.read()


def _wsgi(environ, start_response):
    _go_on(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"null"]


async def _asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    inside = contextvars.copy_context()
    await asyncio.get_running_loop().run_in_executor(None, inside.run, _go_on, body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"null"})


application = metlog.wsgi.Middleware(_wsgi)
asgi = metlog.asgi.Middleware(_asgi)


if __name__ == "__main__":
    metlog.init(destinations=metlog.Captured(), statsd=False)
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "wsgi":
        import wsgiref.simple_server

        with wsgiref.simple_server.make_server("127.0.0.1", port, application) as server:
            server.serve_forever()
    else:
        import uvicorn

        uvicorn.run(asgi, host="127.0.0.1", port=port, log_level="error", lifespan="off")
