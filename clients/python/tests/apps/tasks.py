"""A celery worker over files, whose tasks send."""

import os
import pathlib

import celery

import metlog

folder = pathlib.Path(os.environ["FOLDER"])
for name in ("queue", "processed"):
    (folder / name).mkdir(parents=True, exist_ok=True)
app = celery.Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(folder / "queue"),
    "data_folder_out": str(folder / "queue"),
    "control_folder": str(folder / "control"),
}
metlog.init(logger="celery")


@app.task
def work(n):
    metlog.send(("work",), str(n))
    metlog.incr("tasks")
