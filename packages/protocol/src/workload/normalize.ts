import { protocolOfPort } from "./rules.js";
import type { App, Operation, Workload } from "./schema.js";

type Entrypoint = App["entrypoints"][number];
type Network = NonNullable<App["network"]>;

/** Where commands of `user` run that do not say where; those of others run in their own homes. */
export const defaultWorkingDir = "/home/user";

const orEmpty = <T>(list: readonly T[] | undefined): T[] => [...(list ?? [])];

/**
 * The normal form of a valid workload: every default that has a value is written out, lists whose order means nothing
 * are sorted, what says nothing is left out. Two documents that mean the same have the same normal form.
 */
export function normalizeWorkload(workload: Workload): Workload {
  return {
    schema_version: "0.1",
    id: workload.id,
    apps: workload.apps.map(normalApp),
    volumes: [],
    extensions: workload.extensions ?? {},
  };
}

function normalApp(app: App): App {
  const { dependencies: _nothing, threat_tier: _default, ...rest } = app;
  return {
    ...rest,
    entrypoints: app.entrypoints.map(normalCommand),
    env: app.env ?? {},
    mounts: orEmpty(app.mounts),
    network: normalNetwork(app.network ?? { mode: "none" }),
    profile: app.profile ?? "standard",
    tags: app.tags ?? {},
    files: orEmpty(app.files).sort((a, b) => (a.path < b.path ? -1 : 1)),
    operations: orEmpty(app.operations).map(normalOperation),
  };
}

function normalOperation(operation: Operation): Operation {
  switch (operation.kind) {
    case "command_run": {
      const { check = true, ...rest } = operation;
      return { ...normalCommand(rest), ...(!check && { check }) };
    }
    case "command_start":
      return normalCommand(operation);
    default:
      return operation;
  }
}

function normalCommand<C extends { user?: string; working_dir?: string; env?: Entrypoint["env"] }>(command: C): C {
  const home = (command.user ?? "user") === "user" ? { working_dir: defaultWorkingDir } : {};
  return { ...home, ...command, env: command.env ?? {} };
}

function normalNetwork({ ports, egress }: Network): Network {
  const rules = (egress?.allowlist ?? []).map(({ host, port, protocol }) => ({
    host,
    port,
    protocol: protocol ?? protocolOfPort(host, port),
  }));
  const keyed = new Map(
    rules.map((rule) => [`${rule.host} ${String(rule.port).padStart(5, "0")} ${rule.protocol}`, rule]),
  );
  const allowlist = [...keyed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule);
  // An empty list allows as little as no device does.
  return {
    mode: allowlist.length > 0 ? "bridge" : "none",
    ports: orEmpty(ports),
    ...(allowlist.length > 0 && { egress: { allowlist } }),
  };
}
