"""A provider for Terraform that has the AWS provider's schema and nothing else.

With it Terraform itself can check the module, and run its tests, where the provider cannot be downloaded: arguments'
names, types and presence are checked against schema.json, and `mock_provider` makes up what AWS would answer. It speaks
version 5 of the plugin protocol over gRPC, as far as that takes
(<https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/tfplugin5.proto>): anything that would need AWS
is refused.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import tempfile

import grpc

SCHEMA = pathlib.Path(__file__).with_name("schema.json")
ADDRESS = "registry.terraform.io/hashicorp/aws"
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}


def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number, value):
    """One field of a protobuf message: a number or a flag, or what has a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, described):
    flags = ((4, "required"), (5, "optional"), (6, "computed"), (7, "sensitive"))
    encoded = field(1, name) + field(2, json.dumps(described["type"]))
    return encoded + b"".join(field(number, True) for number, flag in flags if described.get(flag))


def nested(name, described):
    encoded = field(1, name) + field(2, block(described["block"])) + field(3, NESTING[described["nesting_mode"]])
    return encoded + field(4, described.get("min_items", 0)) + field(5, described.get("max_items", 0))


def block(described):
    attributes = (field(2, attribute(*each)) for each in described.get("attributes", {}).items())
    blocks = (field(3, nested(*each)) for each in described.get("block_types", {}).items())
    return b"".join([*attributes, *blocks])


def schema(described):
    return field(1, described["version"]) + field(2, block(described["block"]))


def provider_schema():
    """The reply to GetSchema."""
    described = json.loads(SCHEMA.read_text())["provider_schemas"][ADDRESS]
    encoded = field(1, schema(described["provider"]))
    for number, kind in ((2, "resource_schemas"), (3, "data_source_schemas")):
        for name, each in described[kind].items():
            encoded += field(number, field(1, name) + field(2, schema(each)))
    return encoded


class Calls(grpc.GenericRpcHandler):
    """What Terraform asks of a provider: its schema is told, everything is found valid, the rest is refused."""

    def __init__(self):
        nothing = b""
        found_valid = ("PrepareProviderConfig", "ValidateResourceTypeConfig", "ValidateDataSourceConfig", "Configure", "Stop")
        self.replies = {f"/tfplugin5.Provider/{name}": nothing for name in found_valid}
        self.replies["/tfplugin5.Provider/GetSchema"] = provider_schema()

    def service(self, handler_call_details):
        reply = self.replies.get(handler_call_details.method)
        if reply is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: reply)


@contextlib.contextmanager
def running():
    """Runs the provider within this process; gives the environment by which Terraform finds it."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/provider"
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
        server.add_generic_rpc_handlers((Calls(),))
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            # `Test` keeps Terraform from ending this process when it is done.
            attached = {
                "Protocol": "grpc",
                "ProtocolVersion": 5,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": socket},
            }
            yield {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: attached})}
        finally:
            server.stop(grace=None).wait()
