/** What crosses every boundary, without I/O and without a library at run time. Schemas are in `@mvm/protocol/schemas`. */
export type { AgentEntry, AgentMemory, AgentMetrics, AgentProcess, AgentResult, ExecResult } from "./agent/answers.js";
export type { AgentErrorKind, AgentErrorMessage } from "./agent/errors.js";
export type { AgentEvent } from "./agent/events.js";
export type { AgentOp, AgentRequest, ExecRequest } from "./agent/requests.js";
export type { Hello, Resume, Resumed, Welcome } from "./agent/session.js";
export type {
  CodeClaim,
  CodeLanguage,
  CodeRequest,
  CodeResultDocument,
  CodeStreamEvent,
  ContextEnd,
  ContextInfoDocument,
  ContextRequest,
  RunnerLine,
} from "./api/code.js";
export type {
  PackageManagerName,
  PackagesInstalledDocument,
  PackagesRequest,
  PackagesStreamEvent,
} from "./api/packages.js";
export type {
  CommandRequest,
  ProcessInfoDocument,
  RunRequest,
  SignalRequestBody,
  TerminalSize,
} from "./api/commands.js";
export type {
  CreatedEvent,
  CreateStreamEvent,
  EndedEvent,
  GapEvent,
  NoticeEvent,
  ProcessStartedEvent,
  ProcessStreamEvent,
  ProgressEvent,
  RunStreamEvent,
} from "./api/events.js";
export type {
  FileChangeDocument,
  FileEntryDocument,
  FileWatchEvent,
  FileWrittenDocument,
  FileListDocument,
  MkdirBody,
  RenameBody,
} from "./api/files.js";
export type { BackendInfo, Check, DoctorReport, GcResult, Version } from "./api/host.js";
export type {
  BuildRequest,
  ImagePullRequest,
  BuildStreamEvent,
  Catalogue,
  ImageBuildRecipe,
  ImageInfo,
} from "./api/images.js";
export type {
  BuildNumbers,
  CommandNumbers,
  CommandOutcome,
  MetricsDocument,
  SandboxMetricsDocument,
  TallyDocument,
} from "./api/metrics.js";
export type { BootReport, LogLine } from "./api/observe.js";
export type {
  AccelChoice,
  Mount,
  NetworkPolicyDocument,
  NetworkRule,
  Profile,
  SecretRefDocument,
} from "./api/plan-parts.js";
export type { SecretInfo, SecretList, SecretPutBody } from "./api/secrets.js";
export type { PlanDocument, PolicyCheckRequest, PolicyDecision, PolicyInfo } from "./api/policy.js";
export type { PortForwardBody, PortInfo, PortListDocument } from "./api/ports.js";
export type { CommandResultDocument } from "./api/results.js";
export type {
  Confinement,
  CreateRequest,
  DestroyResultDocument,
  SandboxInfoDocument,
  SandboxMemory,
  SandboxResize,
  TtlRequest,
} from "./api/sandboxes.js";
export type { PoolInfo, PoolRequest } from "./api/pools.js";
export type {
  Compatibility,
  DetachRequest,
  ForkRequest,
  PruneRequest,
  RestoreRequest,
  SnapshotImported,
  SnapshotInfo,
  SnapshotPart,
  SnapshotRequest,
  SnapshotStreamEvent,
  SnapshotVerdict,
} from "./api/snapshots.js";
export type { TemplateFacts, TemplateImported, TemplateInfo } from "./api/templates.js";
export { type Accelerator, acceleratorScale, deadline, type GuestDeadline, type HostDeadline } from "./deadlines.js";
export * from "./errors/index.js";
export { type IdKind, idGenerator, isId, newId, type RandomSource } from "./ids.js";
export { limits } from "./limits.js";
export { defaultTenant, isTenant, tenantPattern } from "./tenant.js";
export type { CommandResult, CommandTimings, Isolation } from "./results/command-result.js";
export { commandResultFromDocument, commandResultToDocument } from "./results/wire.js";
export { maxSignal, signalName, signalNumber } from "./signals.js";
export {
  canTransition,
  endReasons,
  type EndReason,
  isEnded,
  type SandboxState,
  sandboxStates,
  transitions,
} from "./states.js";
export * from "./validate/index.js";
