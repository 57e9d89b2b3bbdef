"""64 KiB of JSON, a long key over a long list, which flattened would be megabytes of rows: 2,000 of them, then 100 a
second beside 10,000 good messages a second, then a kill and a start. It must stay within its memory and lose no good
message that the kernel did not drop and count."""
import json, pathlib, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, accounted, attacked, in_background, main, stored

BOMBS, SECONDS, GOOD_PER_SECOND, BOMBS_PER_SECOND = 2_000, 5, 10_000, 100
KEY_BYTES, DATAGRAM_BYTES = 110, 64_000


def bomb():
    items = (DATAGRAM_BYTES - KEY_BYTES - 100) // 2
    return json.dumps({"type": "bomb", "fields": {"k" * KEY_BYTES: [1] * items}}, separators=(",", ":")).encode()


def attack(binary):
    datagram = bomb()
    with attacked(binary, roll="5s") as metlog:
        sender, good = Sender(metlog.metlog), Sender(metlog.metlog)
        sender.send([datagram] * BOMBS, 500)
        accounted(metlog, BOMBS)
        before = metlog.ledger()["dropped_by_kernel"]
        beside = in_background(sender.send, [datagram] * (BOMBS_PER_SECOND * SECONDS), BOMBS_PER_SECOND)
        count = GOOD_PER_SECOND * SECONDS
        good.send((b'{"type":"good","payload":"%d"}' % n for n in range(count)), GOOD_PER_SECOND)
        beside.join()
        ledger = accounted(metlog, sender.sent + good.sent)
        dropped = ledger["dropped_by_kernel"] - before
        metlog.kill()
        metlog.start()
        stored(metlog, 120)
        rows = metlog.one("select count(*) from messages where type = 'good'")
        assert rows >= count - dropped, f"{count} good messages were sent, the kernel dropped {dropped}, {rows} are there"
        assert dropped <= count // 10, f"the kernel dropped {dropped} beside the bombs"
        return f"{rows} of {count} good messages beside {sender.sent} bombs, {metlog.peak_mib()} MiB"


main(attack)
