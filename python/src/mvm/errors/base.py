"""The base class of every failure that mvm reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, ClassVar

from mvm.errors.row import Boundary, ErrorRow, Outcome, Retry
from mvm.errors.table import error_table

_MAX_MESSAGE = 4096
_FIELDS = (
    *("name", "code", "message", "hint", "boundary", "retry", "outcome", "operation"),
    *("sandbox_id", "run_id", "audit_id", "context"),
)


@dataclass(frozen=True)
class GuestErrorResponse:
    """What the guest's agent answered; its message names paths, never content."""

    kind: str = "unknown"
    errno: str | None = None
    message: str = ""
    outcome: str = "unknown"


def error_row(code: str) -> ErrorRow:
    """The row of a code; unknown codes, of a newer daemon, answer like ``INTERNAL``."""
    return error_table.get(code, error_table["INTERNAL"])


class SandboxError(Exception):
    """The one base class: every failure that mvm reports is an instance.

    ``code`` is stable, ``boundary`` says where it happened, ``retry`` whether to call again (``safe``, ``ask``,
    ``never``) and ``outcome`` what became of the operation: only after ``not_started`` may it be repeated blindly.
    """

    default_code: ClassVar[str] = "INTERNAL"
    extra_fields: ClassVar[tuple[str, ...]] = ()

    code: str
    message: str
    hint: str
    boundary: Boundary
    retry: Retry
    outcome: Outcome
    operation: str | None
    sandbox_id: str | None
    run_id: str | None
    audit_id: str | None
    context: Mapping[str, str | int | float | bool | None]

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        boundary: Boundary | None = None,
        retry: Retry | None = None,
        outcome: Outcome | None = None,
        operation: str | None = None,
        sandbox_id: str | None = None,
        run_id: str | None = None,
        audit_id: str | None = None,
        context: Mapping[str, str | int | float | bool | None] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message[:_MAX_MESSAGE])
        self.message = message[:_MAX_MESSAGE]
        self.code = code if code is not None else self.default_code
        row = error_row(self.code)
        self.hint = row.hint if hint is None else hint
        self.boundary = row.boundary if boundary is None else boundary
        self.retry = row.retry if retry is None else retry
        self.outcome = row.outcome if outcome is None else outcome
        self.operation = operation
        self.sandbox_id = sandbox_id
        self.run_id = run_id
        self.audit_id = audit_id
        self.context = dict(context or {})
        for name, value in extra.items():
            if name not in self._all_extra_fields():
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)

    @classmethod
    def _all_extra_fields(cls) -> tuple[str, ...]:
        return tuple(name for base in cls.__mro__ for name in base.__dict__.get("extra_fields", ()))

    @property
    def name(self) -> str:
        """The name of the class in the error tree."""
        return type(self).__name__

    @property
    def transient(self) -> bool:
        """True exactly for the family of ``TransientError``."""
        return self._descends_from("TransientError")

    @property
    def permanent(self) -> bool:
        """True exactly for the family of ``PermanentError``."""
        return self._descends_from("PermanentError")

    def _descends_from(self, name: str) -> bool:
        return any(base.__name__ == name for base in type(self).__mro__)

    def to_document(self) -> dict[str, Any]:
        """The error document, as the HTTP API and ``--json`` have it. Holds no traceback and no cause."""
        error = {name: getattr(self, name) for name in _FIELDS}
        for name in self._all_extra_fields():
            value = getattr(self, name)
            if hasattr(value, "to_document"):
                value = value.to_document()
            elif is_dataclass(value) and not isinstance(value, type):
                value = asdict(value)
            error[name] = value
        return {"schema_version": 1, "error": error}

    def __reduce__(self) -> Any:
        # Keyword arguments do not survive the pickling that exceptions have by default.
        from mvm.errors.document import from_document

        return from_document, (self.to_document(),)
