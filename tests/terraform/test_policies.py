"""What the roles of deploy/terraform/aws may do is what Headgate's code does.

    target/venv/bin/python -m unittest discover -s tests/terraform
"""

import json
import re
import unittest

import iam
import module

# Which permission each call of the S3 client needs.
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
S3_PERMISSIONS = {
    "abort_multipart_upload": "AbortMultipartUpload",
    "complete_multipart_upload": "PutObject",
    "create_multipart_upload": "PutObject",
    "delete_object": "DeleteObject",
    "get_object": "GetObject",
    "head_object": "GetObject",
    "list_multipart_uploads": "ListBucketMultipartUploads",
    "list_objects_v2": "ListBucket",
    "put_object": "PutObject",
    "upload_part": "PutObject",
}
# Characters, white space left out. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>,
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
LENGTH_MAX = {"aws_iam_role_policy": 10_240, "aws_iam_role": 2_048, "aws_s3_bucket_policy": 20_480}
# Streams are the module's to make, databases too.
MADE_HERE = {"kinesis:CreateStream", "glue:CreateDatabase"}


def calls(*places):
    """The methods of an AWS client that these sources call, tests left out."""
    found = set()
    for place in places:
        path = module.ROOT / place
        sources = sorted(path.rglob("*.rs")) if path.is_dir() else [path]
        for source in sources:
            relative = source.relative_to(module.ROOT)
            if source.stem != "tests" and "tests" not in relative.parts:
                found |= set(re.findall(r"\bclient\s*\.(\w+)\(\)", source.read_text()))
    return found


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def actions(statements, service):
    return {action for statement in statements for action in statement["Action"] if action.startswith(f"{service}:")}


def kafka_permissions():
    """What docs/kafka.md says of gateways and of sinks."""
    rows = re.findall(
        r"^\| `(kafka-cluster:\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", (module.ROOT / "docs" / "kafka.md").read_text(), re.MULTILINE
    )
    gateway = {action for action, gateways, _ in rows if gateways.strip().startswith("yes")}
    sink = {action for action, _, sinks in rows if sinks.strip().startswith("yes")}
    return gateway, sink


