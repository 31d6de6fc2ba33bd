"""The servers that these tests share: SeaweedFS and the fake, started once in a run by the scripts of tests/services."""

import atexit
import functools
import io
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import boto3
import botocore.config
import psycopg
import pyarrow
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve()
SCRIPTS = HERE.parents[2] / "services"
sys.path.insert(0, str(HERE.parents[1]))
WAIT_SECONDS = 20
_numbers = itertools.count(1)


def script(name, *arguments, **settings):
    """Runs a script of tests/services, with settings in its environment; returns the settings that it prints."""
    command = [str(SCRIPTS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    if done.returncode:
        raise RuntimeError(f"{name} {arguments}: {done.stderr}")
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@functools.cache
def environment():
    """The settings of the servers, which run until the tests end."""
    folder = tempfile.TemporaryDirectory(prefix="headgate-fake-redshift-")
    path = pathlib.Path(folder.name)
    atexit.register(folder.cleanup)
    atexit.register(script, "seaweedfs.sh", "stop", path / "s3")
    store = script("seaweedfs.sh", "start", path / "s3")
    atexit.register(script, "redshift.sh", "stop", path / "redshift")
    return store | script("redshift.sh", "start", path / "redshift", path / "s3") | {"FOLDER": folder.name}


def keys():
    settings = environment()
    return {
        "aws_access_key_id": settings["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": settings["AWS_SECRET_ACCESS_KEY"],
        "region_name": settings["AWS_REGION"],
    }  # fmt: skip


@functools.cache
def s3():
    config = botocore.config.Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.client("s3", endpoint_url=environment()["S3_ENDPOINT"], config=config, **keys())


@functools.cache
def data_api():
    """boto3's client without retries: tests see every error."""
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_SECONDS)
    return boto3.client("redshift-data", endpoint_url=environment()["REDSHIFT_ENDPOINT"], config=config, **keys())


def target():
    """Whom a call of the Data API is for: the serverless workgroup."""
    return {"WorkgroupName": environment()["REDSHIFT_WORKGROUP"], "Database": environment()["REDSHIFT_DATABASE"]}


def own(method, path, document=None):
    """A request to one of the fake's own paths."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(environment()["REDSHIFT_ENDPOINT"] + path, data=body, method=method)
    with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
        return json.load(response)


def fault(**rule):
    own("POST", "/_fault", rule)


def connect(settings=None, **more):
    """libpq as the client; it sends statements without parameters as simple queries."""
    settings = settings or environment()
    return psycopg.connect(
        host=settings["REDSHIFT_HOST"], port=settings["REDSHIFT_PORT"], user=settings["REDSHIFT_USER"],
        password=settings["REDSHIFT_PASSWORD"], dbname=settings["REDSHIFT_DATABASE"], autocommit=True,
        prepare_threshold=None, **more,
    )  # fmt: skip


def until(condition, what):
    """Waits until the condition holds and returns its value."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")
        time.sleep(0.01)


def finished(identifier):
    """DescribeStatement's response once the statement has ended."""

    def ended():
        described = data_api().describe_statement(Id=identifier)
        return described if described["Status"] in ("FINISHED", "FAILED", "ABORTED") else None

    return until(ended, f"statement {identifier} ends")


def execute(sql, **more):
    """Runs one statement by the Data API to its end."""
    return finished(data_api().execute_statement(Sql=sql, **target(), **more)["Id"])


def batch(*sqls, **more):
    return finished(data_api().batch_execute_statement(Sqls=list(sqls), **target(), **more)["Id"])


def upload(body, key=None):
    """Puts an object; returns its URL."""
    key = key or f"objects/{next(_numbers)}"
    s3().put_object(Bucket=environment()["S3_BUCKET"], Key=key, Body=body)
    return f"s3://{environment()['S3_BUCKET']}/{key}"


def parquet(table, **options):
    """A Parquet file's bytes. `table` is a pyarrow.Table or a dictionary of columns."""
    table = table if isinstance(table, pyarrow.Table) else pyarrow.table(table)
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, **({"compression": "snappy"} | options))
    return sink.getvalue()


def entry(body, **more):
    """Uploads a file; returns its entry for a manifest."""
    return {"url": upload(body), "mandatory": True, "meta": {"content_length": len(body)}} | more


def manifest(*entries):
    return upload(json.dumps({"entries": list(entries)}).encode(), f"manifests/{next(_numbers)}")


class SqlCase(unittest.TestCase):
    """A session by the PostgreSQL protocol, in a schema of the test's own."""

    def setUp(self):
        self.schema = f"s{next(_numbers)}"
        self.connection = self.session()
        self.run_sql(f"CREATE SCHEMA {self.schema}")
        self.run_sql(f"SET search_path TO {self.schema}")

    def session(self):
        connection = connect()
        self.addCleanup(connection.close)
        return connection

    def run_sql(self, sql, connection=None):
        """The rows of a statement; an empty list for one that has none."""
        cursor = (connection or self.connection).execute(sql)
        return cursor.fetchall() if cursor.description else []

    def refused(self, sql, pattern, connection=None):
        """Runs what must fail with a message that matches; returns the error."""
        with self.assertRaisesRegex(psycopg.Error, pattern) as caught:
            self.run_sql(sql, connection)
        return caught.exception

    def copy(self, table, location, more="", columns=""):
        """COPY by a manifest."""
        role = environment()["REDSHIFT_IAM_ROLE"]
        return self.run_sql(f"COPY {table} {columns} FROM '{location}' IAM_ROLE '{role}' FORMAT AS PARQUET MANIFEST {more}")

    def copy_refused(self, table, location, pattern, more="", columns=""):
        """A COPY that must fail; returns its row of sys_load_error_detail."""
        with self.assertRaises(psycopg.Error) as caught:
            self.copy(table, location, more, columns)
        error = caught.exception
        self.assertRegex(f"{error.diag.message_primary} {error.diag.message_detail or ''}", pattern)
        rows = self.run_sql(
            "SELECT trim(file_name), trim(column_name), line_number, error_code, trim(error_message) "
            "FROM sys_load_error_detail ORDER BY query_id DESC LIMIT 1"
        )
        return rows[0]
