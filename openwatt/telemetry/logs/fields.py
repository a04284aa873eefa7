"""Every field a log record can have, with its Elasticsearch type: the index template is held against it."""

from collections.abc import Mapping
from types import MappingProxyType

#: The fields every record may start with, in their order; no extra can take their place.
FIXED_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "@timestamp": "date",
        "level": "keyword",
        "logger": "keyword",
        "event": "text",
        "request_id": "keyword",
        "trace_id": "keyword",
        "service": "keyword",
        "environment": "keyword",
        "version": "keyword",
        "exc_info": "text",
        "event_id": "keyword",
    }
)

#: The further fields of our own records. An extra that is not named here, or whose
#: value is not of the type, goes under `extra`, which Elasticsearch holds
#: as one flattened field: no record can be refused, and none can add a field.
EXTRA_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        # the canonical record of a request
        "method": "keyword",
        "route": "keyword",
        "path": "keyword",
        "status": "integer",
        "duration_ms": "double",
        "cpu_ms": "double",
        "db_ms": "double",
        "db_queries": "integer",
        "response_bytes": "long",
        "client": "ip",
        # ingestion
        "source": "keyword",
        "outcome": "keyword",
        "supplier": "keyword",
        "offer": "keyword",
        "option": "keyword",
        "document": "keyword",
        "run": "keyword",
        "tariffs": "integer",
        "doubts": "integer",
        "reason": "text",
        "action": "keyword",
        # portfolios
        "partition": "integer",
        "homes": "long",
        "failed": "long",
        "rows": "long",
        "resumed": "long",
        "seconds": "double",
        "attempts": "integer",
        "market": "keyword",
        # processes and their parts
        "pid": "integer",
        "worker": "keyword",
        "signal": "keyword",
        "peer": "keyword",
        "records": "long",
        "error": "text",
        "limit": "keyword",
        "migration": "keyword",
        "stack_info": "text",
    }
)

#: Where everything else is stored.
OTHER_FIELDS: Mapping[str, str] = MappingProxyType({"extra": "flattened"})

#: Field → Elasticsearch type, in the order of a record.
FIELDS: Mapping[str, str] = MappingProxyType({**FIXED_FIELDS, **EXTRA_FIELDS, **OTHER_FIELDS})
