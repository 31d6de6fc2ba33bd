"""moto's redshift-data as a second opinion on shapes: it runs no SQL."""

import logging
import unittest

import boto3
import support
from moto.server import ThreadedMotoServer


def shape(value):
    """Names and types of an answer, without its values. Lists are as their first items."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


class BesideMoto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        host, port = cls.server.get_host_and_port()
        cls.moto = boto3.client("redshift-data", endpoint_url=f"http://{host}:{port}", **support.keys())

    def both(self, operation, **request):
        return [getattr(client, operation)(**request) for client in (self.moto, support.data_api())]

    def covered(self, theirs, ours):
        """Each member that moto gives is there in ours, with the same type."""
        for name, kind in theirs.items():
            with self.subTest(name):
                self.assertEqual(ours.get(name), kind)

    def test_a_statement_answers_as_motos(self):
        request = {"Sql": "SELECT 1", "SecretArn": support.environment()["REDSHIFT_SECRET_ARN"]} | support.target()
        theirs, ours = self.both("execute_statement", **request)
        known = {name: kind for name, kind in shape(theirs).items() if theirs[name] not in (None, "")}
        # moto repeats a cluster's and a user's name that were not given.
        self.covered({n: k for n, k in known.items() if n not in ("ClusterIdentifier", "DbUser")}, shape(ours))

    def test_a_description_answers_as_motos(self):
        request = {"Sql": "SELECT 1"} | support.target()
        theirs, ours = self.both("execute_statement", **request)
        support.finished(ours["Id"])
        theirs, ours = self.moto.describe_statement(Id=theirs["Id"]), support.data_api().describe_statement(Id=ours["Id"])
        present = {n: k for n, k in shape(theirs).items() if theirs[n] not in (None, "", []) and n in ours}
        self.covered(present, shape(ours))
        self.assertLessEqual(
            {"Id", "Status", "CreatedAt", "UpdatedAt", "Duration", "QueryString", "HasResultSet"}, set(present)
        )

    def test_a_result_answers_as_motos(self):
        request = {"Sql": "SELECT 1 AS a, 'x' AS b"} | support.target()
        theirs, ours = self.both("execute_statement", **request)
        support.finished(ours["Id"])
        theirs, ours = (
            self.moto.get_statement_result(Id=theirs["Id"]),
            support.data_api().get_statement_result(Id=ours["Id"]),
        )
        # The model has an integer for `nullable`, moto a boolean.
        known = {name: kind for name, kind in shape(theirs["ColumnMetadata"][0]).items() if name != "nullable"}
        self.covered(known, shape(ours["ColumnMetadata"][0]))
        self.assertLessEqual({"Records", "ColumnMetadata"}, set(theirs) & set(ours))
        # Each field has one member, named by its type.
        for answer in (theirs, ours):
            self.assertEqual(
                [shape(field) for field in answer["Records"][0]][:2], [{"longValue": "int"}, {"stringValue": "str"}]
            )

    def test_errors_are_named_as_motos(self):
        for operation in ("describe_statement", "get_statement_result", "cancel_statement"):
            codes = []
            for client in (self.moto, support.data_api()):
                with self.assertRaises(client.exceptions.ClientError) as caught:
                    getattr(client, operation)(Id="00000000-0000-0000-0000-000000000000")
                codes.append(caught.exception.response["Error"]["Code"])
            self.assertEqual(codes[0], codes[1], operation)
