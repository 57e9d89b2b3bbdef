"""Logging and the web frameworks of PyPI."""

import asyncio
import logging

import pytest
from reader import messages

import metlog
import metlog.asgi
import metlog.handler
import metlog.wsgi


def capturing():
    sent, lines = metlog.Captured(), metlog.Captured()
    return metlog.Client(destinations=sent, statsd_destination=lines), sent, lines


def values(client, lines):
    client.close()
    return sorted(line.split(b":")[0].decode() for line in b"\n".join(lines.datagrams).split(b"\n"))


def logger_of(client, **config):
    logger = logging.Logger("auth.login")
    logger.addHandler(metlog.handler.Handler(client, **config))
    return logger


def test_records_become_messages():
    client, sent, _ = capturing()
    logger = logger_of(client)
    logger.warning("user %d failed", 25, extra={"userid": 25})
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("broken")
    logger.debug("%d", "no number")
    client.close()
    first, second, third = messages(sent)
    assert (first["type"], first["logger"], first["severity"]) == ("log", "auth.login", 4)
    assert first["payload"] == "user 25 failed"
    assert ["userid", "25"] in first["fields"] and ["level", "WARNING"] in first["fields"]
    assert second["severity"] == 3 and ["exception.type", "KeyError"] in second["fields"]
    assert (third["payload"], third["severity"]) == ("%d", 7)


def test_what_is_logged_while_a_record_is_handled_is_passed_over():
    client, sent, _ = capturing()
    logger = logger_of(client)

    class Chatty:
        def __str__(self):
            logger.error("again")
            return "chatty"

    logger.error("%s", Chatty())
    client.close()
    assert [message["payload"] for message in messages(sent)] == ["chatty"]


def test_structlog_and_loguru_end_in_the_handler():
    import loguru
    import structlog

    client, sent, _ = capturing()
    log = structlog.wrap_logger(logger_of(client), processors=[structlog.stdlib.render_to_log_kwargs])
    log.error("paid", amount=3)
    loguru.logger.remove()
    loguru.logger.add(metlog.handler.Handler(client), format="{message}")
    loguru.logger.warning("from loguru")
    client.close()
    first, second = messages(sent)
    assert first["payload"] == "paid" and ["amount", "3"] in first["fields"]
    assert second["payload"].strip() == "from loguru" and second["severity"] == 4


def call(app, environ):
    """As a server does, with the body read to its end."""
    status = []
    body = app(environ, lambda *given: status.append(given[0]))
    try:
        return status[0] if status else None, b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()


def test_wsgi_requests():
    client, _, lines = capturing()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/fails":
            raise KeyError
        start_response("404 Not Found", [])
        return [b"x"]

    wrapped = metlog.wsgi.Middleware(app, client)
    assert call(wrapped, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}) == ("404 Not Found", b"x")
    assert call(wrapped, {"REQUEST_METHOD": "BREW\n", "PATH_INFO": "/"})[0] == "404 Not Found"
    with pytest.raises(KeyError):
        call(wrapped, {"REQUEST_METHOD": "POST", "PATH_INFO": "/fails"})
    assert values(client, lines) == [
        "http.request", "http.request", "http.request",
        "http.response.get.404", "http.response.other.404", "http.response.post.500",
    ]  # fmt: skip


def test_wsgi_bodies_that_are_streamed_count_in_full_and_once():
    client, _, lines = capturing()

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        if environ["PATH_INFO"] == "/fails":
            raise KeyError
        yield b"b"

    wrapped = metlog.wsgi.Middleware(app, client)
    assert call(wrapped, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"})[1] == b"ab"
    with pytest.raises(KeyError):
        call(wrapped, {"REQUEST_METHOD": "GET", "PATH_INFO": "/fails"})
    left = wrapped({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    next(iter(left))
    left.close()
    assert values(client, lines) == ["http.request"] * 3 + ["http.response.get.200"] * 2 + ["http.response.get.500"]


def test_django():
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.test.client import RequestFactory
    from django.urls import path

    client, _, lines = capturing()
    settings.configure(
        ROOT_URLCONF=(path("hello", lambda request: HttpResponse("hi")),), ALLOWED_HOSTS=["*"], SECRET_KEY="x"
    )
    django.setup()
    application = metlog.wsgi.Middleware(get_wsgi_application(), client)
    assert call(application, RequestFactory().get("/hello").environ) == ("200 OK", b"hi")
    assert call(application, RequestFactory().get("/nothing").environ)[0] == "404 Not Found"
    assert "http.response.get.200" in values(client, lines)


def test_flask():
    import flask

    client, _, lines = capturing()
    app = flask.Flask("hello")
    app.add_url_rule("/", view_func=lambda: "hi")
    app.wsgi_app = metlog.wsgi.Middleware(app.wsgi_app, client)
    assert app.test_client().get("/").text == "hi"
    with app.test_client().post("/") as response:
        assert response.status_code == 405
    assert values(client, lines)[2:] == ["http.response.get.200", "http.response.post.405"]


def test_fastapi():
    import fastapi
    import fastapi.testclient

    client, _, lines = capturing()
    app = fastapi.FastAPI()

    @app.get("/")
    async def hello():
        await asyncio.sleep(0.01)
        return {"hello": "world"}

    @app.get("/fails")
    async def fails():
        raise KeyError

    @app.get("/stream")
    def stream():
        return fastapi.responses.StreamingResponse(iter([b"a", b"b"]))

    app.add_middleware(metlog.asgi.Middleware, client=client)
    with fastapi.testclient.TestClient(app, raise_server_exceptions=False) as browser:
        assert browser.get("/").json() == {"hello": "world"}
        assert browser.get("/fails").status_code == 500
        assert browser.get("/stream").text == "ab"
    assert values(client, lines)[3:] == ["http.response.get.200", "http.response.get.200", "http.response.get.500"]


def test_a_handlers_lock_can_be_used_as_one():
    handler = metlog.handler.Handler(metlog.Client(destinations=metlog.Captured(), statsd=False))
    # As ``logging`` does since Python 3.13, and over a fork.
    with handler.lock:
        handler.acquire()
        handler.release()
    handler.lock._at_fork_reinit()


def test_records_that_cannot_be_written_fail_nobody():
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError("no")

    sent = metlog.Captured()
    client = metlog.Client(destinations=sent, statsd=False)
    handler = metlog.handler.Handler(client)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("strange")
    logger.addHandler(handler)
    logger.info("%d", "x")
    try:
        raise Unspeakable
    except Unspeakable:
        logger.exception("failed")
    logger.info("and on")
    client.flush()
    texts = [message["payload"] for message in messages(sent)]
    assert texts[0] == "%d" and texts[-1].endswith("and on")
    client.close()
