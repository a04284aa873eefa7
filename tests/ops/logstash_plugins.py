"""Which options the plugins of our pipelines have, and of which kind: what Logstash checks at its start.

Written down from the plugins' own declarations (tcp 7, http 4, json_lines 3.2, json 3.1, dead_letter_queue 2,
mutate 3.6, fingerprint 3.4, elasticsearch 12.1). An option, or a plugin, that is not here is refused.
"""

from collections.abc import Callable, Iterable
from typing import Final

from tests.ops.logstash_grammar import Branch, LogstashConfigError, Plugin, Step, Value

Check = Callable[[Value], bool]


def _string(value: Value) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _boolean(value: Value) -> bool:
    return isinstance(value, bool) or value in ("true", "false")


def _hash(value: Value) -> bool:
    return isinstance(value, dict)


def _array(value: Value) -> bool:
    return isinstance(value, (list, str))


def _codec(value: Value) -> bool:
    return isinstance(value, (str, Plugin))


def _one_of(*words: str | int) -> Check:
    return lambda value: (str(value).lower() if isinstance(value, bool) else value) in words


def _options(check: Check, names: str) -> dict[str, Check]:
    return dict.fromkeys(names.split(), check)


_ECS: Final = _one_of("disabled", "v1", "v8")
_SSL: Final = (
    _options(_boolean, "ssl_enabled")
    | _options(_string, "ssl_certificate ssl_key ssl_key_passphrase")
    | _options(_array, "ssl_certificate_authorities ssl_cipher_suites ssl_supported_protocols")
)
_STORES: Final = _options(
    _string,
    "ssl_keystore_path ssl_keystore_password ssl_keystore_type "
    "ssl_truststore_path ssl_truststore_password ssl_truststore_type",
)
_COMMON: Final = {
    "input": _options(_hash, "add_field")
    | _options(_codec, "codec")
    | _options(_boolean, "enable_metric")
    | _options(_string, "id type")
    | _options(_array, "tags"),
    "filter": _options(_hash, "add_field")
    | _options(_array, "add_tag remove_field remove_tag")
    | _options(_boolean, "enable_metric periodic_flush")
    | _options(_string, "id"),
    "output": _options(_codec, "codec") | _options(_boolean, "enable_metric") | _options(_string, "id"),
    "codec": _options(_boolean, "enable_metric") | _options(_string, "id"),
}

