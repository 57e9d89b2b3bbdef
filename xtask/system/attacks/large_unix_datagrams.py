"""Unix datagrams larger than any buffer: 64 KiB and more. One that does not fit must be refused as a whole and counted,
and no value of it may be stored, least of all one that was cut in the middle."""
import pathlib, socket, sys, tempfile
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import attacked, main
from metlog_process import until

LINE, BUFFER_BYTES = b"attack.cut:10|c|@0.1|#env:prod\n", 64 * 1024
SIZES = [BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 100_000, 200_000] + [BUFFER_BYTES + n for n in range(2, 32)]


def attack(binary):
    with tempfile.TemporaryDirectory(prefix="metlog-") as folder:
        paths = {name: f"{folder}/{name}" for name in ("metlog", "statsd")}
        listener = "".join(f'{name}_unix = "{path}"\n' for name, path in paths.items())
        with attacked(binary, listener=listener) as metlog:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
                sender.connect(paths["statsd"])
                lines = 0
                for size in SIZES:
                    whole = LINE * (size // len(LINE))
                    # The end of the buffer falls at another place of a line each time.
                    datagram = b"x" * (size - len(whole) - 1) + b"\n" + whole if size > len(whole) else whole
                    lines += len(whole) // len(LINE)
                    sender.send(datagram)
                sender.send(b"attack.end:1|c")
                sender.connect(paths["metlog"])
                for size in SIZES:
                    sender.send(b'{"type":"large","payload":"' + b"x" * (size - 29) + b'"}')
                sender.send(b'{"type":"end"}')
            until("the last ones are there", lambda: metlog.one("select count(*) from messages where type = 'end'") == 1)
            until("the window is closed", lambda: metlog.one("select count(*) from metrics where name = 'attack.end'") == 1)
            ledger = metlog.ledger()
            rows = metlog.sql("select name, sum(count) as count from metrics where name like 'attack.cut%' group by name")
            tags = metlog.one("select count(*) from metrics where name = 'attack.cut' and cardinality(tags) = 0")
            value = sum(row["count"] for row in rows)
            values = round(value / 100)
            large = metlog.one("select count(*) from messages where type = 'large'")
            assert tags == 0, "a value was stored without its tags"
            assert value % 100 == 0, f"a value was stored without its rate: {value}"
            refused = ledger["rejected"]
            assert values + large + refused >= len(SIZES), f"datagrams are counted nowhere: {ledger}"
            fit = sum(size // len(LINE) for size in SIZES if size <= BUFFER_BYTES)
            assert values in (fit, fit - (BUFFER_BYTES // len(LINE)), lines), f"{values} of {lines} values are stored, where {fit} fit"
            return f"{values} of {lines} values stored, {large} of {len(SIZES)} messages, {refused} refused"


main(attack)
