"""What sandboxes start from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mvm.aio.archive import export_archive, import_archive
from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.options import ClientOptions
from mvm.record.mode import only_live
from mvm.results.document import read
from mvm.results.template_info import TemplateInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncTemplate:
    """What sandboxes of an image start from instead of booting.

    Hosts make their own; moving one saves another host that boot.
    """

    def __init__(self, info: TemplateInfo) -> None:
        self.info = info

    @property
    def key(self) -> str:
        """Its name on this host."""
        return self.info.key

    @staticmethod
    async def export(ref: str, file: str | os.PathLike[str], **options: Unpack[ClientOptions]) -> str:
        """Writes a template to an archive for another host: signed, there whole or not at all.

        Returns the archive's digest. Raises ``AssetNotFoundError`` when there is none, ``InvalidArgumentError``
        naming the keys when the image has several.

        :param ref: an image by name or digest, or the template's key
        """
        only_live("templates.export")
        return await export_archive(AsyncDaemonClient(**options), "templates", ref, file)

    @classmethod
    async def import_(
        cls, file: str | os.PathLike[str], *, key: str | None = None, **options: Unpack[ClientOptions]
    ) -> AsyncTemplate:
        """Reads a template from an archive that ``export`` wrote, here or on a host whose key is given.

        Signature, image and host are compared before anything else is read; an archive that is refused leaves nothing.
        Raises ``SnapshotMismatchError`` or ``BackendUnsupported`` naming what differs.

        :param key: public key (PEM) of the exporting host, its ``keys/snapshot-export.key.pub``.
            Default: only archives of this state root are believed
        """
        only_live("templates.import")
        imported = await import_archive(AsyncDaemonClient(**options), "templates", file, {"key": key})
        return cls(read(TemplateInfo, imported["template"]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key} of {self.info.image.name}>"
