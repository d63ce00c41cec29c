import type { CommandRequest } from "../api/commands.js";
import type { PolicyCheckRequest } from "../api/policy.js";
import type { CreateRequest } from "../api/sandboxes.js";
import type { App, Workload } from "./schema.js";

const valuesOf = (env: Readonly<Record<string, { readonly value: string }>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(env).map(([name, { value }]) => [name, value]));

/** The app of a valid workload. */
export const appOf = (workload: Workload): App => workload.apps[0] as App;

/** Id of a recorded workload whose script gave none: its sandbox has none either. */
export const unnamedWorkload = "workload";

/** What a valid workload in normal form asks the daemon for. What it does not say is left to the daemon's defaults. */
export function createRequestOf(workload: Workload): CreateRequest {
  const app = appOf(workload);
  const env: Record<string, string> = {};
  const secrets: NonNullable<CreateRequest["secrets"]> = {};
  for (const [name, value] of Object.entries(app.env ?? {})) {
    if (value.kind === "literal") env[name] = value.value;
    else {
      const { name: secret, hosts, header } = value.ref;
      secrets[name] = { secret, ...(hosts !== undefined && { hosts }), ...(header !== undefined && { header }) };
    }
  }
  const { sandbox_name: name, profile, ttl_seconds, idle_seconds, backend, accel, require_isolation } = app;
  const mounts = (app.mounts ?? []).map(({ target, source, mode }) => ({ host: source.path, guest: target, mode }));
  const allow = (app.network?.egress?.allowlist ?? []).map(({ host, port, protocol = "tcp" }) => ({
    ...{ host, port, protocol },
  }));
  return {
    image: app.image.reference,
    ...(name !== undefined && { name }),
    ...(workload.id !== unnamedWorkload && { workload_id: workload.id }),
    cpu: app.resources.cpu_cores,
    memory_mb: app.resources.memory_mb,
    disk_mb: app.resources.rootfs_size_mb,
    ...(profile !== undefined && { profile }),
    ...(ttl_seconds !== undefined && { ttl_seconds }),
    ...(idle_seconds !== undefined && { idle_seconds }),
    ...(backend !== undefined && { backend }),
    ...(accel !== undefined && { accel }),
    ...(require_isolation !== undefined && { require_isolation }),
    ...(Object.keys(env).length > 0 && { env }),
    ...(Object.keys(secrets).length > 0 && { secrets }),
    ...(Object.keys(app.tags ?? {}).length > 0 && { tags: app.tags }),
    ...(allow.length > 0 && { network: { default: "deny", allow } }),
    ...(mounts.length > 0 && { mounts }),
  };
}

/** What a workload asks policy: its sandbox, and the ports that are forwarded into it. */
export function policyCheckOf(workload: Workload): PolicyCheckRequest {
  const { network, operations = [] } = appOf(workload);
  const forwarded = operations.filter((operation) => operation.kind === "port_forward");
  const ports = [...(network?.ports ?? []), ...forwarded].map(({ guest, host, host_address }) => ({
    ...{ guest_port: guest, host_port: host },
    ...(host_address !== undefined && { host_address }),
  }));
  return { ...createRequestOf(workload), ...(ports.length > 0 && { ports }) };
}

/** One command of a workload: its entry point, or an operation that runs one. */
type WorkloadCommand = Extract<NonNullable<App["operations"]>[number], { kind: "command_run" | "command_start" }>;

/** What an operation asks the daemon to run. */
export function commandRequestOf(operation: WorkloadCommand): CommandRequest {
  const { argv, shell, env, working_dir: cwd, stdin_b64, user, timeout_ms, max_output_bytes } = operation;
  return {
    ...(argv !== undefined && { argv }),
    ...(shell !== undefined && { shell }),
    ...(user !== undefined && { user }),
    ...(timeout_ms !== undefined && { timeout_ms }),
    ...(max_output_bytes !== undefined && { max_output_bytes }),
    env: valuesOf(env),
    ...(cwd !== undefined && { cwd }),
    ...(stdin_b64 !== undefined && { stdin: "data", stdin_data: stdin_b64 }),
  };
}

/** What runs last; null where a workload has operations only. */
export function entrypointRequestOf(workload: Workload): CommandRequest | null {
  const [entry] = appOf(workload).entrypoints;
  if (entry === undefined) return null;
  const { kind: _kind, command: argv, env, working_dir: cwd, ...rest } = entry;
  return { ...rest, argv, env: valuesOf(env), ...(cwd !== undefined && { cwd }) };
}
