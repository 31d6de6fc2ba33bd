"""What all sessions of one fake share: settings, the PostgreSQL behind, S3, faults and the record of what was done."""

import itertools
import pathlib
import threading

import boto3
import botocore.config
import psycopg
import psycopg.conninfo

from . import types
from .faults import Faults
from .names import LongNames
from .record import Record
from .settings import ISOLATION_LEVELS

_CATALOG = pathlib.Path(__file__).with_name("catalog.sql")
# Backslashes in literals escape, as in PostgreSQL 8.0.
_SESSION = "-c standard_conforming_strings=off -c backslash_quote=on -c escape_string_warning=off -c TimeZone=UTC " \
    "-c client_min_messages=error -c default_transaction_isolation={isolation}"  # fmt: skip


class Engine:
    """One fake cluster."""

    def __init__(self, settings):
        self.settings = settings
        self.record = Record()
        self.faults = Faults()
        self._lock = threading.Lock()
        self._query_ids = itertools.count(1000)
        self._domains = set()
        self._create_database()
        self._dsn = psycopg.conninfo.make_conninfo(settings.dsn, dbname=settings.database)
        self._admin = psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None)
        self.names = LongNames(self._remember_name)
        self._install()
        self.s3 = boto3.client(
            "s3", endpoint_url=settings.s3_endpoint, region_name=settings.region,
            aws_access_key_id=settings.access_key, aws_secret_access_key=settings.secret_key,
            config=botocore.config.Config(
                s3={"addressing_style": "path"}, retries={"max_attempts": 3}, request_checksum_calculation="when_required",
                response_checksum_validation="when_required", max_pool_connections=32,
            ),
        )  # fmt: skip

    def _create_database(self):
        dsn = psycopg.conninfo.make_conninfo(self.settings.dsn, dbname="postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            name = self.settings.database
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))

    def _install(self):
        """Makes the catalog; does nothing harmful where it is already."""
        self._admin.execute(_CATALOG.read_text())
        self._admin.execute("SET allow_system_table_mods = on")
        self._admin.execute(
            "CREATE OR REPLACE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, n AS slice, n AS localslice, "
            f"'D'::character(1) AS type FROM generate_series(0, {self.settings.slices - 1}) n"
        )
        self._admin.execute("RESET allow_system_table_mods")
        self.names.load(dict(self._admin.execute("SELECT short, long FROM redshift_long_names").fetchall()))

    def _remember_name(self, short, long):
        self.administer("INSERT INTO redshift_long_names VALUES (%s, %s) ON CONFLICT DO NOTHING", short, long)

    def administer(self, sql, *parameters):
        """Runs SQL in a session of the fake's own, outside of every transaction."""
        with self._lock:
            self._admin.execute(sql, parameters)

    def connect(self):
        """A connection for a new session."""
        isolation = ISOLATION_LEVELS[self.settings.isolation].replace(" ", "\\ ")
        return psycopg.connect(
            self._dsn, autocommit=True, prepare_threshold=None, options=_SESSION.format(isolation=isolation)
        )

    def need_domain(self, kind):
        """Makes the domain of a character type if it is not there. It stays, whatever becomes of the transaction."""
        name = kind.domain
        if name is None or name in self._domains:
            return
        try:
            self.administer(types.domain_sql(name))
        except psycopg.errors.DuplicateObject:
            pass
        self._domains.add(name)

    def next_query_id(self):
        with self._lock:
            return next(self._query_ids)
