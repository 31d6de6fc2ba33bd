"""The operations of the Redshift Data API.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/Welcome.html and
https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html
"""

import threading
import time

from . import validate
from .errors import ApiError, validation
from .result import BOOLEAN, FLOATS, INTEGERS, TYPE_NAMES
from .settings import CLIENT_TOKEN_SECONDS, STATEMENT_BYTES_MAX
from .statement import Statement

# Members of requests that the fake would have to ignore.
NOT_FAKED = ("SessionId", "SessionKeepAliveSeconds", "ExecutionMode", "WaitTimeSeconds", "RoleLevel")


class Api:
    """All statements that one fake was given."""

    def __init__(self, engine):
        self.engine = engine
        self._lock = threading.Lock()
        self._statements = {}
        self._tokens = {}
        self._operations = {
            "ExecuteStatement": self._execute, "BatchExecuteStatement": self._execute, "DescribeStatement": self._describe,
            "GetStatementResult": self._result, "CancelStatement": self._cancel, "ListStatements": self._list,
        }  # fmt: skip

    def call(self, operation, request):
        """The response to a request; raises ApiError."""
        if operation not in validate.operations():
            raise ApiError("UnknownOperationException", f"{operation} is no operation of this service")
        if operation not in self._operations:
            raise ApiError("UnknownOperationException", f"the fake of Redshift does not do {operation}")
        validate.request(operation, request)
        for name in NOT_FAKED:
            if name in request:
                raise validation(f"the fake of Redshift does not do {name}")
        return self._operations[operation](request)

    def _execute(self, request):
        self._check_target(request)
        self._check_sql(request)
        with self._lock:
            known = self._known(request)
            if known is None:
                if sum(not s.done.is_set() for s in self._statements.values()) >= self.engine.settings.active_statements_max:
                    raise ApiError("ActiveStatementsExceededException", "Active statements exceeded the allowed quota.")
                known = Statement(self.engine, request)
                self._statements[known.id] = known
                if "ClientToken" in request:
                    self._tokens[request["ClientToken"]] = (time.monotonic(), known)
                known.start()
        response = {"Id": known.id, "CreatedAt": known.whole.created}
        shown = known.describe()
        return response | {
            n: shown[n] for n in ("ClusterIdentifier", "WorkgroupName", "Database", "DbUser", "SecretArn") if n in shown
        }

    def _known(self, request):
        """The statement that this token has begun already.

        "If a request has the same ClientToken and the same parameters, the same Id is returned": for 8 hours, see
        https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling.html, "Idempotency".
        """
        made, known = self._tokens.get(request.get("ClientToken"), (0, None))
        if known is None or time.monotonic() - made > CLIENT_TOKEN_SECONDS:
            return None
        if known.request != request:
            raise validation("ClientToken was used with other parameters: use a new one for another request")
        return known

    def _check_target(self, request):
        """One of workgroup and cluster, and what each needs or refuses for authentication."""
        settings = self.engine.settings
        if ("WorkgroupName" in request) == ("ClusterIdentifier" in request):
            raise validation("exactly one of WorkgroupName and ClusterIdentifier must be given")
        if "Database" not in request:
            raise validation("Database must be given")
        if request.get("SecretArn", settings.secret_arn) != settings.secret_arn:
            raise validation(f"Secrets Manager can't find the specified secret {request['SecretArn']}")
        if "WorkgroupName" in request:
            if "DbUser" in request:
                raise validation("DbUser is not valid for a serverless workgroup: its user comes from the caller's identity")
            if request["WorkgroupName"] != settings.workgroup:
                raise validation(f"Redshift endpoint doesn't exist in this region: workgroup {request['WorkgroupName']}")
        else:
            if "DbUser" in request and "SecretArn" in request:
                raise validation("only one of DbUser and SecretArn can be given")
            if request["ClusterIdentifier"] != settings.cluster:
                raise validation(f"Redshift endpoint doesn't exist in this region: cluster {request['ClusterIdentifier']}")
            if request.get("DbUser", settings.user) != settings.user:
                raise validation(f"DbUser {request['DbUser']} does not exist")
        if request["Database"] != settings.database:
            raise validation(f'FATAL: database "{request["Database"]}" does not exist')

    def _check_sql(self, request):
        for sql in request.get("Sqls") or [request["Sql"]]:
            if not sql.strip():
                raise validation("a SQL statement must not be blank")
            if len(sql.encode()) > STATEMENT_BYTES_MAX:
                raise validation("Cannot process query string larger than 100kB")
        if request.get("ResultFormat", "JSON") != "JSON":
            raise validation("the fake of Redshift gives results as JSON only")

    def _find(self, identifier):
        with self._lock:
            statement = self._statements.get(identifier.partition(":")[0])
        if statement is None or ":" in identifier and statement.part(identifier) is None:
            raise ApiError("ResourceNotFoundException", "Query does not exist.", ResourceId=identifier)
        return statement

    def _describe(self, request):
        statement = self._find(request["Id"])
        if ":" in request["Id"]:
            return statement.part(request["Id"]).describe()
        return statement.describe()

    def _cancel(self, request):
        statement = self._find(request["Id"])
        if ":" in request["Id"]:
            raise validation("a part of a batch cannot be cancelled: cancel the batch")
        if not statement.cancel():
            raise validation(
                f"Could not cancel a query that is already in {statement.whole.status} state with ID: {statement.id}"
            )
        return {"Status": True}

    def _result(self, request):
        statement = self._find(request["Id"])
        part = statement.part(request["Id"])
        if part is None:
            raise validation("a batch has a result for each of its statements: ask for Id:1 and so on")
        if statement.whole.status != "FINISHED" or not part.has_result_set:
            raise ApiError(
                "ResourceNotFoundException", "Query does not have result. Please check query status with DescribeStatement.",
                ResourceId=request["Id"],
            )  # fmt: skip
        return _page(part.result, request.get("NextToken"), self.engine.settings.result_page_rows)

    def _list(self, request):
        with self._lock:
            statements = sorted(self._statements.values(), key=lambda s: -s.whole.created)
        wanted = request.get("Status", "ALL")
        name = request.get("StatementName", "")
        found = [
            s for s in statements
            if wanted in ("ALL", s.whole.status) and s.request.get("StatementName", "").startswith(name)
            and all(s.request.get(k) == request[k] for k in ("Database", "WorkgroupName", "ClusterIdentifier") if k in request)
        ]  # fmt: skip
        start, limit = _offset(request.get("NextToken"), len(found)), request.get("MaxResults") or 100
        response = {"Statements": [_listed(s) for s in found[start : start + limit]]}
        return response | ({"NextToken": str(start + limit)} if start + limit < len(found) else {})


