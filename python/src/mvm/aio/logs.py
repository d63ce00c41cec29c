"""The log of a sandbox."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime, timezone

from mvm.aio.target import AsyncTarget
from mvm.drivers import asynchronous as driver
from mvm.errors import InvalidArgumentError
from mvm.results.document import read
from mvm.results.sandbox_info import LogLine


def _time(since: datetime | float | str | None) -> str | None:
    if since is None or isinstance(since, str):
        return since
    try:
        at = since if isinstance(since, datetime) else datetime.fromtimestamp(since, timezone.utc)
        return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, TypeError, ValueError) as error:
        raise InvalidArgumentError("Cannot use since: it is not a time", context={"argument": "since"}) from error


async def logs(
    target: AsyncTarget, *, follow: bool, since: datetime | float | str | None, source: str | None
) -> driver.Events[LogLine]:
    """The lines, and with ``follow`` those that come."""
    query = {"follow": follow or None, "since": _time(since), "source": source}
    answer = await target.client.stream(target.call("GET", "/logs", "sandboxes.logs", query=query, patient=True))
    async with aclosing(answer.lines()) as lines:
        async for line in lines:
            yield read(LogLine, line)
