/** Run untrusted code in microVMs on your own machine. */
export type {
  CodeLanguage,
  CommandResult,
  ContextEnd,
  CommandTimings,
  Isolation,
  LogLine,
  NetworkRule,
  Profile,
  TemplateInfo,
  TerminalSize,
} from "@mvm/protocol";
export * from "@mvm/protocol/errors";
export { type InstalledPackage, type InstalledPackages, type InstallOptions, Packages } from "./packages/packages.js";
export { type CodeContext, CodeContexts, type CreateContextOptions } from "./code/contexts.js";
export type { CodeError, CodeOutput, CodeResult } from "./code/result.js";
export type { RunCodeOptions } from "./code/run-code.js";
export { Commands } from "./commands/commands.js";
export type { ProcessEvent, ProcessLogOptions } from "./commands/events.js";
export type { ProcessInfo } from "./commands/list.js";
export type { Command, CommandOptions, RunOptions, StartOptions, Stdin } from "./commands/options.js";
export { type KillOptions, Process } from "./commands/process.js";
export type { MkdirOptions, RemoveOptions, RenameOptions } from "./files/change.js";
export type { FileEntry } from "./files/entry.js";
export { Files } from "./files/files.js";
export type { ReadOptions } from "./files/read.js";
export type { StatOptions } from "./files/stat.js";
export { type FileChange, FileWatch, type WatchOptions } from "./files/watch.js";
export type { FileContent, WriteOptions, Written } from "./files/write.js";
export { NetworkPolicy } from "./network/policy.js";
export { type ForwardedPort, type ForwardOptions, type PortForward, Ports } from "./ports/ports.js";
export type { ConnectOptions } from "./sandbox/connect.js";
export type { CreateProgress } from "./sandbox/create.js";
export type { SandboxInfo } from "./sandbox/info.js";
export type { DestroyResult, DetachOptions, ResizeOptions } from "./sandbox/lifecycle.js";
export type { ListOptions } from "./sandbox/list.js";
export type { LogOptions } from "./sandbox/logs.js";
export type { SandboxMetrics } from "./sandbox/metrics.js";
export type { ClientOptions, CreateOptions, MountOptions, SandboxSpec } from "./sandbox/options.js";
export { Sandbox } from "./sandbox/sandbox.js";
export type { CallOptions } from "./sandbox/target.js";
export type { ForkOptions } from "./snapshots/fork.js";
export type { PruneOptions } from "./snapshots/prune.js";
export type { RestoreOptions } from "./snapshots/restore.js";
export type { ImportOptions } from "./snapshots/archive.js";
export { Snapshot, type SnapshotOptions } from "./snapshots/snapshot.js";
export { Template } from "./snapshots/template.js";
export { SecretRef, type SecretRefOptions } from "./secrets/secret-ref.js";
export { defineWorkload, type WorkloadDeclaration } from "./workload/define-workload.js";
