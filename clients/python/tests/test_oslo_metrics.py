"""oslo.metrics' own client, as oslo.messaging uses it, into a real listener."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
BINARY = os.environ.get("METLOG_BINARY")
COUNT = 50


@pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
def test_rpc_metrics_come_by_two_lines_of_configuration(tmp_path):
    import metlog_process

    unix, configuration = tmp_path / "metrics.sock", tmp_path / "nova.conf"
    lines = f"metrics_enabled = true\nmetrics_socket_file = {unix}\nmetrics_process_name = nova-compute\n"
    configuration.write_text(f"[oslo_messaging_metrics]\nmetrics_thread_stop_timeout = 1\n{lines}")
    with metlog_process.running(BINARY, listener=f'oslo_metrics_unix = "{unix}"\n') as listener:
        command = [sys.executable, "-W", "ignore", str(HERE / "apps" / "rpc.py"), str(configuration), str(COUNT)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2_000:]
        failed = int(done.stdout)
        assert failed == COUNT // 5
        query = (
            "select replace(name, 'oslo_messaging.', '') as name, kind, cast(sum(count) as bigint) as count "
            "from metrics where tags['method'] = 'work' and tags['process'] = 'nova-compute' "
            "and tags['topic'] = 'compute' group by name, kind"
        )
        expected = {
            ("rpc_client_invocation_start_total", "counter"): COUNT,
            ("rpc_client_invocation_end_total", "counter"): COUNT - failed,
            ("rpc_client_processing_seconds", "timer"): COUNT - failed,
            ("rpc_client_exception_total", "counter"): failed,
        }

        def found():
            return {(row["name"], row["kind"]): row["count"] for row in listener.sql(query)}

        metlog_process.until(f"{expected}", lambda: expected.items() <= found().items())
        metlog_process.balanced(listener.ledger())
        assert listener.ledger()["rejected"] == 0
