"""Run untrusted code in microVMs on your own machine."""

from mvm.aio.code import AsyncCodeContexts
from mvm.aio.commands import AsyncCommands
from mvm.aio.files import AsyncFiles
from mvm.aio.packages import AsyncPackages
from mvm.aio.ports import AsyncPortForward, AsyncPorts
from mvm.aio.process import AsyncProcess
from mvm.aio.sandbox import AsyncSandbox
from mvm.aio.snapshot import AsyncSnapshot
from mvm.aio.template import AsyncTemplate
from mvm.aio.watch import AsyncFileWatch
from mvm.errors import *  # noqa: F403
from mvm.errors import __all__ as _errors
from mvm.network_policy import NetworkPolicy, NetworkRule
from mvm.options import ClientOptions, CreateOptions, ForkOptions, Mount, RestoreOptions, TerminalSize
from mvm.results.code_result import CodeContext, CodeError, CodeResult
from mvm.results.command_result import CommandResult, CommandTimings, Isolation
from mvm.results.file_change import FileChange
from mvm.results.file_entry import FileEntry, Written
from mvm.results.installed_packages import InstalledPackage, InstalledPackages, PackageRun
from mvm.results.metrics import GuestMetrics, HostMetrics, SandboxMetrics
from mvm.results.process_event import EndEvent, GapEvent, OutputEvent, ProcessEvent
from mvm.results.sandbox_info import DestroyResult, LogLine, PortInfo, ProcessInfo, SandboxInfo, SandboxMemory
from mvm.results.snapshot_info import SnapshotInfo, SnapshotVerdict
from mvm.results.template_info import TemplateInfo
from mvm.secret_ref import SecretRef
from mvm.sync.code import CodeContexts
from mvm.sync.commands import Commands
from mvm.sync.files import Files
from mvm.sync.packages import Packages
from mvm.sync.ports import PortForward, Ports
from mvm.sync.process import Process
from mvm.sync.sandbox import Sandbox
from mvm.sync.snapshot import Snapshot
from mvm.sync.template import Template
from mvm.sync.watch import FileWatch
from mvm.workload import Resources, Workload, app, define_workload, func, resources

__all__ = [
    "AsyncCodeContexts",
    "AsyncCommands",
    "AsyncFileWatch",
    "AsyncFiles",
    "AsyncPackages",
    "AsyncPortForward",
    "AsyncPorts",
    "AsyncProcess",
    "AsyncSandbox",
    "AsyncSnapshot",
    "AsyncTemplate",
    "ClientOptions",
    "CodeContext",
    "CodeContexts",
    "CodeError",
    "CodeResult",
    "CommandResult",
    "CommandTimings",
    "Commands",
    "CreateOptions",
    "DestroyResult",
    "EndEvent",
    "FileChange",
    "FileEntry",
    "FileWatch",
    "ForkOptions",
    "Files",
    "GapEvent",
    "GuestMetrics",
    "HostMetrics",
    "InstalledPackage",
    "InstalledPackages",
    "Isolation",
    "LogLine",
    "Mount",
    "NetworkPolicy",
    "NetworkRule",
    "OutputEvent",
    "PackageRun",
    "Packages",
    "PortForward",
    "PortInfo",
    "Ports",
    "Process",
    "ProcessEvent",
    "ProcessInfo",
    "Resources",
    "RestoreOptions",
    "Sandbox",
    "SandboxInfo",
    "SandboxMemory",
    "SandboxMetrics",
    "SecretRef",
    "Snapshot",
    "SnapshotInfo",
    "SnapshotVerdict",
    "Template",
    "TemplateInfo",
    "TerminalSize",
    "Workload",
    "Written",
    "app",
    "define_workload",
    "func",
    "resources",
    *_errors,
]
