import { rm } from "node:fs/promises";
import { type ForkRequest, InvalidArgumentError, newId } from "@mvm/protocol";
import { admit, type AdmissionFacts, type Admitted } from "../admission/admit.js";
import { captureLive } from "../sandboxes/capture.js";
import { changing } from "../sandboxes/changing.js";
import { createSandbox, type CreateOptions } from "../sandboxes/create.js";
import { destroySandbox } from "../sandboxes/destroy.js";
import { toStateFile } from "../sandboxes/persist.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { savedEnv } from "../sandboxes/saved-env.js";
import type { Services } from "../sandboxes/services.js";
import { shapeOf } from "../sandboxes/shape.js";
import { fault } from "../observe/fault.js";
import { requestOf } from "./restore.js";

/**
 * Makes `count` sandboxes that go on where this one is now, sharing its memory until they write to it. The source goes on. All of
 * them exist when this resolves, none when it rejects.
 * @param onFork called for each as soon as it runs
 * @throws {SandboxUnavailable | SnapshotError | PolicyDenied | InvalidArgumentError}
 */
export async function forkSandbox(
  services: Services,
  sandbox: Sandbox,
  request: ForkRequest,
  facts: AdmissionFacts,
  options: CreateOptions & { readonly onFork: (fork: Sandbox) => void },
): Promise<Sandbox[]> {
  const lives = livesOf(request);
  const { accel } = shapeOf(sandbox);
  const source = toStateFile(sandbox);
  const env = savedEnv(sandbox);
  const plans = await Promise.all(lives.map((life) => admit(requestOf(source, accel, env, life), facts)));
  const directory = services.snapshots.scratch(newId("snp"));
  try {
    options.onProgress?.({ phase: "capture", detail: "saving memory and disk" });
    const captureOptions = { disk: true, operation: "fork" } as const;
    const { memoryOffset, memoryLimitMb } = await changing(sandbox, async () => {
      const captured = await captureLive(services, sandbox, directory, captureOptions);
      return { ...captured, memoryLimitMb: sandbox.memoryLimitMb };
    });
    fault("fork.after-capture");
    return await createAll(services, plans, {
      ...options,
      captured: { directory, memoryOffset },
      placeholders: sandbox.placeholders,
      memoryLimitMb,
    });
  } finally {
    // Machines keep what they have mapped and linked.
    await rm(directory, { recursive: true, force: true });
  }
}

async function createAll(
  services: Services,
  plans: readonly Admitted[],
  options: CreateOptions & { readonly onFork: (fork: Sandbox) => void },
): Promise<Sandbox[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const made = await Promise.allSettled(
    plans.map(async (admitted) => {
      try {
        const fork = await createSandbox(services, admitted, { ...options, signal });
        fault("fork.after-one");
        options.onFork(fork);
        return fork;
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  const forks = made.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = made.find((result) => result.status === "rejected");
  if (failed === undefined) return forks;
  await Promise.allSettled(forks.map((fork) => destroySandbox(services, fork, "destroyed")));
  options.signal.throwIfAborted();
  throw (stop.signal.reason as unknown) ?? failed.reason;
}

function livesOf(request: ForkRequest): (Omit<ForkRequest, "count" | "names"> & { name?: string })[] {
  const { count, names, ...life } = request;
  const wanted = count ?? names?.length ?? 1;
  if (names !== undefined && (names.length !== wanted || new Set(names).size !== names.length)) {
    throw new InvalidArgumentError({
      message: `Cannot fork ${wanted} times: ${names.length} names were given, each fork needs one of its own`,
      context: { pointer: "/names" },
    });
  }
  return Array.from({ length: wanted }, (_, at) => ({
    ...life,
    ...(names?.[at] !== undefined && { name: names[at] }),
  }));
}
