"""More datagrams than a small receive buffer can take: while the kernel drops them, `/health` must say so each time, the
ledger must count them, and `status` must not say that all is well."""
import pathlib, subprocess, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, attacked, in_background, main
from metlog_process import until

SECONDS, PER_SECOND = 5, 200_000


def attack(binary):
    with attacked(binary, listener='receive_buffer = "64KiB"\n') as metlog:
        sender, ended, looked = Sender(metlog.metlog), [], []
        message = b'{"type":"many","payload":"' + b"x" * 1_000 + b'"}'

        def flood():
            while not ended:
                sender.send([message] * 2_000, PER_SECOND)

        threads, before = [in_background(flood)], metlog.ledger()["dropped_by_kernel"]
        until("the kernel drops", lambda: metlog.ledger()["dropped_by_kernel"] > before)
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            before = metlog.ledger()["dropped_by_kernel"]
            time.sleep(0.5)
            health = metlog.health()
            if metlog.ledger()["dropped_by_kernel"] > before:
                looked.append(bool(health["problems"]) and not health["ok"])
        ended.append(True)
        [thread.join() for thread in threads]
        assert looked and all(looked), f"/health was without a problem in {looked.count(False)} of {len(looked)} looks"
        until("all are counted", lambda: (ledger := metlog.ledger())["received"] + ledger["dropped_by_kernel"] == sender.sent)
        status = subprocess.run([binary, "status", "--server", f"127.0.0.1:{metlog.http}"], capture_output=True, text=True)
        dropped = metlog.ledger()["dropped_by_kernel"]
        said = status.stdout + status.stderr
        assert any(text in said for text in (str(dropped), f"{dropped:,}")), f"status does not tell of {dropped} dropped: {said}"
        return f"{dropped} of {sender.sent} dropped, told in each of {len(looked)} looks"


main(attack)
