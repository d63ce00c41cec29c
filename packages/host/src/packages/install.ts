import { parseWish, requireAllowed } from "@mvm/images";
import {
  CommandFailed,
  type CommandResult,
  deadline,
  type PackagesInstalledDocument,
  type PackagesRequest,
  PolicyDenied,
  type SandboxError,
  Timeout,
} from "@mvm/protocol";
import { rounded } from "../commands/result.js";
import { compileRules } from "../egress/rules.js";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { requireLive } from "../sandboxes/state.js";
import { GuestCommands, type GuestOutput } from "./guest-commands.js";
import { installPackages } from "./installers.js";
import { type PackageSources, packageSources } from "./package-sources.js";

const what = "install packages in";

/** Installers run as root: the programs they are made of are the image's, never a user's. */
const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" } as const;

/**
 * Installs packages in a running sandbox. The host decides first, by the operator's list and the sandbox's network policy, and
 * nothing has run in the guest when it says no. Installations in one machine run one after the other.
 * @throws {InvalidArgumentError} a word that is no name with versions
 * @throws {PackageNotAllowedError} one that is not on the list, or depends on one; in either case nothing was installed
 * @throws {PolicyDenied} code NETWORK_DENIED: the sandbox may not reach the index; its `context.hosts` says which hosts
 * @throws {CommandFailed | Timeout} with what the manager wrote
 */
export async function installInSandbox(
  services: Services,
  sandbox: Sandbox,
  { manager, packages, timeout_ms: timeoutMs }: PackagesRequest,
  options: { readonly signal: AbortSignal; readonly onOutput: GuestOutput },
): Promise<PackagesInstalledDocument> {
  const began = performance.now();
  const wishes = packages.map((text) => parseWish(manager, text));
  const sources = packageSources(services.home.policy);
  requireAllowed(sources.allow, wishes);
  const live = requireLive(sandbox, what);
  const specs = wishes.map(({ spec }) => spec);
  return await inTurn(live, async () => {
    requireWayOut(sandbox, sources.rules(manager), manager);
    const ends = performance.now() + (timeoutMs ?? deadline("packageInstall"));
    const timeLeft = (): number => Math.max(1, Math.ceil(ends - performance.now()));
    const { signal } = options;
    const guest = new GuestCommands(services, sandbox, { signal, timeLeft, failed, what, env });
    const installed = await installPackages(guest, { manager, specs }, sources, options.onOutput);
    const wanted = new Set(wishes.map(({ name }) => name));
    return {
      schema_version: 1,
      sandbox_id: sandbox.id,
      manager,
      installed: installed
        .map(({ name, version }) => ({ name, version, requested: wanted.has(name) }))
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
      runs: guest.runs.map(({ runId, auditId, receipt }) => ({
        run_id: runId,
        audit_id: auditId,
        receipt_path: receipt,
      })),
      duration_ms: rounded(performance.now() - began),
    };
  });
}

/** @throws {PolicyDenied} naming the hosts of the index that the sandbox may not reach */
function requireWayOut(
  sandbox: Sandbox,
  needed: ReturnType<PackageSources["rules"]>,
  manager: PackagesRequest["manager"],
): void {
  const rules = compileRules(sandbox.network);
  const missing = needed.filter(({ host, port }) => rules.match(host, port) === undefined);
  if (missing.length === 0) return;
  const hosts = missing.map(({ host, port }) => `${host}:${port}`);
  throw new PolicyDenied({
    code: "NETWORK_DENIED",
    message: `Cannot install packages of ${manager}: the sandbox's network policy does not allow ${hosts.join(" and ")}`,
    hint: `Allow ${hosts.join(" and ")} in the sandbox's network policy, or build an image with the packages`,
    rule: `packages.${manager}.index`,
    operation: "packages.install",
    outcome: "not_started",
    sandboxId: sandbox.id,
    context: { manager, hosts: hosts.join(", ") },
  });
}

/** What the manager wrote so far is part of the error. */
function failed(step: string, result: CommandResult): SandboxError {
  const about = { operation: "packages.install", sandboxId: result.sandboxId, runId: result.runId, result };
  const last = `${result.stdout}\n${result.stderr}`.trim().split("\n").at(-1)?.slice(0, 256) ?? "";
  if (result.timedOut) {
    return new Timeout({ ...about, message: `Cannot finish ${step}: the time limit of the installation is over` });
  }
  return new CommandFailed({ ...about, message: `Cannot finish ${step}: exit code ${result.exitCode}: ${last}` });
}

const turns = new WeakMap<Live, Promise<unknown>>();

/** Two installers at once would write into the same directories. */
async function inTurn<T>(live: Live, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(live) ?? Promise.resolve()).then(work);
  turns.set(
    live,
    turn.catch(() => undefined),
  );
  return await turn;
}
