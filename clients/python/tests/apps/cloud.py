"""Three services of OpenStack's parts in one process: an API and a placement service behind paste pipelines, and a
conductor that is asked by RPC. `cloud.py DIRECTORY MEMCACHED_PORT DESTINATION eventlet|threading COUNT` asks the API,
and prints what it answered.

One process, since the driver `fake://` of oslo.messaging knows no other one.
"""

import sys

FOLDER, MEMCACHED, DESTINATION, EXECUTOR, COUNT = sys.argv[1:]
if EXECUTOR == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import pathlib  # noqa: E402
import socketserver  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import wsgiref.simple_server  # noqa: E402

import oslo_messaging  # noqa: E402
import pymemcache  # noqa: E402
import requests  # noqa: E402
import sqlalchemy  # noqa: E402
from oslo_config import cfg  # noqa: E402
from paste.deploy import loadapp  # noqa: E402

import metlog  # noqa: E402
import metlog.hooks  # noqa: E402
import metlog.openstack  # noqa: E402

INI = """
[DEFAULT]
destinations = {destination}
statsd = false
sampling = 1.0
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
[filter:catch_errors]
paste.filter_factory = oslo_middleware:CatchErrors.factory
[filter:metlog_api]
paste.filter_factory = metlog.paste:factory
service_name = nova-api
[filter:metlog_placement]
paste.filter_factory = metlog.paste:factory
service_name = placement
hooks = all
[app:api_app]
paste.app_factory = __main__:api_factory
[app:placement_app]
paste.app_factory = __main__:placement_factory
[pipeline:nova]
pipeline = request_id metlog_api catch_errors api_app
[pipeline:placement]
pipeline = request_id metlog_placement placement_app
"""
TRANSPORT = "fake://"
STATE = {}


def api_factory(global_conf, **local_conf):
    def api(environ, start_response):
        allocated = requests.get(STATE["placement"] + "/allocations", timeout=20).text
        built = STATE["client"].call({"request_id": environ["openstack.request_id"]}, "build", name="vm")
        STATE["client"].cast({}, "tidy")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{allocated} {built}".encode()]

    return api


def placement_factory(global_conf, **local_conf):
    engine = sqlalchemy.create_engine(f"sqlite:///{FOLDER}/placement.sqlite")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table allocations (id integer primary key, host text)"))

    def placement(environ, start_response):
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("insert into allocations (host) values (:host)"), {"host": "node-1"})
            rows = connection.execute(sqlalchemy.text("select host from allocations limit 1")).all()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [rows[0][0].encode()]

    return placement


class Conductor:
    """The methods that are asked by RPC."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, notifier):
        self.cache = pymemcache.PooledClient(("127.0.0.1", int(MEMCACHED)))
        self.notifier = notifier

    def build(self, ctxt, name):
        assert not {"traceparent", "tracestate"} & set(ctxt), "the service sees its own context"
        if self.cache.get(f"image-{name}") is None:
            self.cache.set(f"image-{name}", b"1")
        self.notifier.info({}, "compute.instance.create", {"name": name})
        return "built"

    def tidy(self, ctxt):
        STATE.setdefault("tidied", []).append(1)


class Notified:
    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        STATE.setdefault("notified", []).append(event_type)


class Threading(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def serve(app):
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, Threading, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main():
    conf = cfg.CONF
    conf([])
    ini = pathlib.Path(FOLDER) / "api-paste.ini"
    ini.write_text(INI.format(destination=DESTINATION))
    placement, nova = (loadapp(f"config:{ini}", name=name) for name in ("placement", "nova"))
    conductor = metlog.Client(destinations=[DESTINATION], statsd=False, logger="nova-conductor")
    # In the process of a service of its own, the filter's `hooks` would do.
    metlog.hooks.install(client=conductor)
    serializer = metlog.openstack.Serializer(oslo_messaging.NoOpSerializer())
    transport = oslo_messaging.get_rpc_transport(conf, TRANSPORT)
    notifications = oslo_messaging.get_notification_transport(conf, TRANSPORT)
    notifier = oslo_messaging.Notifier(
        notifications, "conductor", driver="messaging", topics=["events"], serializer=serializer
    )
    target = oslo_messaging.Target(topic="conductor", server="host-1")
    rpc = oslo_messaging.get_rpc_server(transport, target, [Conductor(notifier)], EXECUTOR, serializer=serializer)
    listener = oslo_messaging.get_notification_listener(
        notifications, [oslo_messaging.Target(topic="events")], [Notified()], EXECUTOR, serializer=serializer
    )
    rpc.start()
    listener.start()
    STATE["client"] = oslo_messaging.get_rpc_client(
        transport, oslo_messaging.Target(topic="conductor"), serializer=serializer
    )
    STATE["placement"] = serve(placement)
    url = serve(nova)
    for _ in range(int(COUNT)):
        response = requests.get(url + "/servers", timeout=30)
        print(response.status_code, response.text, response.headers["x-openstack-request-id"], flush=True)
        assert response.status_code == 200
    deadline = time.monotonic() + 20
    while len(STATE.get("notified", ())) < int(COUNT) or len(STATE.get("tidied", ())) < int(COUNT):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # The last span ends behind the last method: five for each request, and `memcache:set` for the first.
    while conductor.stats().queued < 5 * int(COUNT) + 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


main()
