import { setTimeout as sleep } from "node:timers/promises";
import type { ImageConfig } from "@mvm/images";
import { BuildError, deadline } from "@mvm/protocol";
import type { AgentSession } from "../../agent/types.js";
import type { Accelerator } from "../backend.js";

/** Between two questions whether the image is ready. Milliseconds. */
const askAgainMs = 100;

/**
 * Runs what an image wants to have run before its template is saved: to their end, then the program that stays, then the
 * question whether it is ready until the answer is yes. What stays is in the memory of every clone.
 * @throws {BuildError} a program failed, or the image is not ready in time
 */
export async function warmImage(
  session: Pick<AgentSession, "call">,
  config: ImageConfig,
  accel: Accelerator,
): Promise<void> {
  const { warm } = config;
  if (warm === null) return;
  const patience = deadline("templateBuild", accel);
  for (const argv of warm.run) {
    const code = await run(session, argv, config, patience);
    if (code !== 0) throw failed(`its warm-up ${shown(argv)} ended with ${code}`);
  }
  if (warm.serve !== null) {
    const code = await run(session, ["/bin/sh", "-c", leave, "serve", ...warm.serve], config, patience);
    if (code !== 0) throw failed(`${shown(warm.serve)} cannot be started: ${code}`);
  }
  if (warm.ready === null) return;
  const end = performance.now() + patience;
  while ((await run(session, warm.ready, config, patience)) !== 0) {
    if (performance.now() > end)
      throw failed(`${shown(warm.ready)} does not say that it is ready within ${patience} ms`);
    await sleep(askAgainMs);
  }
}

/** Belongs to no command of a session, so it goes on in clones and when the daemon changes. */
const leave = `"$@" </dev/null >/tmp/serve.log 2>&1 &`;

async function run(
  session: Pick<AgentSession, "call">,
  argv: readonly string[],
  { env, cwd, user }: ImageConfig,
  timeoutMs: number,
): Promise<number | null> {
  const request = {
    ...{ op: "exec", argv: [...argv], env: { ...env }, cwd: cwd ?? "/home/user", user: user ?? "user" },
    ...{ stdin: "none", timeout_ms: timeoutMs, grace_ms: 1000, pty: null },
  };
  const { exit_code: code } = (await session.call(request)) as { exit_code?: unknown };
  return typeof code === "number" ? code : null;
}

/** The image's own fault, and nobody's machine. */
function failed(why: string): BuildError {
  return new BuildError({
    message: `Cannot warm up the image: ${why}`,
    hint: "Try the command in a sandbox of the image it starts from, as the same user",
    operation: "images.warm",
  });
}

function shown(argv: readonly string[]): string {
  return JSON.stringify(argv.at(-1)?.slice(0, 80) ?? "");
}