@unittest.skipUnless(module.TERRAFORM, module.WITHOUT_TERRAFORM)
class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runs, _ = module.tested()

    def of(self, run, role):
        return self.runs[run].policies()[role]

    def test_no_action_has_a_star_and_one_statement_has_one_for_its_resource(self):
        for name, run in self.runs.items():
            for role, statements in run.policies().items():
                for statement in statements:
                    self.assertEqual(statement["Effect"], "Allow")
                    for action in statement["Action"]:
                        self.assertNotIn("*", action)
                    self.assertTrue(statement["Resource"], f"{name}: {role}: {statement['Sid']}")
                    if "*" in statement["Resource"]:
                        self.assertEqual((role, statement["Sid"]), ("sink", "FollowOwnStatements"))
                        owner = {"redshift-data:statement-owner-iam-userid": ["${aws:userid}"]}
                        self.assertEqual(statement["Condition"], {"StringEquals": owner})

    def test_actions_are_there_and_know_their_resources_and_conditions(self):
        for name, run in self.runs.items():
            for role, statements in run.policies().items():
                for statement in statements:
                    self.assertEqual(iam.problems(statement), [], f"{name}: {role}: {statement['Sid']}")

    def test_a_wrong_action_resource_or_condition_would_be_found(self):
        right = {"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::lake/a/*"]}
        self.assertEqual(iam.problems(right), [])
        for wrong in (
            {"Action": ["s3:GetObjects"]},
            {"Resource": ["arn:aws:s3:::lake"]},
            {"Resource": ["*"]},
            {"Resource": ["arn:aws:s3:::lake/*", "arn:aws:s3:::lake"]},
            {"Action": ["s3:GetObject", "s3:ListBucket"]},
            {"Condition": {"StringEquals": {"s3:prefix": ["a"]}}},
        ):
            self.assertNotEqual(iam.problems(right | wrong), [], wrong)

    def test_policies_are_within_iams_limits(self):
        for name, run in self.runs.items():
            for kind, document in run.documents():
                self.assertLessEqual(len(document), LENGTH_MAX[kind], f"{name}: {kind}")

    def test_sinks_may_call_what_the_store_calls(self):
        called = calls("sink/src/store/s3", "sink/src/store/s3.rs")
        self.assertLessEqual({"put_object", "list_multipart_uploads", "get_object"}, called)
        expected = {f"s3:{S3_PERMISSIONS[call]}" for call in called}
        self.assertEqual(actions(self.of("everything", "sink"), "s3"), expected)

    def test_gateways_may_not_touch_the_bucket(self):
        for run in self.runs.values():
            self.assertEqual(actions(run.policies().get("gateway", []), "s3"), set())

    def test_sinks_may_call_what_the_warehouse_calls(self):
        expected = {f"redshift-data:{camel(call)}" for call in calls("sink/src/warehouse/data_api.rs")}
        self.assertEqual(len(expected), 5)
        self.assertEqual(actions(self.of("defaults", "sink"), "redshift-data"), expected)
        self.assertEqual(actions(self.of("defaults", "sink"), "redshift-serverless"), {"redshift-serverless:GetCredentials"})
        self.assertEqual(actions(self.of("everything", "sink"), "redshift-serverless"), set())
        self.assertEqual(actions(self.of("everything", "sink"), "secretsmanager"), {"secretsmanager:GetSecretValue"})
        self.assertEqual(actions(self.of("without_stream_and_warehouse", "sink"), "redshift-data"), set())

    def test_sinks_may_call_what_fills_the_catalogue(self):
        source = (module.ROOT / "src" / "tables" / "glue" / "calls.rs").read_text()
        called = {f"glue:{call}" for call in re.findall(r'client\s*\.call\("(\w+)"', source)}
        self.assertEqual(actions(self.of("everything", "sink"), "glue"), called - MADE_HERE)
        self.assertEqual(actions(self.of("defaults", "sink"), "glue"), set())

    def test_kafkas_permissions_are_those_of_its_page(self):
        gateway, sink = kafka_permissions()
        for run in ("serverless", "provisioned", "existing_with_a_template"):
            self.assertEqual(actions(self.of(run, "gateway"), "kafka-cluster"), gateway)
            self.assertEqual(actions(self.of(run, "sink"), "kafka-cluster"), sink)

    @unittest.skipUnless((module.ROOT / "stream" / "src" / "kinesis").is_dir(), "this tree has no Kinesis")
    def test_gateways_and_sinks_may_call_what_kinesis_calls(self):
        called = {f"kinesis:{camel(call)}" for call in calls("stream/src/kinesis", "stream/src/kinesis.rs") - {"clone"}}
        gateway, sink = (self.of("everything", role) for role in ("gateway", "sink"))
        self.assertEqual(actions(gateway, "kinesis") | actions(sink, "kinesis"), called - MADE_HERE)

    def test_gateways_write_to_kinesis_and_sinks_read_through_their_consumer(self):
        for run in ("defaults", "everything"):
            self.assertIn("kinesis:PutRecords", actions(self.of(run, "gateway"), "kinesis"))
            self.assertNotIn("kinesis:GetRecords", actions(self.of(run, "gateway"), "kinesis"))
            self.assertNotIn("kinesis:PutRecords", actions(self.of(run, "sink"), "kinesis"))
        self.assertNotIn("kinesis:SubscribeToShard", actions(self.of("defaults", "sink"), "kinesis"))
        [consumers] = [each for each in self.of("everything", "sink") if "kinesis:SubscribeToShard" in each["Action"]]
        for resource in consumers["Resource"]:
            self.assertTrue(resource.endswith("/consumer/headgate:*"), resource)

    def test_a_key_may_be_used_through_its_services_alone(self):
        for name, run in self.runs.items():
            for role, statements in run.policies().items():
                for statement in statements:
                    if any(action.startswith("kms:") for action in statement["Action"]):
                        self.assertEqual(name, "everything")
                        self.assertEqual(list(statement["Condition"]["StringEquals"]), ["kms:ViaService"], role)
        self.assertEqual(actions(self.of("everything", "gateway"), "kms"), {"kms:GenerateDataKey"})
        self.assertEqual(actions(self.of("everything", "copy"), "kms"), {"kms:Decrypt"})

    def test_copy_reads_below_the_prefix_and_nothing_else(self):
        objects, listing, _ = self.of("everything", "copy")
        self.assertEqual((objects["Action"], objects["Resource"]), (["s3:GetObject"], ["arn:aws:s3:::web-lake/lake/web/*"]))
        self.assertEqual((listing["Action"], listing["Resource"]), (["s3:ListBucket"], ["arn:aws:s3:::web-lake"]))
        self.assertEqual(listing["Condition"], {"StringLikeIfExists": {"s3:prefix": ["lake/web/*"]}})
        self.assertEqual(len(self.of("defaults", "copy")), 2)

    def test_only_services_and_named_service_accounts_take_roles(self):
        for run in self.runs.values():
            for kind, document in run.documents():
                if kind == "aws_iam_role":
                    for statement in json.loads(document)["Statement"]:
                        self.assertLessEqual(set(statement["Principal"]), {"Service", "Federated"})
                        self.assertNotIn("*", json.dumps(statement["Principal"]))

    def test_the_bucket_refuses_plain_http_and_to_write_over_a_commit(self):
        for name, prefix in (("defaults", ""), ("everything", "lake/web/")):
            [document] = [document for kind, document in self.runs[name].documents() if kind == "aws_s3_bucket_policy"]
            tls, once = json.loads(document)["Statement"]
            self.assertEqual((tls["Effect"], tls["Condition"]), ("Deny", {"Bool": {"aws:SecureTransport": "false"}}))
            self.assertEqual(once["Effect"], "Deny")
            self.assertTrue(once["Resource"].endswith(f"/{prefix}_commits/*"), once["Resource"])

    def test_folders_of_rules_are_those_of_the_code(self):
        for source, name, folder in (
            ("store/probe.rs", "FOLDER", "_probe/"),
            ("sweep.rs", "LOADS", "_loads/"),
            ("commit.rs", "COMMITS", "_commits/"),
        ):
            self.assertIn(f'{name}: &str = "{folder}"', (module.ROOT / "sink" / "src" / source).read_text())


if __name__ == "__main__":
    unittest.main()
