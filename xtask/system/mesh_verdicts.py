"""Verdicts over made-up windows: each fault is named within two windows, and nothing else is.

Usage: mesh_verdicts.py BINARY [CASE…]
"""
import datetime, sys, tempfile

from mesh_world import Fault, ask, places, store, verdicts_sql, windows

WINDOWS = 4
NODES = places()
ZONES = places(zones=4, racks=2, nodes=2)
X, Y = "z0r1n2", "z0r3n0"


def is_x(s, t):
    return s[0] == X


def of_rack(place):
    return place[2] == "r1"


def leaves_rack(s, t):
    return s[1:] != t[1:]


# Case: nodes, fault, and the verdicts that there must be, as (verdict, subject).
CASES = {
    "nothing": (NODES, Fault(), []),
    "a node is killed": (NODES, Fault(silent=lambda w, s: s[0] == X), [("host", X)]),
    "the link of a node is down": (NODES, Fault(dead=lambda w, s, t: is_x(s, t)), [("link_down", X)]),
    "20 % are lost on the way from a node": (NODES, Fault(loss=lambda w, s, t: 0.2 * is_x(s, t)), [("up_side", X)]),
    "1 % are lost on the way from a node": (NODES, Fault(loss=lambda w, s, t: 0.01 * is_x(s, t)), [("up_side", X)]),
    "5 % are lost on the way to a node": (NODES, Fault(loss=lambda w, s, t: 0.05 * is_x(t, s)), [("down_side", X)]),
    "1 % are lost on the way from a rack": (
        NODES, Fault(loss=lambda w, s, t: 0.01 * (of_rack(s) and not of_rack(t))), [("up_side", "z0/r1")]),
    "20 % are lost on the way to a rack": (
        NODES, Fault(loss=lambda w, s, t: 0.2 * (of_rack(t) and not of_rack(s))), [("down_side", "z0/r1")]),
    "a pair is black-holed": (NODES, Fault(dead=lambda w, s, t: (s[0], t[0]) == (X, Y)), [("black_hole", f"{X} - {Y}")]),
    "a 5-tuple is black-holed": (
        NODES, Fault(port=lambda w, s, t, port: (s[0], t[0]) == (X, Y) and port % 4 == 3), [("black_hole_tuple", f"{X} - {Y}")]),
    "one pair loses 10 % in one direction": (
        NODES, Fault(loss=lambda w, s, t: 0.1 * ((s[0], t[0]) == (X, Y))), [("lossy_pair", f"{X} -> {Y}")]),
    "one of two spines loses 1 %": (NODES, Fault(loss=lambda w, s, t: 0.005 * leaves_rack(s, t)), [("spine", "spine of z0")]),
    "one of two spines is dead": (
        NODES, Fault(port=lambda w, s, t, port: leaves_rack(s, t) and (port + ord(s[0][-1]) + ord(t[0][-1])) % 2), [("spine", "spine of z0")]),
    "a rack is cut off": (NODES, Fault(dead=lambda w, s, t: of_rack(s) and not of_rack(t)), [("cut_off", "z0/r1")]),
    "a rack is cut off and does not report": (NODES, Fault(silent=lambda w, s: of_rack(s)), [("cut_off", "z0/r1")]),
    "a zone is cut off": (ZONES, Fault(dead=lambda w, s, t: s[1] == "z2" != t[1]), [("cut_off", "z2")]),
    "2 % are lost on the way from a zone": (ZONES, Fault(loss=lambda w, s, t: 0.02 * (s[1] == "z2" != t[1])), [("up_side", "z2")]),
    "2 % are lost between zones": (ZONES, Fault(loss=lambda w, s, t: 0.02 * (s[1] != t[1])), [("spine", "spine between zones")]),
    "a host's CPU is taken": (
        NODES, Fault(late=lambda w, s, t: 0.3 * (X in (s[0], t[0])), loss=lambda w, s, t: 0.1 * is_x(t, s)), [("host", X)]),
    "the way between two racks is longer": (
        NODES, Fault(slower_us=lambda w, s, t: 500 * (w >= 2 and {s[2], t[2]} == {"r1", "r2"})), [("latency_shift", "z0/r1 - z0/r2")]),
    "a node joins": (NODES, Fault(), []),
    "a node leaves": (NODES, Fault(), []),
    "a clock is an hour ahead": (NODES, Fault(skew=lambda w, s, t: 3_000 * is_x(s, t)), []),
    "two racks lose 5 % each on the way out": (
        places(racks=6), Fault(loss=lambda w, s, t: 0.05 * (s[2] in ("r1", "r4") and s[2] != t[2])), [("up_side", "z0/r1"), ("up_side", "z0/r4")]),
}


def rows_of(name, begin):
    nodes, fault, _ = CASES[name]
    pings, probes = windows(nodes, WINDOWS, fault, begin)
    # Nobody probes a node that is not in the view yet, or that said that it leaves; and it says nothing itself.
    late = begin + datetime.timedelta(minutes=2, seconds=20)
    if name == "a node joins":
        pings = [row for row in pings if row[0] >= late or X not in row[2:4]]
    if name == "a node leaves":
        pings = [row for row in pings if row[0] < late or X not in row[2:4]]
    return pings, probes


def main():
    binary, names = sys.argv[1], sys.argv[2:] or list(CASES)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="metlog-mesh-") as warehouse:
        for place, name in enumerate(names):
            begin = datetime.datetime(2026, 3, 4, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=2 * place)
            pings, probes = rows_of(name, begin)
            store(warehouse, "pings", begin, pings)
            store(warehouse, "probes", begin, probes)
            found = ask(binary, warehouse, verdicts_sql(begin, begin + datetime.timedelta(minutes=WINDOWS, seconds=30)))
            expected = sorted(CASES[name][2])
            named = sorted({(row["verdict"], row["subject"]) for row in found})
            # The last two windows are wrong through and through.
            last = [(begin + datetime.timedelta(minutes=w)).strftime("T%H:%M") for w in (WINDOWS - 2, WINDOWS - 1)]
            recent = sorted({(row["verdict"], row["subject"]) for row in found if any(time in row["time"] for time in last)})
            is_right = named == recent == expected
            failed += not is_right
            evidence = "; ".join(found[0]["evidence"]) if found else "no verdict"
            print(f"{'pass' if is_right else 'FAIL'}  mesh_verdicts: {name}: {named} ({evidence})", flush=True)
            if not is_right:
                print(f"      expected {expected}; of the last two windows {recent}; all: {found}")
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