PLUGINS: Final[dict[tuple[str, str], dict[str, Check]]] = {
    ("input", "tcp"): _SSL
    | _options(_string, "host")
    | _options(_number, "port")
    | _options(_boolean, "proxy_protocol tcp_keep_alive dns_reverse_lookup_enabled")
    | _options(_array, "ssl_extra_chain_certs")
    | {
        "mode": _one_of("server", "client"),
        "ssl_client_authentication": _one_of("none", "optional", "required"),
        "ssl_verification_mode": _one_of("full", "none"),
        "ecs_compatibility": _ECS,
    },
    ("input", "http"): _SSL
    | _STORES
    | _options(_string, "host user password remote_host_target_field request_headers_target_field")
    | _options(_number, "port ssl_handshake_timeout threads max_pending_requests max_content_length")
    | _options(_hash, "additional_codecs response_headers")
    | {
        "ssl_client_authentication": _one_of("none", "optional", "required"),
        "response_code": _one_of(200, 201, 202, 204),
        "ecs_compatibility": _ECS,
    },
    ("input", "dead_letter_queue"): _options(_string, "path pipeline_id sincedb_path start_timestamp")
    | _options(_boolean, "clean_consumed commit_offsets"),
    ("codec", "json_lines"): _options(_string, "charset delimiter target")
    | _options(_number, "decode_size_limit_bytes"),
    ("codec", "json"): _options(_string, "charset target") | {"ecs_compatibility": _ECS},
    ("filter", "mutate"): _options(_hash, "coerce rename replace update convert split join merge copy")
    | _options(_array, "gsub uppercase lowercase capitalize strip")
    | _options(_string, "tag_on_failure"),
    ("filter", "fingerprint"): _options(_array, "source")
    | _options(_string, "target key")
    | _options(_boolean, "base64encode concatenate_sources concatenate_all_fields")
    | {
        "method": _one_of(
            "SHA1", "SHA256", "SHA384", "SHA512", "MD5", "MURMUR3", "MURMUR3_128", "IPV4_NETWORK", "UUID",
            "PUNCTUATION",
        ),
        "ecs_compatibility": _ECS,
    },
    ("filter", "date"): _options(_string, "timezone locale target")
    | _options(_array, "match tag_on_failure"),
    ("output", "elasticsearch"): {
        name: check for name, check in (_SSL | _STORES).items() if name != "ssl_key_passphrase"
    }
    | _options(
        _string,
        "action index template_name template version routing parent join_field upsert script script_lang "
        "script_var_name pipeline ilm_rollover_alias ilm_pattern ilm_policy user password api_key cloud_auth "
        "cloud_id document_id path bulk_path sniffing_path proxy healthcheck_path data_stream_dataset "
        "data_stream_namespace",
    )
    | _options(
        _boolean,
        "manage_template template_overwrite doc_as_upsert scripted_upsert sniffing "
        "dlq_on_failed_indexname_interpolation data_stream_sync_fields data_stream_auto_routing",
    )
    | _options(
        _number,
        "retry_on_conflict sniffing_delay timeout pool_max pool_max_per_route resurrect_delay "
        "validate_after_inactivity retry_initial_interval retry_max_interval",
    )
    | _options(_hash, "parameters custom_headers")
    | _options(_array, "hosts silence_errors_in_log dlq_custom_codes drop_error_types")
    | {
        "template_api": _one_of("auto", "legacy", "composable"),
        "version_type": _one_of("internal", "external", "external_gt", "external_gte", "force"),
        "script_type": _one_of("inline", "indexed", "file"),
        "ilm_enabled": _one_of("true", "false", "auto"),
        "data_stream": _one_of("true", "false", "auto"),
        "data_stream_type": _one_of("logs", "metrics", "synthetics", "traces"),
        "ssl_verification_mode": _one_of("full", "none"),
        "compression_level": _one_of(*range(10)),
        "ecs_compatibility": _ECS,
    },
}  # fmt: skip
_REQUIRED: Final = {("input", "tcp"): {"port"}, ("input", "dead_letter_queue"): {"path"}}


def check_plugins(sections: dict[str, list[Step]]) -> list[Plugin]:
    """Every plugin of a configuration, checked as Logstash does before it starts.

    Raises:
        LogstashConfigError: an unknown plugin or option, a value of another kind, an option that
            is missing, two plugins of one id.
    """
    found = [plugin for kind, steps in sections.items() for plugin in _checked(kind, steps)]
    ids = [str(plugin.options["id"]) for plugin in found if "id" in plugin.options]
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise LogstashConfigError(f"two plugins have the id {sorted(twice)}")
    return found


def _checked(kind: str, steps: Iterable[Step]) -> Iterable[Plugin]:
    for step in steps:
        if isinstance(step, Branch):
            if kind == "input":
                raise LogstashConfigError("an input cannot stand under a condition")
            for _, body in step.cases:
                yield from _checked(kind, body)
        else:
            _check(kind, step)
            yield step


def _check(kind: str, plugin: Plugin) -> None:
    known = PLUGINS.get((kind, plugin.name))
    if known is None:
        raise LogstashConfigError(f"line {plugin.line}: no {kind} plugin named {plugin.name} is known here")
    for option, value in plugin.options.items():
        check = known.get(option) or _COMMON[kind].get(option)
        if check is None:
            raise LogstashConfigError(f"line {plugin.line}: unknown setting '{option}' for {plugin.name}")
        if not check(value):
            raise LogstashConfigError(f"line {plugin.line}: {plugin.name}: {option} cannot be {value!r}")
        if option == "codec":
            _check("codec", value if isinstance(value, Plugin) else Plugin(str(value), {}, plugin.line))
    missing = _REQUIRED.get((kind, plugin.name), set()) - plugin.options.keys()
    if missing:
        raise LogstashConfigError(f"line {plugin.line}: {plugin.name} needs {sorted(missing)}")
