import { isSandboxError, type PoolInfo, type PoolRequest } from "@mvm/protocol";
import type { Admitted } from "../admission/admit.js";
import type { Plan } from "../admission/plan.js";
import { destroySandbox } from "../sandboxes/destroy.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { makeSpare } from "./spare.js";

/** After a claim the claimer has the cores for this long, before the next machine is started. Milliseconds. */
const refillDelayMs = 300;
/** A pool that could not be filled is tried again after this. Milliseconds. */
const retryMs = 10_000;

/** Machines of one shape that wait, started and exercised, each to be used once. */
export class Pool {
  readonly request: Required<PoolRequest>;
  private readonly waiting: Sandbox[] = [];
  private readonly stopped = new AbortController();
  /** The machine that is being started. */
  private making: Sandbox | "queued" | undefined;
  /** Resolves when the machine that is being started waits, or is gone. */
  private filling: Promise<void> = Promise.resolve();
  /** Machines that nobody will have any more. */
  private readonly ending = new Set<Sandbox>();
  private claimed = 0;
  private missed = 0;
  private problem: string | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly services: Services,
    private readonly admitted: Admitted,
    /** Asks policy once more: it may have become stricter since the pool was made. */
    private readonly admitAgain: () => Promise<Admitted>,
    private readonly pressure: () => string | undefined,
  ) {
    const { image, cpu, memoryMb, diskMb } = admitted.plan;
    this.request = { image, cpu, memory_mb: memoryMb, disk_mb: diskMb, size: 0 };
  }

  /** Sets how many wait. */
  resize(size: number): void {
    this.request.size = size;
    while (this.waiting.length > size) this.drop();
    this.refillAfter(0);
  }

  /** Takes a machine for this plan, if one waits; the caller owns it. */
  claim(plan: Plan, imageDigest: string): Sandbox | undefined {
    if (!this.fits(plan)) return undefined;
    // An image that was built anew under its name makes what waits stale.
    while (this.waiting.length > 0 && this.waiting[0]?.image.digest !== imageDigest) this.drop();
    const spare = this.waiting.shift();
    if (spare === undefined) this.missed += 1;
    else this.claimed += 1;
    spare?.events.removeAllListeners("ended");
    this.refillAfter(refillDelayMs);
    return spare;
  }

  /** Gives one waiting machine up, if there is one. */
  shrink(why: string): boolean {
    if (this.waiting.length === 0) return false;
    this.problem = why;
    this.drop();
    return true;
  }

  info(): PoolInfo {
    const { request, waiting, making, claimed, missed, problem } = this;
    return { ...request, ready: waiting.length, making: making === undefined ? 0 : 1, claimed, missed, problem };
  }

  ids(): string[] {
    const making = this.making === undefined || this.making === "queued" ? [] : [this.making];
    return [...this.waiting, ...this.ending, ...making].map(({ id }) => id);
  }

  async close(): Promise<void> {
    this.request.size = 0;
    clearTimeout(this.timer);
    this.stopped.abort(new Error("the pool has ended"));
    await Promise.all([this.filling, ...this.waiting.splice(0).map((spare) => this.end(spare))]);
  }

  private fits(plan: Plan): boolean {
    const { image, cpu, memory_mb, disk_mb } = this.request;
    const mine = this.admitted.plan;
    const sameShape = plan.cpu === cpu && plan.memoryMb === memory_mb && plan.diskMb === disk_mb;
    const sameKind =
      plan.image === image && plan.backend === mine.backend && plan.requireHardware === mine.requireHardware;
    return this.request.size > 0 && sameShape && sameKind && plan.accel === mine.accel;
  }

  private drop(): void {
    const spare = this.waiting.pop();
    if (spare === undefined) return;
    spare.events.removeAllListeners("ended");
    this.services.tasks.run("pool", () => this.end(spare));
  }

  private async end(spare: Sandbox): Promise<void> {
    this.ending.add(spare);
    await destroySandbox(this.services, spare, "destroyed").finally(() => this.ending.delete(spare));
  }

  private refillAfter(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.services.tasks.run("pool", () => this.fill()), ms);
    this.timer.unref();
  }

  private fill(): Promise<void> {
    if (this.making === undefined) this.filling = this.refill();
    return this.filling;
  }

  /** One machine at a time, and only while nobody else waits for a start. */
  private async refill(): Promise<void> {
    if (this.waiting.length >= this.request.size || this.stopped.signal.aborted) return;
    const why = this.pressure();
    if (why !== undefined) {
      this.problem = why;
      return this.refillAfter(retryMs);
    }
    if (this.services.queue.depth > 0) return this.refillAfter(refillDelayMs);
    this.making = "queued";
    try {
      const admitted = await this.admitAgain();
      const spare = await makeSpare(this.services, admitted, this.stopped.signal, (made) => (this.making = made));
      this.problem = null;
      if (spare.live === null || this.stopped.signal.aborted || this.waiting.length >= this.request.size) {
        await destroySandbox(this.services, spare, "destroyed");
      } else {
        this.watch(spare);
        this.waiting.push(spare);
      }
      this.refillAfter(0);
    } catch (error) {
      if (this.stopped.signal.aborted) return;
      this.problem = isSandboxError(error) ? error.message : "a machine could not be started";
      this.services.log.warn({ image: this.request.image, problem: this.problem }, "pool cannot be filled");
      this.refillAfter(retryMs);
    } finally {
      this.making = undefined;
    }
  }

  /** A machine that dies while it waits is replaced. */
  private watch(spare: Sandbox): void {
    spare.events.once("ended", () => {
      const at = this.waiting.indexOf(spare);
      if (at < 0) return;
      this.waiting.splice(at, 1);
      this.services.tasks.run("pool", () => this.end(spare));
      this.refillAfter(refillDelayMs);
    });
  }
}