def _listed(statement):
    whole, request = statement.whole, statement.request
    listed = {
        "Id": statement.id, "Status": whole.status, "CreatedAt": whole.created, "UpdatedAt": whole.updated,
        "IsBatchStatement": statement.batch, "QueryString": whole.sql, "ResultFormat": "JSON",
    }  # fmt: skip
    if statement.batch:
        listed["QueryStrings"] = request["Sqls"]
    return listed | {name: request[name] for name in ("SecretArn", "StatementName") if name in request}


def _offset(token, count):
    if token is None:
        return 0
    if not token.isdigit() or not 0 < int(token) < count:
        raise validation("NextToken is invalid")
    return int(token)


def _page(result, token, rows_max):
    start = _offset(token, len(result.rows))
    records = [
        [_field(value, column.oid) for value, column in zip(row, result.columns)]
        for row in result.rows[start : start + rows_max]
    ]
    page = {"Records": records, "ColumnMetadata": [_metadata(c) for c in result.columns], "TotalNumRows": len(result.rows)}
    return page | ({"NextToken": str(start + rows_max)} if start + rows_max < len(result.rows) else {})


def _field(value, oid):
    if value is None:
        return {"isNull": True}
    if oid == BOOLEAN:
        return {"booleanValue": value == b"t"}
    if oid in INTEGERS:
        return {"longValue": int(value)}
    if oid in FLOATS and value not in (b"NaN", b"Infinity", b"-Infinity"):
        return {"doubleValue": float(value)}
    return {"stringValue": value.decode()}


def _metadata(column):
    precision, scale = 0, 0
    if column.oid == 1700 and column.modifier > 4:
        precision, scale = column.modifier - 4 >> 16 & 0xFFFF, column.modifier - 4 & 0xFFFF
    elif column.modifier > 4:
        precision = column.modifier - 4
    return {
        "isCaseSensitive": column.oid in (1042, 1043), "isCurrency": False,
        "isSigned": column.oid in {20, 21, 23, 700, 701, 1700}, "label": column.name, "name": column.name, "nullable": 1,
        "precision": precision, "scale": scale, "schemaName": "", "tableName": "",
        "typeName": TYPE_NAMES.get(column.oid, "varchar"), "length": max(column.size, 0),
    }  # fmt: skip
