import { validateHost } from "../validate/host.js";
import { validateTimeoutSeconds } from "../validate/numbers.js";
import { utf8Length } from "../validate/invalid.js";
import { pointer, type WorkloadProblem } from "./codes.js";
import { type Declaration, declarationShape } from "./declaration.js";
import { workloadLimits } from "./limits.js";
import { normalizeWorkload } from "./normalize.js";
import { defaultResources, rules, type Report } from "./rules.js";
import type { App, EnvValue, Workload } from "./schema.js";
import { Structure } from "./structure.js";

export type { WorkloadCode, WorkloadProblem } from "./codes.js";
export type { Declaration } from "./declaration.js";

/** The workload a declaration means, or what is wrong with it; paths are the declaration's own. */
export type Lowered =
  | { readonly workload: Workload; readonly problems: readonly [] }
  | { readonly workload: null; readonly problems: readonly WorkloadProblem[] };

/** Turns a declaration into a workload in normal form. Accepts any value; never throws. */
export function lowerDeclaration(value: unknown): Lowered {
  const structure = new Structure();
  structure.check(value, declarationShape, "");
  if (structure.problems.length === 0) checkDeclaration(value as Declaration, (...each) => structure.add(...each));
  if (structure.problems.length > 0) return { workload: null, problems: structure.problems };
  const declaration = value as Declaration;
  const workload: Workload = { schema_version: "0.1", id: declaration.id, apps: [appOf(declaration)] };
  return { workload: normalizeWorkload(workload), problems: [] };
}

function checkDeclaration(declaration: Declaration, report: Report): void {
  const { image, command, files = {}, env = {}, secrets = {}, network, tags = {}, timeoutSeconds } = declaration;
  rules.image(report, "/image", image);
  const [, digest] = splitDigest(image);
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    report("E_INVALID_IMAGE", "/image", "The digest is not sha256: and 64 lower-case hexadecimal digits");
  }
  rules.argv(report, "/command", command);
  rules.env(report, "/env", env);
  rules.tags(report, "/tags", tags);
  if (declaration.cwd !== undefined) rules.path(report, "/cwd", declaration.cwd);
  if (declaration.user !== undefined) rules.user(report, "/user", declaration.user);
  if (timeoutSeconds !== undefined) {
    try {
      validateTimeoutSeconds(timeoutSeconds);
    } catch (error) {
      report("E_INVALID_VALUE", "/timeoutSeconds", (error as Error).message);
    }
  }
  let bytes = 0;
  for (const [path, text] of Object.entries(files)) {
    rules.path(report, pointer("/files", path), path);
    bytes += utf8Length(text);
  }
  // As base64 the contents grow by a third, and the document has to stay below its limit.
  if (bytes > (workloadLimits.bytes / 8) * 5) {
    report("E_TOO_LARGE", "/files", `Contents of ${bytes} bytes are too much: build them into the image`);
  }
  for (const [variable, ref] of Object.entries(secrets)) {
    const place = pointer("/secrets", variable);
    rules.env(report, place, { [variable]: "" });
    rules.secret(report, place, { name: ref.secret, ...named(ref) });
    if (Object.hasOwn(env, variable)) report("E_ENV_CONFLICT", place, "It is in `env` too: remove one");
  }
  network?.allow.forEach(({ host }, at) => rules.host(report, `/network/allow/${at}/host`, spelled(host)));
  declaration.mounts?.forEach((mount, at) => {
    rules.path(report, `/mounts/${at}/host`, mount.host);
    rules.path(report, `/mounts/${at}/guest`, mount.guest);
  });
  const fixed = (declaration.ports ?? []).flatMap((port, at) =>
    port.hostPort === 0 ? [] : [[`/ports/${at}/hostPort`, `${port.hostAddress ?? ""} ${port.hostPort}`] as const],
  );
  rules.unique(report, "E_DUPLICATE_PORT", "The port of the host", fixed);
}

/** The host in its one spelling, as `NetworkPolicy` stores it; what cannot be one is left for the rule to refuse. */
function spelled(host: string): string {
  try {
    return validateHost(host);
  } catch {
    return host;
  }
}

function splitDigest(image: string): [reference: string, digest: string | undefined] {
  const at = image.indexOf("@");
  return at === -1 ? [image, undefined] : [image.slice(0, at), image.slice(at + 1)];
}

const named = ({ hosts, header }: { hosts?: string[]; header?: string }) => ({
  ...(hosts !== undefined && { hosts: hosts.map(spelled) }),
  ...(header !== undefined && { header }),
});

function appOf(declaration: Declaration): App {
  const { id, image, resources, env = {}, secrets = {}, files = {}, network } = declaration;
  const [reference, digest] = splitDigest(image);
  return {
    name: id,
    image: { kind: "reference", reference, ...(digest !== undefined && { digest }) },
    entrypoints: [entrypointOf(declaration)],
    resources: {
      cpu_cores: resources.cpu ?? defaultResources.cpu_cores,
      memory_mb: resources.memoryMb ?? defaultResources.memory_mb,
      rootfs_size_mb: resources.diskMb ?? defaultResources.rootfs_size_mb,
    },
    env: envOf(env, secrets),
    mounts: (declaration.mounts ?? []).map(({ host, guest, mode = "ro" }) => ({
      target: guest,
      source: { kind: "host_path", path: host },
      mode,
    })),
    network: {
      mode: network === undefined || network.allow.length === 0 ? "none" : "bridge",
      ports: (declaration.ports ?? []).map(({ guestPort, hostPort, hostAddress }) => ({
        guest: guestPort,
        host: hostPort,
        proto: "tcp",
        ...(hostAddress !== undefined && { host_address: hostAddress }),
      })),
      ...(network !== undefined && {
        egress: { allowlist: network.allow.map((rule) => ({ ...rule, host: spelled(rule.host) })) },
      }),
    },
    files: Object.entries(files).map(([path, text]) => ({
      path,
      bytes_b64: Buffer.from(text, "utf8").toString("base64"),
    })),
    ...(declaration.profile !== undefined && { profile: declaration.profile }),
    ...(declaration.ttlSeconds !== undefined && { ttl_seconds: declaration.ttlSeconds }),
    ...(declaration.idleSeconds !== undefined && { idle_seconds: declaration.idleSeconds }),
    tags: declaration.tags ?? {},
  };
}

function envOf(
  env: NonNullable<Declaration["env"]>,
  secrets: NonNullable<Declaration["secrets"]>,
): Record<string, EnvValue> {
  const values = Object.entries(env).map(([name, value]): [string, EnvValue] => [name, { kind: "literal", value }]);
  const references = Object.entries(secrets).map(([name, ref]): [string, EnvValue] => [
    name,
    { kind: "secret_ref", ref: { name: ref.secret, mount: { kind: "env", var: name }, ...named(ref) } },
  ]);
  return Object.fromEntries([...values, ...references]);
}

function entrypointOf({ command, cwd, user, timeoutSeconds }: Declaration): App["entrypoints"][number] {
  return {
    kind: "command",
    command: [...command],
    ...(cwd !== undefined && { working_dir: cwd }),
    ...(user !== undefined && { user }),
    ...(timeoutSeconds !== undefined && { timeout_ms: validateTimeoutSeconds(timeoutSeconds) }),
  };
}
