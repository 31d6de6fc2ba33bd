"""COPY's manifest and the objects it names.

https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html: with Parquet each entry's
`meta.content_length` must be there and right; `mandatory` is false unless it is said to be true.
"""

import dataclasses
import json

import botocore.exceptions

from .errors import SqlError
from .load import LoadError

# Codes that Spectrum reports; see README.md for what is known of them.
NO_CONTENT_LENGTH = 15003
SCAN_ERROR = 15007
_MISSING = ("NoSuchKey", "NoSuchBucket", "404")


@dataclasses.dataclass(frozen=True)
class Entry:
    """An object to load; `size` is what the manifest says, in bytes."""

    url: str
    size: int
    mandatory: bool


def split_url(url):
    """Bucket and key of an s3:// URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or not key:
        raise SqlError(f"'{url}' is not the URL of an object: s3://bucket/key is expected", "22023")
    return bucket, key


def _s3_error(error, url):
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return f"S3ServiceException:{error.response.get('Error', {}).get('Message', '')},Status {status},Error {code}, {url}"


def read(s3, url, query):
    """The manifest's entries, in order: one that is listed twice is loaded twice."""
    bucket, key = split_url(url)
    try:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except botocore.exceptions.ClientError as error:
        raise SqlError(f"Problem reading manifest file - {_s3_error(error, url)}") from error
    try:
        document = json.loads(text)
        entries = document["entries"]
        if not isinstance(entries, list) or not entries:
            raise ValueError("entries is no list, or empty")
        return [_entry(entry, query) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise SqlError(f"Manifest file is not in correct json format: {url}: {error}") from error


def _entry(entry, query):
    url, mandatory = entry["url"], entry.get("mandatory", False)
    if not isinstance(url, str) or not isinstance(mandatory, bool):
        raise ValueError("url must be a string and mandatory a boolean")
    meta = entry.get("meta")
    size = meta.get("content_length") if isinstance(meta, dict) else None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise LoadError(NO_CONTENT_LENGTH, "content_length is missing from the entry's meta in the manifest", url, query)
    return Entry(url, size, mandatory)


def fetch(s3, entry, query):
    """The object's bytes; None for one that is not there and not mandatory, which nobody hears of."""
    bucket, key = split_url(entry.url)
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
        body = found["Body"].read()
    except botocore.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING and not entry.mandatory:
            return None
        raise LoadError(
            SCAN_ERROR, f"Mandatory url is not present: {_s3_error(error, entry.url)}", entry.url, query
        ) from error
    if len(body) != entry.size:
        context = (
            f"S3ServiceException:The requested range is not satisfiable,Status 416,Error InvalidRange, "
            f"content_length {entry.size}, {entry.url}"
        )
        raise LoadError(SCAN_ERROR, context, entry.url, query)
    return body
