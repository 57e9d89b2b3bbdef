"""Types into a program that runs in a terminal of its own, and shows what it shows there.

Usage: terminal.py KEYS PROGRAM ARGUMENT...

KEYS are written as in Python, with `|` where the program's output is waited for. Ends with the program's exit code.
"""
import os
import pty
import select
import sys

QUIET_SECONDS = 0.7

keys = [part.encode().decode("unicode_escape").encode() for part in sys.argv[1].split("|")]
process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    ready, _, _ = select.select([terminal], [], [], QUIET_SECONDS)
    if ready:
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            break
        if not shown:
            break
        sys.stdout.buffer.write(shown)
    elif keys:
        os.write(terminal, keys.pop(0))
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
