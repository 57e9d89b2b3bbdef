"""Flight SQL as the drivers of ADBC and JDBC speak it, with users, tokens and rights.

    python3 flight.py BINARY JAR   (with the packages adbc-driver-flightsql, adbc-driver-manager and pyarrow; JAR is the
                                   driver of JDBC)
"""
import json, pathlib, subprocess, sys, time
import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
from adbc_driver_flightsql import DatabaseOptions
from metlog_process import free_port, run, running, until

SECRET = "hunter2"


def lines_of(binary, command, text=""):
    return subprocess.run([binary, *command], input=text, capture_output=True, text=True, check=True).stdout


class Server:
    """A metlog with the user ann, who reads the logger `sync`, and a token that reads everything."""

    def __init__(self, binary):
        self.port = free_port()
        password = lines_of(binary, ["password"], "a:n n\n")
        lines = lines_of(binary, ["token", "all"])
        self.token = lines.split("#   ")[1].splitlines()[0]
        users = f'[[access.users]]\nname = "ann"\n{password}loggers = ["sync"]\n'
        self.options = {"extra": f'flight = "127.0.0.1:{self.port}"\ntime_max = "5s"\n{users}{lines}'}

    def connect(self, **options):
        return flight.connect(f"grpc://127.0.0.1:{self.port}", db_kwargs=options)

    def all(self):
        return self.connect(**{DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {self.token}"})

    def ann(self):
        return self.connect(username="ann", password="a:n n")


def fill(metlog, server):
    messages = [json.dumps({"type": "t", "logger": logger, "payload": payload, "env_version": "0.8"})
                for logger, payload in [("sync", "fine"), ("browserid", SECRET)]]
    metlog.send(metlog.metlog, messages)

    def both():
        with server.all() as connection:
            return rows(connection, "select count(*) from messages") == [(2,)]
    until("messages are seen", both)


def rows(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def fails(connection, sql):
    try:
        rows(connection, sql)
    except adbc_driver_manager.Error as error:
        return error.status_code, str(error)
    raise AssertionError(f"{sql} gives a result")


def checks_of(binary, jar):
    status = adbc_driver_manager.AdbcStatusCode

    def everything(_):
        server = Server(binary)
        with running(binary, **server.options) as metlog:
            fill(metlog, server)
            with server.all() as connection:
                queries(connection)
                lists(connection)
                errors(connection)
                cancelled(connection)
            with server.ann() as connection:
                rights(connection)
                with server.all() as other:
                    handle_of_another(other, connection)
            for options in [{}, {"username": "ann", "password": "x"}, {"username": "nobody", "password": "x"},
                            {DatabaseOptions.AUTHORIZATION_HEADER.value: "Bearer x"}]:
                nobody(server, options)
            return "queries, lists, errors, cancelling and rights"

    def queries(connection):
        assert rows(connection, "select 1 as n, cast(null as varchar) as s") == [(1, None)]
        with connection.cursor() as cursor:
            cursor.execute("select payload, timestamp, fields, tokens from messages order by 1")
            table = cursor.fetch_arrow_table()
            assert table.column("payload").to_pylist() == ["fine", SECRET], table
            cursor.execute("select value from range(300000)")
            assert cursor.fetch_arrow_table().num_rows == 300_000
        with connection.cursor() as cursor:
            prepared = cursor.adbc_prepare("select count(*) as n from messages")
            assert prepared is None or len(prepared) == 0, prepared

    def lists(connection):
        objects = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
        assert [catalog["catalog_name"] for catalog in objects] == ["metlog"], objects
        schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in objects[0]["catalog_db_schemas"]}
        tables = {table["table_name"]: [column["column_name"] for column in table["table_columns"]] for table in schemas["public"]}
        assert {"messages", "metrics", "senders"} <= set(tables), tables
        assert tables["messages"][:3] == ["timestamp", "received_at", "type"], tables
        assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]
        assert connection.adbc_get_info()["vendor_name"] == "metlog"
        columns = connection.adbc_get_table_schema("messages").names
        assert "payload" in columns, columns

    def errors(connection):
        for sql, expected in [
            ("select nothing from messages", status.INVALID_ARGUMENT),
            ("drop table messages", status.UNAUTHORIZED),
            ("select value from range(2000000)", None),
            ("select count(*) from range(10000000) a, range(10000000) b where a.value * b.value = 7", status.TIMEOUT),
        ]:
            code, message = fails(connection, sql)
            assert expected is None or code == expected, f"{sql}: {code} {message}"

    def cancelled(connection):
        """The reader leaves; the one turn of the pool is free again at once."""
        with connection.cursor() as cursor:
            cursor.execute("select a.value from range(1000000) a, range(1000) b where a.value % 3 = 0")
            cursor.fetchone()
        began = time.monotonic()
        assert rows(connection, "select 1") == [(1,)]
        assert time.monotonic() - began < 30

    def rights(connection):
        assert rows(connection, "select payload from messages") == [("fine",)]
        assert rows(connection, f"select count(*) from messages where payload = '{SECRET}'") == [(0,)]
        code, message = fails(connection, "explain analyze select * from messages")
        assert code == status.UNAUTHORIZED, (code, message)
        assert SECRET not in str(connection.adbc_get_objects(depth="all").read_all().to_pylist())

    def handle_of_another(other, connection):
        """What somebody prepared who sees everything gives nobody else their rows."""
        for sql, expected in [("select payload from messages order by 1", [("fine",)]), ("select count(*) from messages", [(1,)]),
                              ("select logger from senders", []), ("select max(payload) from messages", [("fine",)])]:
            with other.cursor() as preparing, connection.cursor() as cursor:
                partitions, _ = preparing.adbc_execute_partitions(sql)
                preparing.adbc_read_partition(partitions[0])
                assert sql.startswith("select logger") or preparing.fetchall() != expected, sql
                cursor.adbc_read_partition(partitions[0])
                found = cursor.fetchall()
                assert found == expected, f"{sql}: {found}"

    def nobody(server, options):
        try:
            with server.connect(**options) as connection:
                rows(connection, "select 1")
        except adbc_driver_manager.Error as error:
            assert error.status_code == status.UNAUTHENTICATED, f"{options}: {error.status_code} {error}"
        else:
            raise AssertionError(f"{options} gives a result")

    def jdbc(_):
        server = Server(binary)
        source = pathlib.Path(__file__).with_name("Jdbc.java")
        with running(binary, **server.options) as metlog:
            fill(metlog, server)
            command = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", jar, source, f"127.0.0.1:{server.port}", server.token]
            result = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert result.returncode == 0, result.stderr[-2000:]
            return "queries, prepared statements, lists and every question without parameters"

    everything.__name__ = "adbc"
    return [everything, jdbc]


if __name__ == "__main__":
    run(checks_of(sys.argv[1], sys.argv[2]), sys.argv[1])
