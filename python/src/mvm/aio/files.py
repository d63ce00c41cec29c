"""Files of one sandbox."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal, TypeAlias, overload

from mvm import limits
from mvm.aio.target import AsyncTarget
from mvm.aio.watch import AsyncFileWatch, watch
from mvm.client.call import given
from mvm.client.command import content_bytes
from mvm.drivers import asynchronous as driver
from mvm.errors import InvalidArgumentError, SandboxError
from mvm.results.document import read
from mvm.results.file_entry import FileEntry, Written, file_entry

_Entries: TypeAlias = "list[FileEntry]"
Format = Literal["text", "bytes", "stream"]


class AsyncFiles:
    """Files of one sandbox.

    Paths are absolute or relative to ``/home/user``. Empty ones, NUL, ``..`` and what is too long are refused with
    ``InvalidArgumentError``, everything else is literal. ``/proc``, ``/sys`` and ``/dev`` are ``PolicyDenied``.
    """

    def __init__(self, target: AsyncTarget) -> None:
        self._target = target

    @overload
    async def read(
        self, path: str, *, format: Literal["text"] = "text", offset: int | None = None, length: int | None = None
    ) -> str: ...
    @overload
    async def read(
        self, path: str, *, format: Literal["bytes"], offset: int | None = None, length: int | None = None
    ) -> bytes: ...
    @overload
    async def read(
        self, path: str, *, format: Literal["stream"], offset: int | None = None, length: int | None = None
    ) -> driver.Events[bytes]: ...

    async def read(
        self, path: str, *, format: Format = "text", offset: int | None = None, length: int | None = None
    ) -> str | bytes | driver.Events[bytes]:
        """Content of a file: ``text`` decodes UTF-8, ``stream`` is an iterator that is read as it is taken.

        :param offset: first byte. Default: 0
        :param length: bytes at most. Default: to the end
        """
        if format not in ("text", "bytes", "stream"):
            raise InvalidArgumentError(
                f'Cannot use {format!r:.64} as format: it is not "text", "bytes" or "stream"',
                context={"argument": "format"},
            )
        query = {"path": path, "offset": offset, "length": length}
        call = self._target.call("GET", "/files/content", "files.read", query=query, patient=True)
        answer = await self._target.client.stream(call)
        if format == "stream":
            return answer.chunks()
        size = int(answer.headers.get("content-length", 0))
        if size > limits.FILE_READ_BYTES:
            await answer.close()
            raise _too_large(size)
        content = await answer.body(limits.FILE_READ_BYTES)
        return content if format == "bytes" else content.decode(errors="replace")

    async def write(
        self,
        path: str,
        content: str | bytes | bytearray | memoryview | driver.Source,
        *,
        mode: int | None = None,
        modified_at: datetime | None = None,
        exclusive: bool = False,
        append: bool = False,
    ) -> Written:
        """Writes a file.

        It has the whole new content or, if anything fails, still the old one; directories above it are made.

        :param content: text, bytes, an open file, or an iterable of them, read no faster than the guest takes it
        :param mode: permission bits; setuid, setgid and sticky are dropped. Default: 0o644
        :param exclusive: fail with ``FILE_EXISTS`` when the path exists
        :param append: write behind what is there, instead of replacing the whole
        """
        whole = content_bytes(content)
        if whole is None:
            check_content(content)
        query = {
            "path": path,
            "mode": mode,
            "mtime_ms": None if modified_at is None else round(modified_at.timestamp() * 1000),
            "exclusive": exclusive or None,
            "append": append or None,
        }
        document = await self._target.json(
            "PUT",
            "/files/content",
            "files.write",
            query=query,
            body=driver.pieces(content) if whole is None else whole,
            idempotent=not exclusive and not append,
            patient=True,
        )
        return read(Written, document)

    async def list(self, path: str) -> _Entries:
        """The entries of a directory, sorted by name."""
        async with aclosing(self.entries(path)) as entries:
            return [entry async for entry in entries]

    async def entries(self, path: str) -> driver.Events[FileEntry]:
        """The entries of a directory one by one, for those too large for a list."""
        cursor: str | None = None
        while True:
            query = {"path": path, "cursor": cursor, "limit": limits.LIST_PAGE}
            page = await self._target.json("GET", "/files/list", "files.list", query=query)
            for document in page["entries"]:
                yield file_entry(document)
            cursor = page["next"]
            if cursor is None:
                return

    async def stat(self, path: str, *, follow: bool = True, sha256: bool = False) -> FileEntry:
        """What is at the path; without ``follow`` about a symlink itself.

        Raises ``GuestAgentError`` (``FILE_NOT_FOUND``) when nothing is.

        :param sha256: also the SHA-256 of a file's content: the whole file passes the daemon, which computes it
        """
        query = {"path": path, "follow": None if follow else False, "sha256": sha256 or None}
        return file_entry(await self._target.json("GET", "/files/stat", "files.stat", query=query))

    async def exists(self, path: str, *, follow: bool = True) -> bool:
        """Whether something is at the path."""
        try:
            await self.stat(path, follow=follow)
        except SandboxError as error:
            if error.code in ("FILE_NOT_FOUND", "FILE_NOT_DIRECTORY"):
                return False
            raise
        return True

    async def mkdir(self, path: str, *, mode: int | None = None, parents: bool = True, exist_ok: bool = True) -> bool:
        """Makes a directory, with those above it; returns whether it was not there before."""
        body = given(path=path, mode=mode, parents=parents, exist_ok=exist_ok)
        return bool((await self._post("mkdir", body, idempotent=exist_ok))["created"])

    async def remove(self, path: str, *, recursive: bool = False) -> int:
        """Removes a file, or with ``recursive`` a tree, whose symlinks are not followed; returns how many entries."""
        query = {"path": path, "recursive": recursive or None}
        return int((await self._target.json("DELETE", "/files", "files.remove", query=query))["removed"])

    async def rename(self, from_path: str, to_path: str, *, overwrite: bool = True) -> None:
        """Renames or moves."""
        await self._post("rename", {"from": from_path, "to": to_path, "overwrite": overwrite})

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncFileWatch:
        """Watches a file or directory: returns when every later change is told. Iterate over it.

        :param recursive: also everything below, and directories that come later; at most 8192 of them
        """
        return await watch(self._target, path, recursive=recursive)

    async def _post(self, verb: str, body: dict[str, Any], **details: Any) -> Any:
        return await self._target.json("POST", f"/files/{verb}", f"files.{verb}", json=body, **details)


def check_content(content: object) -> None:
    """Refuses what has no bytes."""
    if not any(hasattr(content, name) for name in ("read", "__iter__", "__aiter__")):
        raise InvalidArgumentError(
            "Cannot write the file: its content is not text, bytes, a file or an iterable of them",
            operation="files.write",
            context={"argument": "content"},
        )


def _too_large(size: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"Cannot read the file at once: its {size} bytes are more than {limits.FILE_READ_BYTES}",
        hint='Read it with format "stream", or in parts with offset and length',
        operation="files.read",
        boundary="filesystem",
    )
