"""Children of multiprocessing, by fork or spawn, each of which sends."""

import multiprocessing
import sys
import time

import metlog


def work(n):
    if not metlog.stats().queued and metlog.send(("x",)) is metlog.Outcome.OFF:
        metlog.init(logger="pool")  # a spawned child begins with nothing
    metlog.send(("work",), str(n))
    time.sleep(0.005)  # so that no child does it all
    return n


def main():
    metlog.init(logger="pool")
    metlog.send(("parent",), "before")
    with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
        pool.map(work, range(300), chunksize=5)
        pool.close()
        pool.join()
    metlog.send(("parent",), "after")


if __name__ == "__main__":
    main()
