"""The Prometheus Operator's kinds, as its reference (monitoring.coreos.com/v1) describes what we use."""

from typing import Any

_STRING = {"type": "string", "minLength": 1}
_DURATION = {"type": "string", "pattern": r"^(0|([0-9]+(ms|[smhdwy]))+)$"}
_NAME = {"type": "string", "pattern": r"^[a-zA-Z_][a-zA-Z0-9_]*$"}
_STRINGS = {"type": "object", "propertyNames": _NAME, "additionalProperties": {"type": "string"}}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


_RELABELING = _object(
    {
        "sourceLabels": _list(_NAME),
        "separator": _STRING,
        "targetLabel": _STRING,
        "regex": _STRING,
        "replacement": {"type": "string"},
        "action": {"enum": ["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod"]},
    }
)
_LIMITS = {name: {"type": "integer", "minimum": 1} for name in ("sampleLimit", "labelValueLengthLimit")}
_SPECS = {
    "ServiceMonitor": _object(
        {
            "selector": _object({"matchLabels": {"type": "object", "additionalProperties": _STRING}}),
            "jobLabel": _STRING,
            "endpoints": _list(
                _object(
                    {
                        "port": _STRING,
                        "path": {"type": "string", "pattern": "^/"},
                        "scheme": {"enum": ["http", "https"]},
                        "interval": _DURATION,
                        "scrapeTimeout": _DURATION,
                        "relabelings": _list(_RELABELING),
                    },
                    "port",
                )
            ),
            **_LIMITS,
        },
        "selector",
        "endpoints",
    ),
    "Probe": _object(
        {
            "jobName": _STRING,
            "interval": _DURATION,
            "module": _STRING,
            "prober": _object({"url": {"type": "string", "pattern": r"^[a-z0-9.-]+(:\d+)?$"}}, "url"),
            "targets": _object(
                {
                    "staticConfig": _object(
                        {
                            "static": _list(_STRING),
                            "labels": _STRINGS,
                            "relabelingConfigs": _list(_RELABELING),
                        },
                        "static",
                    )
                },
                "staticConfig",
            ),
        },
        "prober",
        "targets",
    ),
    "PrometheusRule": _object(
        {
            "groups": _list(
                _object(
                    {
                        "name": _STRING,
                        "interval": _DURATION,
                        "limit": {"type": "integer"},
                        "labels": _STRINGS,
                        "rules": _list(
                            {
                                **_object(
                                    {
                                        "alert": _STRING,
                                        "record": {"type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$"},
                                        "expr": {"type": ["string", "integer"]},
                                        "for": _DURATION,
                                        "keep_firing_for": _DURATION,
                                        "labels": _STRINGS,
                                        "annotations": _STRINGS,
                                    },
                                    "expr",
                                ),
                                "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
                            }
                        ),
                    },
                    "name",
                    "rules",
                )
            )
        },
        "groups",
    ),
}
#: By kind, the schema of a whole object.
SCHEMAS = {
    kind: _object(
        {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": kind},
            "metadata": _object(
                {
                    "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{0,251}[a-z0-9]$"},
                    "namespace": _STRING,
                    "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
                },
                "name",
            ),
            "spec": spec,
        },
        "apiVersion",
        "kind",
        "metadata",
        "spec",
    )
    for kind, spec in _SPECS.items()
}
