"""A message that holds the bytes of a journal record of its own. Where the record around it is torn or damaged, the forged
one must not be read as a record when the journal is read back."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, accounted, attacked, main

COUNT = 50


def records(data, marker):
    """Where a record of the journal begins whose bytes hold the marker: from its own magic to the end of what it holds."""
    magic = data[:4]
    at = data.find(marker)
    return magic, data.rfind(magic, 0, at), at


def attack(binary):
    with attacked(binary, roll="1h") as metlog:
        sender = Sender(metlog.metlog)
        sender.send([b'{"type":"victim","payload":"forged-%d"}' % n for n in range(COUNT)], 1_000)
        accounted(metlog, COUNT)
        metlog.kill()
        journal = sorted((metlog.folder / "data/journal").glob("*"))[-1]
        data = journal.read_bytes()
        magic, begins, at = records(data, b"forged-0")
        if begins < 0:
            return "records have no magic that could be forged"
        forged = data[begins : at + 200]
        metlog.start()
        # Now as an attacker who has seen the format: the record inside of a datagram, as bytes of a statsd line.
        sender = Sender(metlog.metlog)
        for _ in range(COUNT):
            sender.send([b'{"type":"carrier","payload":"' + b"y" * 64 + b'"}' + forged[:1_000]], 1_000)
        metlog.get("/health")
        before = metlog.ledger()
        metlog.kill()
        journal = sorted((metlog.folder / "data/journal").glob("*"))[-1]
        data = bytearray(journal.read_bytes())
        # Damage in each record that carries a forged one: in front of it.
        at = data.find(b"carrier")
        while at >= 0:
            data[at] ^= 0xFF
            at = data.find(b"carrier", at + 1)
        journal.write_bytes(data)
        metlog.start()
        victims = metlog.one("select count(*) from messages where type = 'victim'")
        assert victims == COUNT, f"{victims} of {COUNT} messages: forged records were read"
        after = metlog.ledger()
        return f"{victims} of {COUNT} messages after damage around {COUNT} forged records; set aside {after['set_aside'] - before['set_aside']}"


main(attack)
