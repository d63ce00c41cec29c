"""What is known about templates."""

from __future__ import annotations

from dataclasses import dataclass

from mvm.results.sandbox_info import ImageRef


@dataclass(frozen=True)
class TemplateInfo:
    """Image, accelerator and size of the sandboxes that start from a template."""

    key: str
    image: ImageRef
    accel: str
    cpu: int
    memory_mb: int
    disk_mb: int
