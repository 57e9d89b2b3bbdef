"""The vectors that all languages share: datagrams and lines, byte for byte."""

import json
import pathlib

import metlog
from metlog import _wire

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "schemas" / "examples"
#: Datagrams that a reader must accept and that this writer does not make; those of spans are tested with the spans.
ONLY_READ = ("cut", "later_values", "longer_than_needed", "one_bad", "is_none", "time_at_the_end", "span", "ping")


def datagrams():
    for path in sorted(EXAMPLES.glob("wire.v1.*.pass.hex")):
        if not any(word in path.name for word in ONLY_READ):
            expected = bytes.fromhex(path.read_text())
            yield path.name, expected, json.loads(path.with_suffix(".json").read_text())


def frame(header, message):
    own = {}
    if message["logger"] != header["logger"]:
        own["logger"] = _wire.name(message["logger"])
    if (message["hostname"], message["pid"]) != (header["hostname"], header["pid"]):
        own["origin"] = _wire.name(message["hostname"]) + _wire.signed_varint(message["pid"])
    if message["env_version"] != "1":
        own["env_version"] = _wire.name(message["env_version"])
    return _wire.frame(
        header["opened_at"],
        message["timestamp"],
        message["severity"],
        _wire.name(message["type"]),
        _wire.texts(message["tokens"]),
        _wire.text(message["payload"]),
        _wire.pairs(message["fields"]),
        **own,
    )


def test_datagrams():
    names = []
    for name, expected, example in datagrams():
        header = example["header"]
        key = _wire.Key(header["key_id"], example["secret"].encode()) if header["key_id"] else None
        beat = example.get("heartbeat")
        sender = beat["sender"] if beat else header["sender"]
        writer = _wire.Datagrams(65_507, sender, header["pid"], header["hostname"], header["logger"], key)
        if beat:
            made = writer.heartbeat(header["opened_at"], beat["next"], beat["dropped"])
        else:
            frames = b"".join(frame(header, message) for message in example["messages"])
            made = writer.datagram(header["sequence"], header["opened_at"], header["dropped"], frames)
        assert made == expected, name
        names.append(name)
    assert len(names) >= 7, names


def test_lines():
    for example in json.loads((EXAMPLES / "client.statsd.json").read_text()):
        captured = metlog.Captured()
        client = metlog.Client(destinations=[], statsd_destination=captured)
        call = getattr(client, example["call"])
        arguments = [example["name"]] + ([example["value"]] if "value" in example else [])
        assert call(*arguments) is metlog.Outcome.QUEUED
        client.close()
        assert captured.datagrams == [example["line"].encode()]


def test_nested_fields_are_those_of_metlog_json():
    document = json.loads((EXAMPLES / "metlog_json.fields_nested.pass.json").read_text())
    expected = json.loads((EXAMPLES / "metlog_json.fields_nested.message.json").read_text())["fields"]
    from metlog._values import flat

    made = [list(pair) for pair in flat(document["fields"])]
    # JSON's 2.0 is Python's float 2.0, which is written as the number that it is.
    assert made == [[key, "2" if value == "2.0" else value] for key, value in expected]
