"""The Data API: requests that it takes and refuses, and what it says of statements.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/Welcome.html
"""

import json
import unittest
import urllib.error
import urllib.request
import uuid

import botocore.exceptions
import support
from fake_redshift import validate


def raw(operation, document, authorization=None, **headers):
    """Status and body of a call that boto3 would not let through."""
    scope = "headgate/20240101/us-east-1/redshift-data/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    headers = {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"RedshiftData.{operation}", "X-Amz-Date": "20240101T000000Z",
        "Authorization": signed if authorization is None else authorization,
    } | headers  # fmt: skip
    body = json.dumps(document).encode()
    request = urllib.request.Request(support.environment()["REDSHIFT_ENDPOINT"] + "/", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=support.WAIT_SECONDS) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class Case(unittest.TestCase):
    def refused(self, code, pattern, operation, **request):
        with self.assertRaisesRegex(botocore.exceptions.ClientError, pattern) as caught:
            getattr(support.data_api(), operation)(**request)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception


class Requests(Case):
    def invalid(self, document, pattern, operation="ExecuteStatement"):
        status, answer = raw(operation, document)
        self.assertEqual((status, answer["__type"]), (400, "ValidationException"), answer)
        self.assertRegex(answer["Message"], pattern)

    def test_members_must_be_those_of_the_model(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_ExecuteStatement.html"""
        good = {"Sql": "SELECT 1"} | support.target()
        self.assertEqual(raw("ExecuteStatement", good)[0], 200)
        self.invalid(support.target(), "Sql is required")
        self.invalid(good | {"Sqls": ["SELECT 1"]}, "Sqls is not known")
        self.invalid(good | {"Sql": 1}, "Sql must be of the type string")
        self.invalid(good | {"ClientToken": ""}, "ClientToken must be at least 1")
        self.invalid(good | {"ClientToken": "x" * 65}, "ClientToken must be at most 64")
        self.invalid(good | {"WithEvent": "yes"}, "WithEvent must be of the type boolean")
        self.invalid(good | {"Parameters": [{"name": "x"}]}, r"Parameters\[0\].value is required")
        self.invalid(good | {"SessionKeepAliveSeconds": 5}, "does not do SessionKeepAliveSeconds")
        self.invalid(support.target() | {"Sqls": ["SELECT 1"] * 41}, "Sqls must be at most 40", "BatchExecuteStatement")
        self.invalid(support.target() | {"Sqls": []}, "Sqls must be at least 1", "BatchExecuteStatement")
        self.invalid({"Id": "not-an-id"}, "Id must match", "DescribeStatement")

    def test_forty_statements_are_taken(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_BatchExecuteStatement.html"""
        self.assertEqual(len(support.batch(*["SELECT 1"] * 40)["SubStatements"]), 40)

    def test_a_statement_has_at_most_100_kb(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html"""
        self.invalid({"Sql": f"SELECT '{'é' * 51200}'"} | support.target(), "larger than 100kB")
        self.assertEqual(support.execute(f"SELECT '{'x' * 100_000}'")["Status"], "FINISHED")

    def test_one_of_workgroup_and_cluster_is_named(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_ExecuteStatement.html"""
        settings = support.environment()
        sql, database = {"Sql": "SELECT 1"}, {"Database": settings["REDSHIFT_DATABASE"]}
        cluster = sql | database | {"ClusterIdentifier": settings["REDSHIFT_CLUSTER"]}
        workgroup = sql | support.target()
        self.invalid(sql | database, "exactly one of WorkgroupName and ClusterIdentifier")
        self.invalid(cluster | support.target(), "exactly one of WorkgroupName and ClusterIdentifier")
        self.invalid({"Sql": "SELECT 1", "WorkgroupName": settings["REDSHIFT_WORKGROUP"]}, "Database must be given")
        self.invalid(workgroup | {"WorkgroupName": "other"}, "workgroup other")
        self.invalid(cluster | {"ClusterIdentifier": "other"}, "cluster other")
        self.invalid(workgroup | {"Database": "other"}, '"other" does not exist')
        self.invalid(workgroup | {"DbUser": settings["REDSHIFT_USER"]}, "DbUser is not valid for a serverless workgroup")
        self.invalid(cluster | {"DbUser": "other"}, "DbUser other does not exist")
        self.invalid(cluster | {"SecretArn": "arn:aws:secretsmanager:us-east-1:1:secret:x"}, "specified secret")
        user, secret = {"DbUser": settings["REDSHIFT_USER"]}, {"SecretArn": settings["REDSHIFT_SECRET_ARN"]}
        self.invalid(cluster | user | secret, "only one of DbUser and SecretArn")
        for good in (cluster, cluster | user, cluster | secret, workgroup | secret):
            self.assertEqual(raw("ExecuteStatement", good)[0], 200)

    def test_calls_must_be_signed_for_this_service(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html"""
        good = {"Sql": "SELECT 1"} | support.target()
        signature = f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
        for authorization, code in [
            ("", "MissingAuthenticationTokenException"),
            ("Basic eDp5", "MissingAuthenticationTokenException"),
            (
                f"AWS4-HMAC-SHA256 Credential=x/20240101/us-east-1/redshift-data/aws4_request, {signature}",
                "UnrecognizedClientException",
            ),
            (
                f"AWS4-HMAC-SHA256 Credential=headgate/20240101/us-east-1/redshift/aws4_request, {signature}",
                "InvalidSignatureException",
            ),
            (
                f"AWS4-HMAC-SHA256 Credential=headgate/20240101/eu-west-1/redshift-data/aws4_request, {signature}",
                "InvalidSignatureException",
            ),
        ]:
            with self.subTest(authorization):
                self.assertEqual(raw("ExecuteStatement", good, authorization)[1]["__type"], code)

    def test_other_operations_are_refused(self):
        self.assertEqual(raw("NoSuchOperation", {})[1]["__type"], "UnknownOperationException")
        self.assertEqual(raw("ListDatabases", {})[1]["__type"], "UnknownOperationException")
        wrong = {"Content-Type": "application/json"}
        self.assertEqual(raw("ExecuteStatement", {}, **wrong)[1]["__type"], "UnknownOperationException")


class Tokens(Case):
    def test_a_client_token_runs_a_statement_once(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling.html"""
        token, table = str(uuid.uuid4()), f"public.once_{uuid.uuid4().hex}"
        support.execute(f"CREATE TABLE {table} (a INTEGER)")
        request = {"Sqls": [f"INSERT INTO {table} VALUES (1)"], "ClientToken": token} | support.target()
        identifiers = {support.data_api().batch_execute_statement(**request)["Id"] for _ in range(3)}
        self.assertEqual(len(identifiers), 1)
        support.finished(identifiers.pop())
        again = support.data_api().batch_execute_statement(**request)["Id"]
        self.assertEqual(support.finished(again)["Status"], "FINISHED")
        rows = support.data_api().get_statement_result(Id=support.execute(f"SELECT COUNT(*) FROM {table}")["Id"])
        self.assertEqual(rows["Records"], [[{"longValue": 1}]])

    def test_a_client_token_belongs_to_its_parameters(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling.html"""
        token = str(uuid.uuid4())
        support.execute("SELECT 1", ClientToken=token)
        other = {"Sql": "SELECT 2", "ClientToken": token} | support.target()
        self.refused("ValidationException", "other parameters", "execute_statement", **other)


class Statements(Case):
    def test_a_statement_ends_and_is_described(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_DescribeStatement.html"""
        described = support.execute("SELECT 1 AS a UNION ALL SELECT 2", StatementName="two")
        shown = {k: described[k] for k in ("Status", "HasResultSet", "ResultRows", "QueryString")}
        self.assertEqual(
            shown,
            {"Status": "FINISHED", "HasResultSet": True, "ResultRows": 2, "QueryString": "SELECT 1 AS a UNION ALL SELECT 2"},
        )
        self.assertGreater(described["Duration"], 0)
        listed = support.data_api().list_statements(StatementName="two", Status="FINISHED")["Statements"]
        self.assertIn(described["Id"], [statement["Id"] for statement in listed])

    def test_a_failed_statement_says_why(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_DescribeStatement.html"""
        described = support.execute("SELECT * FROM public.no_such_table")
        self.assertEqual(described["Status"], "FAILED")
        self.assertEqual(described["Error"], 'ERROR: relation "public.no_such_table" does not exist')

    def test_only_one_statement_at_a_time(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_ExecuteStatement.html"""
        self.assertIn("multiple commands", support.execute("SELECT 1; SELECT 2")["Error"])
        self.assertEqual(support.execute("SELECT 1;")["Status"], "FINISHED")

    def test_a_batch_is_one_transaction(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_BatchExecuteStatement.html"""
        table = f"public.batch_{uuid.uuid4().hex}"
        described = support.batch(f"CREATE TABLE {table} (a INTEGER)", "SELECT broken", "SELECT 3")
        self.assertEqual(described["Status"], "FAILED")
        self.assertEqual([part["Status"] for part in described["SubStatements"]], ["FINISHED", "FAILED", "ABORTED"])
        self.assertEqual([part["Id"] for part in described["SubStatements"]], [f"{described['Id']}:{n}" for n in (1, 2, 3)])
        self.assertIn('column "broken" does not exist', described["Error"])
        self.assertIn("does not exist", support.execute(f"SELECT * FROM {table}")["Error"])
        self.assertIn("takes no COMMIT", support.batch("SELECT 1", "COMMIT")["Error"])

    def test_results_of_a_batch_are_its_parts(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_GetStatementResult.html"""
        described = support.batch(
            "CREATE TEMP TABLE x AS SELECT 5 AS a", "INSERT INTO x SELECT 6", "SELECT a FROM x ORDER BY a"
        )
        self.assertEqual([part["HasResultSet"] for part in described["SubStatements"]], [False, False, True])
        self.assertEqual([part["ResultRows"] for part in described["SubStatements"]][1:], [1, 2])
        result = support.data_api().get_statement_result(Id=f"{described['Id']}:3")
        self.assertEqual(result["Records"], [[{"longValue": 5}], [{"longValue": 6}]])
        self.refused("ValidationException", "each of its statements", "get_statement_result", Id=described["Id"])
        self.refused("ResourceNotFoundException", "does not have result", "get_statement_result", Id=f"{described['Id']}:1")

    def test_fields_are_typed(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_Field.html"""
        sql = "SELECT 1, 1.5::float8, true, 'x', NULL::int, 2.50::decimal(5,2), DATE '2024-01-02', JSON_PARSE('[1]') AS j"
        result = support.data_api().get_statement_result(Id=support.execute(sql)["Id"])
        self.assertEqual(
            result["Records"],
            [[
                {"longValue": 1}, {"doubleValue": 1.5}, {"booleanValue": True}, {"stringValue": "x"}, {"isNull": True},
                {"stringValue": "2.50"}, {"stringValue": "2024-01-02"}, {"stringValue": "[1]"},
            ]],
        )  # fmt: skip
        kinds = [column["typeName"] for column in result["ColumnMetadata"]]
        self.assertEqual(kinds, ["int4", "float8", "bool", "varchar", "int4", "numeric", "date", "super"])

    def test_results_come_in_pages(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_GetStatementResult.html"""
        table = f"public.pages_{uuid.uuid4().hex}"
        support.execute(f"CREATE TABLE {table} AS SELECT 0 AS n")
        for power in range(12):
            support.execute(f"INSERT INTO {table} SELECT n + {2**power} FROM {table}")
        identifier = support.execute(f"SELECT n FROM {table} ORDER BY n")["Id"]
        pages = list(support.data_api().get_paginator("get_statement_result").paginate(Id=identifier))
        self.assertEqual([len(page["Records"]) for page in pages], [1000, 1000, 1000, 1000, 96])
        self.assertEqual([row[0]["longValue"] for page in pages for row in page["Records"]], list(range(4096)))
        self.refused("ValidationException", "NextToken is invalid", "get_statement_result", Id=identifier, NextToken="x")

    def test_parameters_are_bound_as_values(self):
        """https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling.html"""
        parameters = [{"name": "a", "value": "it's \\ ;"}]
        described = support.execute("SELECT :a AS x", Parameters=parameters)
        result = support.data_api().get_statement_result(Id=described["Id"])
        self.assertEqual(result["Records"], [[{"stringValue": "it's \\ ;"}]])
        self.assertIn("parameter b has no value", support.execute("SELECT :b", Parameters=parameters)["Error"])

    def test_a_running_statement_is_cancelled(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_CancelStatement.html"""
        table = f"public.held_{uuid.uuid4().hex}"
        with support.connect() as holder:
            holder.execute(f"CREATE TABLE {table} (a INTEGER)")
            holder.execute("BEGIN")
            holder.execute(f"LOCK {table}")
            started = support.data_api().execute_statement(Sql=f"SELECT * FROM {table}", **support.target())["Id"]
            support.until(lambda: support.data_api().describe_statement(Id=started)["Status"] == "STARTED", "it runs")
            support.data_api().cancel_statement(Id=started)
            self.assertEqual(support.finished(started)["Status"], "ABORTED")
            holder.execute("ROLLBACK")
        self.refused("ValidationException", "already in ABORTED state", "cancel_statement", Id=started)

    def test_what_is_not_there_is_not_found(self):
        """https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_DescribeStatement.html"""
        for operation in ("describe_statement", "get_statement_result", "cancel_statement"):
            error = self.refused("ResourceNotFoundException", "does not exist", operation, Id=str(uuid.uuid4()))
            self.assertIn("ResourceId", error.response)


class Shapes(unittest.TestCase):
    """Raw responses against botocore's model: boto3 itself overlooks members that it does not know."""

    def test_every_response_has_the_shape_of_the_model(self):
        target = support.target()
        single = raw("ExecuteStatement", {"Sql": "SELECT 1, NULL"} | target)[1]
        batch = raw("BatchExecuteStatement", {"Sqls": ["SELECT 1", "SELECT broken"]} | target)[1]
        for started in (single, batch):
            support.finished(started["Id"])
        answers = [("ExecuteStatement", single), ("BatchExecuteStatement", batch)]
        for operation, request in [
            ("DescribeStatement", {"Id": single["Id"]}), ("DescribeStatement", {"Id": batch["Id"]}),
            ("DescribeStatement", {"Id": batch["Id"] + ":1"}), ("GetStatementResult", {"Id": single["Id"]}),
            ("ListStatements", {}), ("ListStatements", {"MaxResults": 1}),
        ]:  # fmt: skip
            status, answer = raw(operation, request)
            self.assertEqual(status, 200, answer)
            answers.append((operation, answer))
        for operation, answer in answers:
            with self.subTest(operation):
                self.assertEqual(validate.response(operation, answer), [])

    def test_a_response_of_another_shape_would_be_found(self):
        self.assertTrue(validate.response("DescribeStatement", {"Id": str(uuid.uuid4()), "Other": 1}))
        self.assertTrue(validate.response("GetStatementResult", {"Records": [[{"stringValue": "a", "longValue": 1}]]}))
