"""Drives a program that draws on a terminal of its own.

Usage: screen.py PROGRAM ARGUMENT...

Reads one step a line, and writes a line when it is done: `wait TEXT` until that is drawn, `send KEYS` (as in Python),
`signal NAME`, `end` until the program ends. The answer to `end` is its exit code and whether it has restored the terminal.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE_SECONDS = 60
LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"

process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(terminal)
drawn = b""


def read(seconds):
    """What the program draws within that time is added; false where it has ended."""
    global drawn
    if select.select([terminal], [], [], seconds)[0]:
        try:
            drawn += os.read(terminal, 65536)
        except OSError:
            return False
    return True


for line in sys.stdin:
    step, _, text = line.rstrip("\n").partition(" ")
    text = text.encode().decode("unicode_escape").encode("latin-1")
    until = time.monotonic() + PATIENCE_SECONDS
    done = "ok"
    if step == "send":
        drawn = b""
        os.write(terminal, text)
    elif step == "signal":
        os.kill(process, getattr(signal, f"SIG{text.decode()}"))
    elif step == "wait":
        while text not in drawn and read(0.1):
            if time.monotonic() > until:
                sys.exit(f"no {text!r} in what was drawn last: {drawn[-2000:]!r}")
        drawn = drawn.partition(text)[2]
    elif step == "end":
        while read(0.1) and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until:
                sys.exit("it does not end")
        read(0.1)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        is_restored = LEAVES_SCREEN in drawn and SHOWS_CURSOR in drawn
        is_restored = is_restored and termios.tcgetattr(terminal)[3] == before[3]
        done = f"{code} {'restored' if is_restored else 'not restored'}"
    print(done, flush=True)
