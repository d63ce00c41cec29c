"""Archives of snapshots on this host's disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mvm.errors import InvalidArgumentError


@contextmanager
def written_whole(file: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file of mode 0600, which has its name when the block ends well and is gone when it does not."""
    path = Path(file)
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            try:
                yield out
            except BaseException:
                half.unlink(missing_ok=True)
                raise
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise _unusable(path, error) from error


def opened(file: str | os.PathLike[str]) -> BinaryIO:
    """The file, for reading. Raises ``InvalidArgumentError`` when it cannot be opened."""
    path = Path(file)
    try:
        return path.open("rb")
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> InvalidArgumentError:
    return InvalidArgumentError(
        f'Cannot use "{path}" as an archive: {error.strerror or "the system refuses"}', context={"argument": "file"}
    )
