"""What Terraform says of deploy/terraform/aws.

    target/venv/bin/python -m unittest discover -s tests/terraform
"""

import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest

import module

HEADGATE = str(module.ROOT / os.environ.get("HEADGATE", "target/release/headgate"))


@unittest.skipUnless(module.TERRAFORM, module.WITHOUT_TERRAFORM)
class Validate(unittest.TestCase):
    def test_it_is_formatted(self):
        done = subprocess.run(
            [module.TERRAFORM, "fmt", "-check", "-diff", "-recursive", str(module.FOLDER)],
            env=os.environ | {"TF_CLI_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_it_is_valid(self):
        self.assertEqual(self.validate(None), (0, ""))

    def test_the_examples_of_the_readme_are_valid(self):
        examples = re.findall(r"^```hcl\n(.*?)^```", (module.FOLDER / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        self.assertEqual(len(examples), 2)

        def write(folder):
            inner = folder / "module"
            inner.mkdir()
            for file in module.files():
                (folder / file.name).rename(inner / file.name)
            for number, example in enumerate(examples):
                (folder / f"example{number}.tf").write_text(example.replace("./deploy/terraform/aws", "./module"))

        code, said = self.validate(write)
        self.assertEqual(code, 0, said)

    def test_arguments_that_are_none_missing_or_of_another_type_would_be_found(self):
        wrong = {
            'shards = 2': "Unsupported argument",
            'name = ["events"]': "Incorrect attribute value type",
            '': "Missing required argument",
            'name = "events"\n nonsense {}': "Unsupported block type",
        }
        for argument, expected in wrong.items():
            written = f'resource "aws_kinesis_stream" "wrong" {{\n {argument}\n}}\n'
            code, said = self.validate(lambda folder, written=written: (folder / "wrong.tf").write_text(written))
            self.assertNotEqual(code, 0, argument)
            self.assertIn(expected, said)

    def validate(self, write):
        with module.terraform(write) as terra:
            done = terra.run("validate", "-no-color")
        return done.returncode, done.stderr


@unittest.skipUnless(module.TERRAFORM, module.WITHOUT_TERRAFORM)
class Variants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runs, cls.done = module.tested()

    def test_the_modules_own_tests_pass(self):
        failed = re.findall(r'"summary":"(.*?)".*?"snippet":(.*?),"start_line"', self.done.stdout)
        self.assertEqual(self.done.returncode, 0, failed or self.done.stdout + self.done.stderr)
        self.assertGreaterEqual(len(self.runs), 6)

    def test_headgate_takes_the_configuration_of_every_variant(self):
        without_kinesis = "## `[kinesis]`" not in (module.ROOT / "docs" / "configuration.md").read_text()
        for name, run in self.runs.items():
            settings = run.outputs["headgate_toml"]
            with self.subTest(name):
                if tomllib.loads(settings).get("stream", {}).get("kind") == "kinesis" and without_kinesis:
                    self.skipTest("this build of Headgate has no Kinesis")
                checked = self.check(settings)
                self.assertEqual(checked.returncode, 0, checked.stderr + settings)

    def test_a_setting_that_is_none_would_be_found(self):
        settings = self.runs["serverless"].outputs["headgate_toml"]
        self.assertNotEqual(self.check(settings.replace("bucket =", "buket =")).returncode, 0)

    def test_the_configuration_is_about_what_was_made(self):
        run = self.runs["serverless"]
        settings = tomllib.loads(run.outputs["headgate_toml"])
        self.assertEqual(settings["s3"]["bucket"], run.outputs["bucket"])
        self.assertEqual(",".join(settings["kafka"]["bootstrap_servers"]), run.outputs["msk_bootstrap_brokers"])
        self.assertEqual(settings["kafka"]["msk_iam"]["region"], "eu-central-1")
        self.assertEqual(settings["warehouse"]["iam_role"], run.outputs["copy_role_arn"])
        self.assertEqual(settings["warehouse"]["data_api"]["workgroup"], run.outputs["redshift_workgroup"])
        self.assertNotIn("secret_arn", settings["warehouse"]["data_api"])

        everything = self.runs["everything"]
        settings = tomllib.loads(everything.outputs["headgate_toml"])
        streams = [each["values"]["name"] for each in everything.resources if each["type"] == "aws_kinesis_stream"]
        self.assertEqual({settings["stream"]["topic"], settings["stream"]["bad_events_topic"]}, set(streams))
        self.assertEqual(settings["kinesis"]["record_bytes_max"], 2 << 20)
        self.assertEqual(settings["kinesis"]["read"]["fan_out"], "headgate")
        self.assertEqual(settings["s3"]["prefix"], "lake/web")
        self.assertEqual(settings["glue"]["database"], "web")
        secret = everything.outputs["redshift_admin_secret_arn"]
        self.assertEqual(settings["warehouse"]["data_api"]["secret_arn"], secret)

        nothing = tomllib.loads(self.runs["without_stream_and_warehouse"].outputs["headgate_toml"])
        self.assertEqual(set(nothing), {"store", "s3"})

    def check(self, settings):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HEADGATE__")}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "headgate.toml"
            file.write_text(settings)
            return subprocess.run(
                [HEADGATE, "config", "check", "--config", str(file)],
                env=clean,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )


if __name__ == "__main__":
    unittest.main()
