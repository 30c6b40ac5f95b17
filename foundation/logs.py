"""Quiet logs: one structured line an event, with anything that looks personal or secret blacked out."""

import logging
import re

import structlog

_PERSONAL = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\b[A-HJ-NPR-Z0-9]{17}\b"), "[VIN]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 [secret]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"\b(?:sk|rk|whsec)_[\w]+"), "[key]"),
    (re.compile(r"(?i)\b(code|state|token|access_token|refresh_token|key|secret|password)=[^&\s\"']+"), r"\1=[secret]"),
    (re.compile(r"-?\b\d{1,3}\.\d{4,}\s*,\s*-?\d{1,3}\.\d{4,}"), "[place]"),
)


def redact(text: str) -> str:
    """Return `text` with e-mail addresses, VINs, tokens, keys and coordinates replaced."""
    for pattern, stand_in in _PERSONAL:
        text = pattern.sub(stand_in, text)
    return text


class RedactPersonal(logging.Filter):
    """A logging filter that redacts every message before a handler sees it, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def line_formatter() -> logging.Formatter:
    """Return the formatter of every handler: time, level, logger, message."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "logger", "event"]),
        ],
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            _add_traceback,
        ],
    )


def _add_traceback(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    record = event.get("_record")
    if record is not None and record.exc_text:
        event["traceback"] = record.exc_text
    return event
