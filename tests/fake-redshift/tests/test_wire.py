"""The PostgreSQL protocol, byte by byte and by libpq. https://www.postgresql.org/docs/8.0/protocol-message-formats.html"""

import socket
import struct

import psycopg
import support


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


class Raw:
    """A client that knows nothing but messages."""

    def __init__(self, case):
        settings = support.environment()
        address = (settings["REDSHIFT_HOST"], int(settings["REDSHIFT_PORT"]))
        self.socket = socket.create_connection(address, timeout=support.WAIT_SECONDS)
        case.addCleanup(self.socket.close)
        self.socket.sendall(struct.pack("!ii", 8, 80877103))
        case.assertEqual(self.read(1), b"N")
        names = (
            b"user\0"
            + settings["REDSHIFT_USER"].encode()
            + b"\0database\0"
            + settings["REDSHIFT_DATABASE"].encode()
            + b"\0\0"
        )
        self.socket.sendall(struct.pack("!ii", len(names) + 8, 196608) + names)
        case.assertEqual(self.take(), (b"R", struct.pack("!i", 3)))
        self.socket.sendall(message(b"p", settings["REDSHIFT_PASSWORD"].encode() + b"\0"))
        self.greeting = self.until_ready()

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError()
            data += more
        return data

    def take(self):
        kind = self.read(1)
        return kind, self.read(struct.unpack("!i", self.read(4))[0] - 4)

    def until_ready(self):
        messages = [self.take()]
        while messages[-1][0] != b"Z":
            messages.append(self.take())
        return messages

    def query(self, sql):
        self.socket.sendall(message(b"Q", sql.encode() + b"\0"))
        return self.until_ready()


class Wire(support.SqlCase):
    def test_the_greeting_names_postgresql_8_0_2(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html"""
        greeting = Raw(self).greeting
        self.assertIn((b"S", b"server_version\x008.0.2\0"), greeting)
        self.assertIn((b"S", b"client_encoding\0UTF8\0"), greeting)
        self.assertEqual(greeting[-1], (b"Z", b"I"))

    def test_a_query_gives_rows_a_tag_and_the_state(self):
        client = Raw(self)
        answer = client.query("SELECT 1 AS one, NULL AS none, JSON_PARSE('[1, 2]') AS j")
        self.assertEqual([kind for kind, _ in answer], [b"T", b"D", b"C", b"Z"])
        self.assertIn(struct.pack("!i", 4000), answer[0][1])
        self.assertEqual(answer[1][1], struct.pack("!hi1sii5s", 3, 1, b"1", -1, 5, b"[1,2]"))
        self.assertEqual(answer[2][1], b"SELECT\0")
        self.assertEqual(client.query("BEGIN")[-1], (b"Z", b"T"))
        self.assertEqual(client.query("SELECT broken")[-1], (b"Z", b"E"))
        self.assertEqual(client.query("ROLLBACK")[-1], (b"Z", b"I"))

    def test_an_empty_query_and_several_statements(self):
        client = Raw(self)
        self.assertEqual([kind for kind, _ in client.query(" ; ")], [b"I", b"Z"])
        self.assertEqual([kind for kind, _ in client.query("SELECT 1; SELECT 2")], [b"T", b"D", b"C"] * 2 + [b"Z"])

    def test_prepared_statements_are_refused_until_sync(self):
        client = Raw(self)
        client.socket.sendall(message(b"P", b"\0SELECT 1\0\0\0") + message(b"B", b"\0\0") + message(b"S"))
        answer = client.until_ready()
        self.assertEqual([kind for kind, _ in answer], [b"E", b"Z"])
        self.assertIn(b"C0A000\0", answer[0][1])
        self.assertEqual(client.query("SELECT 1")[-1], (b"Z", b"I"))

    def test_wrong_credentials_are_refused(self):
        settings = support.environment()
        good = {
            "host": settings["REDSHIFT_HOST"], "port": settings["REDSHIFT_PORT"], "user": settings["REDSHIFT_USER"],
            "password": settings["REDSHIFT_PASSWORD"], "dbname": settings["REDSHIFT_DATABASE"],
        }  # fmt: skip
        for wrong in ({"password": "x"}, {"user": "x"}, {"dbname": "x"}):
            with (
                self.subTest(wrong),
                self.assertRaisesRegex(psycopg.OperationalError, "password authentication|does not exist"),
            ):
                psycopg.connect(**good | wrong)

    def test_a_client_that_leaves_rolls_back(self):
        self.run_sql("CREATE TABLE t (a INTEGER)")
        other = self.session()
        self.run_sql(f"BEGIN; LOCK {self.schema}.t; INSERT INTO {self.schema}.t VALUES (1)", other)
        other.close()
        self.assertEqual(self.run_sql("SELECT a FROM t"), [])

    def test_a_running_query_is_cancelled(self):
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.run_sql("BEGIN")
        self.run_sql("LOCK t")
        other = self.session()
        other.pgconn.send_query(f"SELECT * FROM {self.schema}.t".encode())

        def answered():
            other.cancel()
            other.pgconn.consume_input()
            return not other.pgconn.is_busy()

        support.until(answered, "the query ends")
        self.assertIn(b"cancelled on user's request", other.pgconn.get_result().error_message)
