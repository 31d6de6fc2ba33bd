"""What can be told of deploy/terraform/aws from its text alone.

    target/venv/bin/python -m unittest discover -s tests/terraform
"""

import json
import re
import sys
import unittest

import module
import schema_provider

sys.path.insert(0, str(module.ROOT / "scripts"))

import terraform_docs

# A flag is true or false, and what these name only AWS knows.
NOTHING_TO_VALIDATE = {"tags", "redshift_security_group_ids"}


class Text(unittest.TestCase):
    def setUp(self):
        self.text = module.text()
        self.variables = module.blocks("variable")

    def test_every_variable_has_a_type_and_a_description(self):
        self.assertGreater(len(self.variables), 40)
        for name, body in self.variables.items():
            self.assertIn("type", body, name)
            self.assertRegex(json.loads(body.get("description", '""')), r"^[A-Z].{18,}\.$", name)

    def test_every_variable_is_validated_where_there_is_something_to_validate(self):
        for name, body in self.variables.items():
            free = body["type"] == "bool" or name in NOTHING_TO_VALIDATE
            self.assertEqual("validation" in body, not free, name)

    def test_every_validation_has_a_run_that_it_refuses(self):
        runs = re.findall(r'^run "(\w+)"', (module.FOLDER / "tests" / "refused.tftest.hcl").read_text(), re.MULTILINE)
        validated = {name for name, body in self.variables.items() if "validation" in body}
        self.assertEqual(set(runs), validated)

    def test_every_error_names_its_variable(self):
        for name, body in self.variables.items():
            for validation in body.get("validation", []):
                self.assertRegex(json.loads(validation["error_message"]), rf"^{name}\b", name)

    def test_every_output_has_a_description(self):
        for name, body in module.blocks("output").items():
            self.assertRegex(json.loads(body.get("description", '""')), r"^[A-Z].{10,}\.$", name)

    def test_the_tables_of_the_readme_are_the_modules(self):
        page = terraform_docs.README.read_text()
        self.assertEqual(page, terraform_docs.page(page), "run scripts/terraform_docs.py")
        for name in self.variables:
            self.assertEqual(page.count(f"| `{name}` |"), 1, name)

    def test_variables_and_locals_are_declared_and_used(self):
        used = set(re.findall(r"\bvar\.(\w+)", self.text))
        # A validation alone is no use.
        in_resources = set()
        for file in module.files():
            if not file.name.startswith("variables"):
                in_resources |= set(re.findall(r"\bvar\.(\w+)", file.read_text()))
        self.assertEqual(used, set(self.variables))
        self.assertEqual(in_resources, set(self.variables))
        self.assertEqual(set(re.findall(r"\blocal\.(\w+)", self.text)), module.local_names())

    def test_what_is_referred_to_is_declared(self):
        resources, data = module.blocks("resource"), module.blocks("data")
        referred = set(re.findall(r"(?<![\w.\"])(aws_\w+)\.(\w+)", self.text))
        self.assertLessEqual(referred, set(resources))
        self.assertEqual(set(re.findall(r"\bdata\.(aws_\w+)\.(\w+)", self.text)), set(data))

    def test_the_recorded_schema_has_all_resources_and_no_others(self):
        schema = json.loads(schema_provider.SCHEMA.read_text())["provider_schemas"][schema_provider.ADDRESS]
        for kind, recorded in (("resource", "resource_schemas"), ("data", "data_source_schemas")):
            self.assertEqual({name for name, _ in module.blocks(kind)}, set(schema[recorded]))


if __name__ == "__main__":
    unittest.main()
