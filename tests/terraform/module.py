"""The module deploy/terraform/aws as its tests read it: its text, and what Terraform makes of it."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import hcl2

import schema_provider

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "terraform" / "aws"
TERRAFORM = shutil.which("terraform")
WITHOUT_TERRAFORM = "terraform is not installed"


def files():
    return sorted(FOLDER.glob("*.tf"))


@functools.cache
def parsed(file):
    return hcl2.loads(file.read_text())


def text():
    """All of the module's files, without comments of a line of their own."""
    lines = (line for file in files() for line in file.read_text().splitlines())
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def blocks(kind):
    """All blocks of a kind: by type and name for resources and data sources, else by name."""
    found = {}
    for file in files():
        for block in parsed(file).get(kind, []):
            [(label, body)] = block.items()
            if kind in ("resource", "data"):
                [(name, body)] = ((name, body) for name, body in body.items() if name != "__is_block__")
                found[json.loads(label), json.loads(name)] = body
            else:
                found[json.loads(label)] = body
    return found


def local_names():
    sections = (section for file in files() for section in parsed(file).get("locals", []))
    return {name for section in sections for name in section if not name.startswith("__")}


@dataclasses.dataclass
class Run:
    """One run of a test file: what it made, and what its outputs were."""

    resources: list
    outputs: dict

    def policies(self):
        """The roles' policies, by the last part of the resource's address: `gateway`, `sink`, `copy`."""
        found = {}
        for resource in self.resources:
            if resource["type"] == "aws_iam_role_policy":
                values = resource["values"]
                found[values["name"].removeprefix("headgate-")] = json.loads(values["policy"])["Statement"]
        return found

    def documents(self):
        """Every policy's text with what it is: what a role may do, who may take it, what a bucket refuses."""
        kinds = {"aws_iam_role_policy": "policy", "aws_iam_role": "assume_role_policy", "aws_s3_bucket_policy": "policy"}
        for resource in self.resources:
            if resource["type"] in kinds:
                yield resource["type"], resource["values"][kinds[resource["type"]]]


class Terraform:
    """Terraform at work on a copy of the module, with the stand-in for its provider."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def run(self, *arguments):
        return subprocess.run(
            [TERRAFORM, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def init(self):
        done = self.run("init", "-backend=false", "-input=false", "-no-color")
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return self


@contextlib.contextmanager
def terraform(write=None):
    """A copy of the module, set up; `write` may change it first."""
    with tempfile.TemporaryDirectory() as folder, schema_provider.running() as found:
        # What the user has set for Terraform elsewhere has no part in it; nor is anything looked up.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        quiet = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1"}
        copy = pathlib.Path(folder) / "aws"
        shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".terraform*"))
        if write:
            write(copy)
        yield Terraform(copy, kept | quiet | found).init()


@functools.cache
def tested():
    """Runs the module's own tests, once. Gives their runs by name, those that apply, and how the command ended."""
    with terraform() as terra:
        done = terra.run("test", "-json", "-verbose")
    runs = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        # A run that was refused, as it should be, has made nothing.
        if message["type"] == "test_state" and "root_module" in message["test_state"]:
            state = message["test_state"]
            resources = state["root_module"]["resources"]
            outputs = {name: output.get("value") for name, output in state["outputs"].items()}
            runs[message["@testrun"]] = Run(resources, outputs)
    return runs, done
