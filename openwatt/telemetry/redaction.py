"""Redaction of secrets, for log records and error reports alike."""

import re
from collections.abc import Mapping
from typing import Any

FILTERED = "[Filtered]"
_UNREDACTABLE = "[could not be cleaned]"
_MAX_DEPTH = 20
_LONGEST_KEY = 200
_LONGEST_NUMBER_BITS = 1024  # what any reader of JSON takes

#: A key that holds one of these words holds a secret; `-` and `_` count as nothing.
SECRET_WORDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey",
    "authorization", "cookie", "credential", "sessionid", "csrf", "dsn", "databaseurl", "redisurl",
)  # fmt: skip
_words_anywhere = "|".join("[-_]?".join(word) for word in SECRET_WORDS)
_SECRET_KEY = re.compile(_words_anywhere, re.IGNORECASE)

# Repetitions are bounded: a hostile text costs no more than any other of its length.
#: `scheme://user:password@` and `scheme://key@`: everything before the last @ of the authority.
_URL_CREDENTIALS = re.compile(r"(\b\w[\w+.-]{0,20}://)[^\s/?#'\"<>]{1,500}@")
#: A whole header in a text: its value ends with the line or the quote.
_HEADER = re.compile(
    r"((?:authorization|cookie)[\"']?\s{0,9}[:=]\s{0,9}+[\"']?+)(?!\[Filtered\])[^\r\n\"']+", re.IGNORECASE
)
_SCHEME_TOKEN = re.compile(r"\b((?:bearer|basic)\s+)[A-Za-z0-9+/._~=-]{6,}", re.IGNORECASE)
#: `key=value`, `key: value`, `'key': 'value'`, `"key": "value"`, `key%3Dvalue`.
_ASSIGNMENT = re.compile(
    rf"((?:{_words_anywhere})[\w.-]{{0,40}}\\?[\"']?\s{{0,9}}(?::|=|%3[dD])\s{{0,9}}+\\?+)"
    r"(?:\"[^\"]*\"?|'[^']*'?|(?!\[Filtered\])[^\s\"'&;,)}\]]+)",
    re.IGNORECASE,
)

#: No pattern above can match a text that holds none of these: one cheap look at each field of a record.
_SUSPICIOUS = re.compile(r"[=:%@]|[rRcC]\s")


def is_secret_key(key: str) -> bool:
    """Whether the value under such a key is never shown."""
    return _SECRET_KEY.search(key) is not None


def redact_text(text: str) -> str:
    """Returns a text without the credentials of its URLs, its headers and its `key=value` pairs."""
    if _SUSPICIOUS.search(text) is None:
        return text
    text = _URL_CREDENTIALS.sub(rf"\1{FILTERED}@", text)
    text = _HEADER.sub(rf"\1{FILTERED}", text)
    text = _SCHEME_TOKEN.sub(rf"\1{FILTERED}", text)
    return _ASSIGNMENT.sub(rf"\1{FILTERED}", text)


def redact(value: Any) -> Any:
    """Returns the same value made of plain containers, with every secret replaced by `[Filtered]`.

    It never raises: what cannot be redacted is replaced whole.
    """
    try:
        return _redact(value, 0)
    except Exception:  # noqa: BLE001  a value's own __str__ or __iter__ may raise anything
        return _UNREDACTABLE


def _redact(value: Any, depth: int) -> Any:
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER_BITS:
        return f"[a number of {value.bit_length()} bits]"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return "[too deep]" if depth >= _MAX_DEPTH else _redact_container(value, depth)
    return redact_text(str(value))


def _redact_container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_redact_key(str(key)): _redact_pair(str(key), item, depth) for key, item in value.items()}
    if len(value) == 2 and isinstance(value, (list, tuple)) and isinstance(value[0], str):
        return [redact_text(value[0]), _redact_pair(value[0], value[1], depth)]
    return [_redact(item, depth + 1) for item in value]


def _redact_key(key: str) -> str:
    """A key that every receiver takes: Elasticsearch refuses a whole record for a NUL or an immense one."""
    return key[:_LONGEST_KEY].replace("\0", "\\0")


def _redact_pair(key: str, value: Any, depth: int) -> Any:
    if is_secret_key(key) and value is not None:
        return FILTERED
    return _redact(value, depth + 1)
