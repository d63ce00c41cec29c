"""Every error of mvm. See docs/errors.md for the codes."""

from mvm.errors.classes import *  # noqa: F403
from mvm.errors.classes import __all__ as _classes
from mvm.errors.document import from_document

__all__ = [*_classes, "from_document"]
