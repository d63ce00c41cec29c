"""Run untrusted code in microVMs on your own machine."""

from mvm.aio.commands import AsyncCommands
from mvm.aio.files import AsyncFiles
from mvm.aio.process import AsyncProcess
from mvm.aio.sandbox import AsyncSandbox
from mvm.errors import *  # noqa: F403
from mvm.errors import __all__ as _errors
from mvm.network_policy import NetworkPolicy, NetworkRule
from mvm.options import ClientOptions, CreateOptions, Mount, TerminalSize
from mvm.results.command_result import CommandResult, CommandTimings, Isolation
from mvm.results.file_entry import FileEntry
from mvm.results.metrics import GuestMetrics, HostMetrics, SandboxMetrics
from mvm.results.process_event import EndEvent, GapEvent, OutputEvent, ProcessEvent
from mvm.results.sandbox_info import DestroyResult, LogLine, ProcessInfo, SandboxInfo
from mvm.results.snapshot_info import SnapshotInfo
from mvm.secret_ref import SecretRef
from mvm.sync.commands import Commands
from mvm.sync.files import Files
from mvm.sync.process import Process
from mvm.sync.sandbox import Sandbox

__all__ = [
    "AsyncCommands",
    "AsyncFiles",
    "AsyncProcess",
    "AsyncSandbox",
    "ClientOptions",
    "CommandResult",
    "CommandTimings",
    "Commands",
    "CreateOptions",
    "DestroyResult",
    "EndEvent",
    "FileEntry",
    "Files",
    "GapEvent",
    "GuestMetrics",
    "HostMetrics",
    "Isolation",
    "LogLine",
    "Mount",
    "NetworkPolicy",
    "NetworkRule",
    "OutputEvent",
    "Process",
    "ProcessEvent",
    "ProcessInfo",
    "Sandbox",
    "SandboxInfo",
    "SandboxMetrics",
    "SecretRef",
    "SnapshotInfo",
    "TerminalSize",
    *_errors,
]
