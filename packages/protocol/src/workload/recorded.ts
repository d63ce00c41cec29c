import type { CommandRequest } from "../api/commands.js";
import type { CreateRequest } from "../api/sandboxes.js";
import { validateHost } from "../validate/host.js";
import { normalizeWorkload } from "./normalize.js";
import { unnamedWorkload } from "./request.js";
import { defaultResources } from "./rules.js";
import type { App, EnvValue, Operation, Workload } from "./schema.js";

export { canonicalWorkload } from "./canonical.js";
export { workloadLimits } from "./limits.js";
export type { Operation } from "./schema.js";

type Entrypoint = App["entrypoints"][number];
type CommandOperation = Extract<Operation, { kind: "command_run" | "command_start" }>;

/**
 * The workload, in normal form, that a script means which asks for one sandbox and does something in it: the way back
 * of `createRequestOf`. `detach`, `owner` and `tenant` are not its business.
 */
export function recordedWorkload(request: CreateRequest, operations: readonly Operation[]): Workload {
  const { image = "python", name, workload_id, cpu, memory_mb, disk_mb, env = {}, secrets = {}, network } = request;
  const { profile, ttl_seconds, idle_seconds, backend, accel, require_isolation, tags = {}, mounts = [] } = request;
  const id = workload_id ?? unnamedWorkload;
  const [reference = image, digest] = image.split("@", 2);
  const allowlist = network?.allow ?? [];
  const app: App = {
    name: id,
    ...(name !== undefined && { sandbox_name: name }),
    image: { kind: "reference", reference, ...(digest !== undefined && { digest }) },
    ...withEntrypoint(operations),
    resources: {
      cpu_cores: cpu ?? defaultResources.cpu_cores,
      memory_mb: memory_mb ?? defaultResources.memory_mb,
      rootfs_size_mb: disk_mb ?? defaultResources.rootfs_size_mb,
    },
    env: { ...literals(env), ...references(secrets) },
    mounts: mounts.map(({ host, guest, mode }) => ({ target: guest, source: { kind: "host_path", path: host }, mode })),
    network: { mode: allowlist.length > 0 ? "bridge" : "none", egress: { allowlist } },
    ...(profile !== undefined && { profile }),
    ...(typeof ttl_seconds === "number" && { ttl_seconds }),
    ...(idle_seconds !== undefined && { idle_seconds }),
    ...(backend !== undefined && { backend }),
    ...(accel !== undefined && { accel }),
    ...(require_isolation !== undefined && { require_isolation }),
    tags,
  };
  return normalizeWorkload({ schema_version: "0.1", id, apps: [app] });
}

/** What a command's request says, as an operation; `spill`, `pty` and stdin through a pipe have no place in one. */
export function commandOperation<K extends CommandOperation["kind"]>(kind: K, request: CommandRequest) {
  const { argv, shell, env, cwd, user, timeout_ms, stdin_data, max_output_bytes } = request;
  return {
    kind,
    ...(argv !== undefined && { argv }),
    ...(shell !== undefined && { shell }),
    ...(env !== undefined && { env: literals(env) }),
    ...(cwd !== undefined && { working_dir: absoluteGuestPath(cwd) }),
    ...(user !== undefined && { user }),
    ...(typeof timeout_ms === "number" && { timeout_ms }),
    ...(stdin_data !== undefined && { stdin_b64: stdin_data }),
    ...(max_output_bytes !== undefined && { max_output_bytes }),
  };
}

/** A path as the guest understands it, written out. */
export function absoluteGuestPath(path: string): string {
  return path.startsWith("/") ? path : `/home/user/${path}`;
}

const literals = (env: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, { kind: "literal" as const, value }]));

function references(secrets: NonNullable<CreateRequest["secrets"]>): Record<string, EnvValue> {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, { secret, hosts, header }]): [string, EnvValue] => {
      const where = {
        ...(hosts !== undefined && { hosts: hosts.map(validateHost) }),
        ...(header !== undefined && { header }),
      };
      return [name, { kind: "secret_ref", ref: { name: secret, mount: { kind: "env", var: name }, ...where } }];
    }),
  );
}

/**
 * The last command is what the workload runs, where an entry point can say all of it and nothing but forwarded ports comes
 * after it: a server that a script starts last would otherwise end with the script.
 */
function withEntrypoint(operations: readonly Operation[]): { entrypoints: Entrypoint[]; operations: Operation[] } {
  let at = operations.length - 1;
  while (operations[at]?.kind === "port_forward") at--;
  const last = operations[at];
  const entry = last?.kind === "command_run" || last?.kind === "command_start" ? entrypointOf(last) : undefined;
  if (entry === undefined) return { entrypoints: [], operations: [...operations] };
  return { entrypoints: [entry], operations: operations.filter((_, place) => place !== at) };
}

function entrypointOf(operation: CommandOperation): Entrypoint | undefined {
  const { argv, shell, env, working_dir, user, timeout_ms, stdin_b64, max_output_bytes } = operation;
  if (stdin_b64 !== undefined || max_output_bytes !== undefined) return undefined;
  return {
    kind: "command",
    command: argv ?? ["/bin/sh", "-lc", shell ?? ""],
    ...(env !== undefined && { env }),
    ...(working_dir !== undefined && { working_dir }),
    ...(user !== undefined && { user }),
    ...(timeout_ms !== undefined && { timeout_ms }),
  };
}
