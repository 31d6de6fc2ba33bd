"""Records which arguments the AWS provider's resources have, for those that deploy/terraform/aws uses.

    pip download --no-deps cdktf-cdktf-provider-aws==21.22.1
    python3 tests/terraform/record_schema.py cdktf_cdktf_provider_aws-21.22.1-py3-none-any.whl > tests/terraform/schema.json

The provider itself is a download of its own; HashiCorp's bindings to it are a package, generated from the provider's
schema: its JavaScript names each argument with its type. They do not tell an argument that the provider fills in when it
is not set from one that stays unset, so all but `id`, `arn` and those of COMPUTED_TOO are taken for the latter. The output has
the shape of `terraform providers schema -json`, which may take its place wherever the provider can be had.
"""

import io
import json
import re
import sys
import tarfile
import zipfile

RESOURCES = [
    "aws_glue_catalog_database",
    "aws_iam_instance_profile",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_kinesis_stream",
    "aws_msk_cluster",
    "aws_msk_configuration",
    "aws_msk_serverless_cluster",
    "aws_redshiftserverless_namespace",
    "aws_redshiftserverless_usage_limit",
    "aws_redshiftserverless_workgroup",
    "aws_s3_bucket",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
]
DATA_SOURCES = ["aws_caller_identity", "aws_msk_bootstrap_brokers", "aws_partition", "aws_region"]
COMPUTED_TOO = {("aws_region", "region"), ("aws_msk_configuration", "latest_revision")}

# Newer than the bindings: by hand, from the provider's page of the resource (6.38 and later).
# <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/msk_topic>
MSK_TOPIC = {
    "version": 0,
    "block": {
        "attributes": {
            "arn": {"type": "string", "computed": True},
            "cluster_arn": {"type": "string", "required": True},
            "configs": {"type": "string", "optional": True},
            "configs_actual": {"type": "string", "computed": True},
            "name": {"type": "string", "required": True},
            "partition_count": {"type": "number", "required": True},
            "region": {"type": "string", "optional": True},
            "replication_factor": {"type": "number", "required": True},
        }
    },
}

TYPES = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "stringMap": ["map", "string"],
    "numberMap": ["map", "number"],
    "booleanMap": ["map", "bool"],
}
GETTERS = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "StringMap": ["map", "string"],
}

ATTRIBUTES = re.compile(
    r'^ +(\w+): \{\n +value: .*\n +isBlock: (true|false),\n +type: "(\w+)",\n +storageClassType: "(\w+)"', re.MULTILINE
)
GETTER = re.compile(
    r"// (\w+) - computed: true, optional: false, required: false\n +get \w+\(\) \{\n +return .*this\.get(\w+)Attribute\('"
)
NESTED = re.compile(r"// (\w+) - computed: (\w+), optional: \w+, required: (\w+)\n +this\._\w+ = new (\w+)\(this, ")


class Bindings:
    """The JavaScript of one resource or data source, and its declarations."""

    def __init__(self, name, script, declarations):
        self.name = name
        self.script = script
        self.declarations = declarations
        self.classes = {
            found[1]: found[0]
            for found in re.finditer(r"^class (\w+) extends.*?^\}", script, re.MULTILINE | re.DOTALL)
        }

    def schema(self):
        top = next(text for text in self.classes.values() if "terraformResourceType:" in text)
        config = re.search(r"^export interface (\w+Config) ", self.declarations, re.MULTILINE)[1]
        return {"version": 0, "block": self.block(top, top, config)}

    def block(self, written, read, interface):
        """`written` has the arguments that can be set, `read` what there is besides; `interface` tells what must be set."""
        block = {"attributes": {}, "block_types": {}}
        required = self.required(interface)
        nested = {found[0]: found[1:] for found in NESTED.findall(read)}
        for name, is_block, kind, storage in ATTRIBUTES.findall(written):
            if is_block == "true":
                block["block_types"][name] = self.block_type(kind, storage, nested[name])
            elif name in ("id", "arn") or (self.name, name) in COMPUTED_TOO:
                block["attributes"][name] = {"type": "string", "optional": True, "computed": True}
            else:
                must = {"required": True} if name in required else {"optional": True}
                block["attributes"][name] = {"type": self.type_of(kind, storage)} | must
        block["attributes"] |= self.computed(read)
        return block

    def block_type(self, kind, storage, nested):
        _, must, reader = nested
        base = storage.removesuffix("List")
        function = base[0].lower() + base[1:] + "ToHclTerraform"
        written = re.search(rf"^function {function}\(.*?^\}}", self.script, re.MULTILINE | re.DOTALL)[0]
        read = self.classes[f"{base}OutputReference"]
        found = {"nesting_mode": "single" if kind == "struct" else kind, "block": self.block(written, read, base)}
        if must == "true":
            found["min_items"] = 1
        if kind != "struct" and reader.endswith("OutputReference"):
            found["max_items"] = 1
        return found

    def computed(self, read):
        found = {name: {"type": GETTERS[getter], "computed": True} for name, getter in GETTER.findall(read)}
        for name, computed, _, reader in NESTED.findall(read):
            if computed == "true":
                members = self.computed(self.classes[f"{reader.removesuffix('List')}OutputReference"])
                members = {member: attribute["type"] for member, attribute in members.items()}
                found[name] = {"type": ["list", ["object", members]], "computed": True}
        for name, attribute in found.items():
            if (self.name, name) in COMPUTED_TOO:
                attribute["optional"] = True
        return found

    def required(self, interface):
        body = re.search(rf"^export interface {interface}\b.*?^\}}", self.declarations, re.MULTILINE | re.DOTALL)[0]
        return set(re.findall(r"#(\w+) [\w#]+\}\n(?: +\*.*\n)* +\*/\n +readonly \w+:", body))

    @staticmethod
    def type_of(kind, storage):
        if storage.endswith("List"):
            return [kind, TYPES[storage.removesuffix("List")]]
        return TYPES[storage]


def main(wheel):
    archive = zipfile.ZipFile(wheel)
    inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
    wanted = {name: name.removeprefix("aws_").replace("_", "-") for name in RESOURCES}
    wanted |= {f"data.{name}": "data-" + name.replace("_", "-") for name in DATA_SOURCES}
    files = {f"package/lib/{folder}/index.{end}" for folder in wanted.values() for end in ("js", "d.ts")}
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as package:
        for member in package:
            if member.name in files:
                texts[member.name] = package.extractfile(member).read().decode()
    schemas = {"resource_schemas": {"aws_msk_topic": MSK_TOPIC}, "data_source_schemas": {}}
    for name, folder in wanted.items():
        script, declarations = (texts[f"package/lib/{folder}/index.{end}"] for end in ("js", "d.ts"))
        bare = name.removeprefix("data.")
        kind = "resource_schemas" if bare == name else "data_source_schemas"
        schemas[kind][bare] = Bindings(bare, script, declarations).schema()
    # Of the provider's own settings only the one that the README's example has.
    settings = {"attributes": {"region": {"type": "string", "optional": True}}}
    provider = {"provider": {"version": 0, "block": settings}} | schemas
    shape = {"format_version": "1.0", "provider_schemas": {"registry.terraform.io/hashicorp/aws": provider}}
    json.dump(shape, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
