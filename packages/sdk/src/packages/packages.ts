import {
  InvalidArgumentError,
  type PackageManagerName,
  type PackagesInstalledDocument,
  type PackagesRequest,
  type PackagesStreamEvent,
} from "@mvm/protocol";
import { OutputCallback } from "../commands/output.js";
import { timeoutOf } from "../commands/request.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined, refuseUnknown } from "../wire/options.js";

/** Options for `packages.install`. */
export interface InstallOptions extends CallOptions {
  /** @default "pip" */
  readonly manager?: PackageManagerName | undefined;
  /** Limit for all of it. @default 600 */
  readonly timeoutSeconds?: number | undefined;
  /** The same in milliseconds. Give one of the two. */
  readonly timeoutMs?: number | undefined;
  /** Called with what the manager writes, as it comes. */
  readonly onStdout?: ((text: string) => unknown) | undefined;
  readonly onStderr?: ((text: string) => unknown) | undefined;
}

/** One package that is there now. */
export interface InstalledPackage {
  /** As its manager compares names: `typing-extensions`, `@scope/name`. */
  readonly name: string;
  readonly version: string;
  /** It was asked for; false: another one depends on it. */
  readonly requested: boolean;
}

/** What an installation came to. */
export interface InstalledPackages {
  readonly sandboxId: string;
  readonly manager: PackageManagerName;
  /** Dependencies included, sorted by name. */
  readonly installed: readonly InstalledPackage[];
  /** The commands it took, each with its entry in the audit log and its receipt. */
  readonly runs: readonly {
    readonly runId: string;
    readonly auditId: string | null;
    readonly receipt: string | null;
  }[];
  readonly durationMs: number;
}

const known: ReadonlySet<string> = new Set(
  Object.keys({
    manager: true,
    timeoutSeconds: true,
    timeoutMs: true,
    onStdout: true,
    onStderr: true,
    signal: true,
    requestTimeoutMs: true,
  } satisfies { readonly [Option in keyof InstallOptions]-?: true }),
);

/** Packages of one sandbox. */
export class Packages {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * Installs packages by their names, perhaps with versions: `requests`, `requests==2.*`, `left-pad@^1.3`. They and all they
   * depend on have to be on the operator's list, and the sandbox's network policy has to allow the index.
   * Throws `InvalidArgumentError`, `PackageNotAllowedError` and `PolicyDenied` (code `NETWORK_DENIED`) before anything is
   * installed; `CommandFailed` and `Timeout` with what the manager wrote as their `result`.
   */
  async install(packages: readonly string[], options: InstallOptions = {}): Promise<InstalledPackages> {
    refuseUnknown("packages.install", options, known);
    if (!Array.isArray(packages)) {
      throw new InvalidArgumentError({ message: "Cannot install packages: they have to be a list of names" });
    }
    const stdout = new OutputCallback(options.onStdout);
    const stderr = new OutputCallback(options.onStderr);
    const json: PackagesRequest = defined({
      manager: options.manager ?? "pip",
      packages: [...(packages as readonly string[])],
      timeout_ms: timeoutOf(options),
      stream: (options.onStdout ?? options.onStderr) === undefined ? undefined : true,
    });
    options.signal?.throwIfAborted();
    const call = {
      method: "POST",
      path: "/packages",
      operation: "packages.install",
      json,
      patient: () => true,
    } as const;
    const stream = await this.#target.client.stream<PackagesStreamEvent>(callOf(this.#target, call, options));
    for await (const event of stream) {
      if (event.event === "stdout") await stdout.push(Buffer.from(event.data, "base64"));
      else if (event.event === "stderr") await stderr.push(Buffer.from(event.data, "base64"));
      else if (event.event === "end") {
        await stdout.end();
        await stderr.end();
        const failure = stdout.failure ?? stderr.failure;
        if (failure !== null) throw failure.error;
        return installedPackages(event.result);
      }
    }
    throw stream.cutShort("end");
  }
}

function installedPackages(document: PackagesInstalledDocument): InstalledPackages {
  return {
    sandboxId: document.sandbox_id,
    manager: document.manager,
    installed: document.installed,
    runs: document.runs.map((run) => ({ runId: run.run_id, auditId: run.audit_id, receipt: run.receipt_path })),
    durationMs: document.duration_ms,
  };
}
