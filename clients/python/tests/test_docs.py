"""The pages for readers: the API reference is complete and as the code is, and what they show as Python runs."""

import importlib.util
import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent.parent
PAGES = [HERE / "README.md", *sorted((HERE / "docs").glob("**/*.md"))]


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", HERE / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_api_reference_is_as_the_code_is(reference):
    assert reference.reference() == (HERE / "docs" / "api.md").read_text(), "run: python docs/reference.py"


def test_python_3_9_is_enough():
    program = pathlib.Path(sys.executable).parent / "vermin"
    command = [str(program), "-t=3.9-", "--violations", "--no-tips", str(HERE / "src")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_every_public_name_is_described(reference):
    missing = []
    for name in reference.modules():
        module = importlib.import_module(name)
        if not inspect.getdoc(module):
            missing.append(name)
        for own, value in reference.public(module):
            if callable(value) and not (inspect.isclass(value) and value.__doc__) and not inspect.getdoc(value):
                missing.append(f"{name}.{own}")
            if inspect.isclass(value):
                missing += [f"{name}.{own}.{at}" for at, inner in reference.methods(value) if not inspect.getdoc(inner)]
    assert not missing


def blocks():
    return list(_blocks())


def _blocks():
    """What the pages show as Python, but what begins with `# before`: that is of the other library."""
    for page in PAGES:
        for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)):
            if not code.startswith("# before"):
                yield pytest.param(code, id=f"{page.name}-{number}")


@pytest.mark.parametrize("code", blocks())
def test_what_the_pages_show_runs(code, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(HERE / "src"), "METLOG_DESTINATION": "127.0.0.1:9"}
    environment["METLOG_STATSD_DESTINATION"] = "127.0.0.1:9"
    (tmp_path / "example.py").write_text(code)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "example.py")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()[-2_000:]


def test_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
