"""What one fake is told at its start: names, credentials, limits. The command line is made from this."""

import argparse
import dataclasses

# https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html, "Considerations when calling the Amazon Redshift Data API".
STATEMENT_BYTES_MAX = 100 * 1024
CLIENT_TOKEN_SECONDS = 8 * 3600

ISOLATION_LEVELS = {"snapshot": "repeatable read", "serializable": "serializable"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that may differ between two fakes."""

    dsn: str = dataclasses.field(metadata={"help": "the PostgreSQL behind, as a postgres:// URL of its superuser"})
    api_port: int = dataclasses.field(metadata={"help": "port of the Data API"})
    wire_port: int = dataclasses.field(metadata={"help": "port of the PostgreSQL protocol"})
    s3_endpoint: str = dataclasses.field(metadata={"help": "where COPY reads"})
    access_key: str = dataclasses.field(metadata={"help": "the access key of the Data API and of S3"})
    secret_key: str = dataclasses.field(metadata={"help": "its secret"})
    host: str = "127.0.0.1"
    region: str = "us-east-1"
    database: str = "dev"
    user: str = "headgate"
    password: str = "Headgate-1"
    workgroup: str = "headgate-workgroup"
    cluster: str = "headgate-cluster"
    iam_role: str = "arn:aws:iam::123456789012:role/headgate-copy"
    secret_arn: str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:headgate-AbCdEf"
    isolation: str = dataclasses.field(default="snapshot", metadata={"choices": sorted(ISOLATION_LEVELS)})
    slices: int = 2
    active_statements_max: int = 200
    result_page_rows: int = 1000
    result_bytes_max: int = 500 * 1024 * 1024
    tls_certificate: str = dataclasses.field(
        default="", metadata={"help": "a file with the certificate of the PostgreSQL protocol, in PEM; without it there is no TLS"}
    )
    tls_key: str = dataclasses.field(default="", metadata={"help": "a file with its key, in PEM"})
    accept_zstd: bool = dataclasses.field(
        default=False, metadata={"help": "let COPY read zstd, which no documentation says that it does"}
    )


def parse(arguments):
    """Settings from the command line: `api_port` is --api-port, and so on."""
    parser = argparse.ArgumentParser(prog="fake_redshift", description=__doc__)
    for field in dataclasses.fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        options = dict(field.metadata)
        if field.type is bool:
            options |= {"action": "store_true"}
        else:
            options |= {"type": field.type}
            if field.default is dataclasses.MISSING:
                options["required"] = True
            else:
                options["default"] = field.default
        parser.add_argument(flag, **options)
    return Settings(**vars(parser.parse_args(arguments)))
