"""The lines of Python in README.md for notebooks, run as they stand there, but for the address and the folder of this test's metlog.

    python3 notebook.py BINARY       (with the packages duckdb, pandas, pyarrow and requests)
"""
import pathlib, re, sys
from metlog_process import run, running, until

README = pathlib.Path(__file__).parents[2] / "README.md"
SECTION = README.read_text().split("\n## From a notebook\n")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def lines(binary):
    assert len(BLOCKS) >= 2, "README.md has no lines of Python"
    with running(binary) as metlog:
        metlog.send(metlog.metlog, ['{"type": "login", "logger": "shop", "payload": "jo"}'] * 3)
        url = f"file://{metlog.folder}/warehouse"
        until("it is stored", lambda: list(metlog.folder.rglob("messages/dt=*/hour=*/*.parquet")) and metlog.ledger()["stored"] == 3)
        for block in BLOCKS:
            text = block.replace("data/warehouse", url.removeprefix("file://")).replace("127.0.0.1:5580", f"127.0.0.1:{metlog.http}")
            assert text != block, f"neither the folder nor the address of metlog is in:\n{block}"
            # The last line is what a notebook shows.
            *before, last = text.strip().splitlines()
            names = {}
            exec("\n".join(before), names)
            frame = eval(last, names)
            assert type(frame).__name__ == "DataFrame" and len(frame) == 1, f"{block}\ngives {frame!r}"
            row = frame.iloc[0].to_dict()
            assert row["logger"] == "shop" and row["n"] == 3, row
        return f"{len(BLOCKS)} blocks give a DataFrame"


if __name__ == "__main__":
    run([lines], sys.argv[1])
