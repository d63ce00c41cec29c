import { isSandboxError, type BuildNumbers, type CommandNumbers } from "@mvm/protocol";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { Tally, type Labels } from "./tally.js";

/** Image builds that are kept one by one. */
const keptBuilds = 32;
/** Characters of a digest that name an image in a label. */
const digestPrefix = 12;

/**
 * What this daemon counts, from its start on. Ids, counts, durations and names of states only. Read by the JSON document and
 * by Prometheus' text, so that both say the same.
 */
export class Meters {
  readonly starts = new Tally();
  readonly startSeconds = new Tally();
  readonly templates = new Tally();
  readonly commands = new Tally();
  readonly commandSeconds = new Tally();
  readonly outputBytes = new Tally();
  readonly backpressure = new Tally();
  readonly images = new Tally();
  readonly imageSeconds = new Tally();
  private readonly recent: Build[] = [];

  /** Follows a sandbox's commands. */
  watch(sandbox: Sandbox): void {
    sandbox.processes.counts.onCommand = (numbers) => this.command(labelsOf(sandbox), numbers);
  }

  /** Measures one start of a machine; its first `ended` counts. */
  start(sandbox: Sandbox): { phase(name: string): void; ended(error?: unknown): void } {
    const began = performance.now();
    let made = false;
    let over = false;
    return {
      phase: (name) => void (made ||= name === "template"),
      ended: (error) => {
        if (over) return;
        over = true;
        const labels = { ...labelsOf(sandbox), result: resultOf(error) };
        this.starts.add(labels);
        this.startSeconds.add(labels, (performance.now() - began) / 1000);
        // A kept disk boots instead: no template is asked for.
        if (sandbox.boot !== null && sandbox.boot.start !== "cold")
          this.templates.add({ result: made ? "miss" : "hit", image: imageLabel(sandbox) });
      },
    };
  }

  /** An image that was there when it was asked for. */
  imageHit(digest: string): void {
    this.images.add({ result: "hit", image: prefixOf(digest) });
  }

  /** Measures one image build. */
  build(name: string): {
    phase(phase: string): void;
    ended(outcome: { digest: string; hit?: boolean } | { error: unknown }): void;
  } {
    const build = new Build(name);
    this.recent.push(build);
    if (this.recent.length > keptBuilds) this.recent.shift();
    return {
      phase: (phase) => build.enter(phase),
      ended: (outcome) => {
        const [digest, result] = "digest" in outcome ? [outcome.digest, "ok"] : [null, resultOf(outcome.error)];
        build.end(digest, result);
        const hit = "hit" in outcome && outcome.hit === true;
        this.images.add({ result: hit ? "hit" : "miss", ...(digest !== null && { image: prefixOf(digest) }) });
        this.imageSeconds.add({ result }, build.durationMs / 1000);
      },
    };
  }

  /** Oldest first. */
  builds(): BuildNumbers[] {
    return this.recent.map((build) => build.numbers());
  }

  private command(labels: Labels, numbers: CommandNumbers): void {
    this.commands.add({ ...labels, result: numbers.outcome });
    this.commandSeconds.add({ ...labels, result: numbers.outcome }, (numbers.duration_ms ?? 0) / 1000);
    this.outputBytes.add(labels, numbers.stdout_bytes + numbers.stderr_bytes);
    this.backpressure.add(labels, numbers.backpressure_events);
  }
}

/** What is counted of a sandbox: never its name or id. */
export function labelsOf(sandbox: Sandbox): Labels {
  const { plan, identity } = sandbox;
  const backend = identity === null ? plan.backend : `${plan.backend}/${identity.accel}`;
  return { backend, profile: plan.profile, image: imageLabel(sandbox) };
}

function imageLabel({ image }: Sandbox): string {
  return prefixOf(image.digest);
}

function prefixOf(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, digestPrefix);
}

/** `ok`, or the name of the error's class. */
function resultOf(error: unknown): string {
  return error === undefined ? "ok" : isSandboxError(error) ? error.name : "SandboxError";
}

class Build {
  private readonly startedAt = new Date();
  private readonly began = performance.now();
  private readonly phases: { phase: string; at: number }[] = [];
  private ended: { at: number; digest: string | null; result: string } | undefined;

  constructor(private readonly name: string) {}

  enter(phase: string): void {
    if (this.phases.at(-1)?.phase !== phase) this.phases.push({ phase, at: performance.now() });
  }

  end(digest: string | null, result: string): void {
    this.ended ??= { at: performance.now(), digest, result };
  }

  get durationMs(): number {
    return (this.ended?.at ?? performance.now()) - this.began;
  }

  numbers(): BuildNumbers {
    const end = this.began + this.durationMs;
    return {
      name: this.name,
      digest: this.ended?.digest ?? null,
      result: this.ended?.result ?? "running",
      started_at: this.startedAt.toISOString(),
      duration_ms: Math.round(this.durationMs),
      phases: this.phases.map(({ phase, at }, index) => ({
        phase,
        ms: Math.round((this.phases[index + 1]?.at ?? end) - at),
      })),
    };
  }
}
