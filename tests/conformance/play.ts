import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli, document } from "../support/cli.js";
import { until } from "../support/scene.js";
import { fill, mismatch } from "./match.js";
import type { Answer, Document, Scenario, Step, Surface } from "./scenario.js";

/** What a scenario came to on one surface. */
export type Verdict = "passed" | "unsupported";

/** Operations that look at the host, the same for every surface. */
const host: Record<string, (options: Document, home: string) => Promise<Answer>> = {
  async "host.fetch"({ url }) {
    try {
      const answer = await fetch(String(url), { signal: AbortSignal.timeout(60_000) });
      return { result: { status: answer.status, body: await answer.text() } };
    } catch {
      return { error: { name: "refused" } };
    }
  },
  /** The entry a result names, read from the log's files: no surface is asked. The log has to verify too. */
  async "host.audit"({ audit_id }, home) {
    const verified = await cli(["audit", "verify", "--json"], { home });
    if (verified.code !== 0) return { error: { name: "unverified", message: verified.stdout.toString() } };
    const shown = await cli(["audit", "show", String(audit_id), "--json"], { home });
    return { result: document(shown) };
  },
  /** Waits until the host has nothing left of a sandbox. */
  async "host.gone"({ sandbox }, home) {
    await until(`${String(sandbox)} is gone`, () => !existsSync(join(home, "sandboxes", String(sandbox))));
    return { result: {} };
  },
  async "host.flip"({ snapshot }, home) {
    const directory = join(home, "snapshots", String(snapshot));
    const files = readdirSync(directory, { recursive: true }).map((name) => join(directory, String(name)));
    const [largest = ""] = files
      .filter((path) => statSync(path).isFile() && !path.endsWith(".json"))
      .sort((a, b) => statSync(b).blocks - statSync(a).blocks);
    const content = readFileSync(largest);
    const at = content.findIndex((byte) => byte !== 0);
    content[at] = (content[at] ?? 0) ^ 1;
    writeFileSync(largest, content, { flag: "r+" });
    return { result: {} };
  },
};

/** Plays one scenario. Throws when a step did not come to what it had to. */
export async function play(
  scenario: Scenario,
  surface: Surface,
  { home, shared }: { readonly home: string; readonly shared: unknown },
): Promise<Verdict> {
  const run = `${surface.name}-${scenario.id}`;
  const known = new Map<string, unknown>([
    ["home", home],
    ["run", run],
    ["shared", shared],
  ]);
  const made: string[] = [];
  try {
    for (const [number, step] of scenario.steps.entries()) {
      if (step.only !== undefined && !step.only.includes(surface.name)) continue;
      const options = fill(step.with ?? {}, known) as Document;
      const act = host[step.do];
      const answer = act ? await act(options, home) : await surface.call(step.do, options);
      if (answer === "unsupported") return "unsupported";
      const problem = judge(step, answer, known);
      if (problem !== null) throw new Error(`step ${number + 1} (${step.do}): ${problem}`);
      if (step.as !== undefined && "result" in answer) known.set(step.as, answer.result);
      if ("result" in answer) made.push(...madeBy(step.do, answer.result));
    }
    return "passed";
  } finally {
    for (const sandbox of made.reverse()) await surface.call("destroy", { sandbox });
  }
}

function judge(step: Step, answer: Answer, known: ReadonlyMap<string, unknown>): string | null {
  if ("error" in answer) {
    if (step.error === undefined) return `failed: ${JSON.stringify(answer.error)}`;
    return mismatch(fill(step.error, known), answer.error, "the error");
  }
  if (step.error !== undefined) return `succeeded: ${JSON.stringify(answer.result)?.slice(0, 400)}`;
  return step.expect === undefined ? null : mismatch(fill(step.expect, known), answer.result, "the result");
}

function madeBy(operation: string, result: unknown): string[] {
  if (!["create", "restore", "fork"].includes(operation)) return [];
  return [result].flat().map((info) => (info as { id: string }).id);
}
