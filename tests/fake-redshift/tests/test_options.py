"""A fake with other options than the rest of the tests has."""

import functools
import pathlib
import subprocess
import unittest

import boto3
import psycopg
import support

OPTIONS = "--isolation serializable --accept-zstd --active-statements-max 1 --slices 4 --result-bytes-max 1000"


def certificate(folder):
    """A certificate for localhost that signs itself, and its key, as files."""
    files = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command.split() + names, check=True, capture_output=True)
    return files


class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(support.environment()["FOLDER"])
        cls.addClassCleanup(support.script, "redshift.sh", "stop", folder / "other")
        cls.certificate, key = certificate(folder)
        options = f"{OPTIONS} --tls-certificate {cls.certificate} --tls-key {key}"
        cls.settings = support.script(
            "redshift.sh", "start", folder / "other", folder / "s3", HEADGATE_REDSHIFT_OPTIONS=options
        )

    def session(self):
        connection = support.connect(self.settings)
        self.addCleanup(connection.close)
        return connection

    def test_serializable_isolation_refuses_write_skew(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html"""
        one, two = self.session(), self.session()
        one.execute("CREATE TABLE a (n INTEGER)")
        one.execute("CREATE TABLE b (n INTEGER)")
        for connection in (one, two):
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM a")
            connection.execute("SELECT COUNT(*) FROM b")
        one.execute("INSERT INTO a VALUES (1)")
        with self.assertRaisesRegex(psycopg.Error, "^1023\n"):
            two.execute("INSERT INTO b VALUES (1)")
            one.execute("COMMIT")
            two.execute("COMMIT")

    def test_zstd_is_loaded_if_that_is_wanted(self):
        connection = self.session()
        connection.execute("CREATE TABLE z (a VARCHAR(9))")
        location = support.manifest(support.entry(support.parquet({"a": ["x"]}, compression="zstd")))
        role = self.settings["REDSHIFT_IAM_ROLE"]
        connection.execute(f"COPY z FROM '{location}' IAM_ROLE '{role}' FORMAT AS PARQUET MANIFEST")
        self.assertEqual(connection.execute("SELECT a FROM z").fetchall(), [("x",)])

    def test_tls_is_spoken_with_the_certificate_that_is_given(self):
        """https://www.postgresql.org/docs/current/libpq-ssl.html, verify-full"""
        verify = {"sslmode": "verify-full", "sslrootcert": self.certificate}
        with support.connect(self.settings | {"REDSHIFT_HOST": "localhost"}, **verify) as connection:
            self.assertTrue(connection.pgconn.ssl_in_use)
            self.assertEqual(connection.execute("SELECT 1").fetchall(), [(1,)])
        with self.assertRaisesRegex(psycopg.OperationalError, "localhost"):
            support.connect(self.settings | {"REDSHIFT_HOST": "127.0.0.1"}, **verify)

    def test_slices_are_counted(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_STV_SLICES.html"""
        self.assertEqual(self.session().execute("SELECT node, slice FROM stv_slices").fetchall(), [(0, n) for n in range(4)])

    def test_a_result_has_a_limit(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html"""
        client = boto3.client("redshift-data", endpoint_url=self.settings["REDSHIFT_ENDPOINT"], **support.keys())
        for size, status in ((1000, "FINISHED"), (1001, "FAILED")):
            started = client.execute_statement(Sql=f"SELECT repeat('x', {size})", **support.target())["Id"]
            describe = functools.partial(client.describe_statement, Id=started)
            support.until(lambda ask=describe: ask()["Status"] in ("FINISHED", "FAILED"), "it ends")
            self.assertEqual(describe()["Status"], status)

    def test_more_statements_at_once_than_allowed_are_refused(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html"""
        client = boto3.client("redshift-data", endpoint_url=self.settings["REDSHIFT_ENDPOINT"], **support.keys())
        holder = self.session()
        holder.execute("CREATE TABLE held (a INTEGER)")
        holder.execute("BEGIN")
        holder.execute("LOCK held")
        started = client.execute_statement(Sql="SELECT * FROM held", **support.target())["Id"]
        with self.assertRaises(client.exceptions.ActiveStatementsExceededException):
            client.execute_statement(Sql="SELECT 1", **support.target())
        holder.execute("COMMIT")
        support.until(lambda: client.describe_statement(Id=started)["Status"] == "FINISHED", "the first ends")
        self.assertIn("Id", client.execute_statement(Sql="SELECT 1", **support.target()))
