import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { InvalidArgumentError, type PoolInfo, type PoolRequest } from "@mvm/protocol";
import { PoolRequestSchema } from "@mvm/protocol/schemas";
import { admit, type Admitted } from "../admission/admit.js";
import type { Plan } from "../admission/plan.js";
import { gatherFacts } from "../sandboxes/admission-facts.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { writeFileAtomic } from "../store/atomic.js";
import { Pool } from "./pool.js";
import { hostPressure } from "./pressure.js";

/** How often the host is looked at while machines wait. Milliseconds. */
const lookMs = 2_000;
const FileSchema = Type.Object(
  { schema_version: Type.Literal(1), pools: Type.Array(PoolRequestSchema) },
  { additionalProperties: false },
);

/**
 * The pools of this state root. Optional: without one every sandbox starts from its template. What is asked for is written down
 * and filled again by the next daemon.
 */
export class Pools {
  private readonly byShape = new Map<string, Pool>();
  /** Pools that are ended and whose machines are not gone yet. */
  private readonly ending = new Set<Pool>();
  private readonly path: string;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param root the state root
   * @param given the daemon's services, of which this is one
   * @param pressure why the host needs its memory back
   */
  constructor(
    root: string,
    private readonly given: () => Services,
    private readonly pressure: () => string | undefined = hostPressure,
  ) {
    this.path = join(root, "pools.json");
  }

  private get services(): Services {
    return this.given();
  }

  /** Fills what a former daemon was asked for. A file that cannot be read is no reason not to serve. */
  async recover(): Promise<void> {
    let value: unknown;
    try {
      value = JSON.parse(readFileSync(this.path, "utf8"));
    } catch {
      return;
    }
    if (!Value.Check(FileSchema, value)) {
      this.services.log.warn({ path: this.path }, "pools are not filled: their file is not valid");
      return;
    }
    for (const request of value.pools) {
      await this.set(request).catch((error: unknown) => {
        this.services.log.warn({ image: request.image, err: (error as Error).message }, "pool is not filled");
      });
    }
  }

  /** Sets the size of the pool of a shape; 0 ends it. @throws {PolicyDenied | InvalidArgumentError | AssetNotFoundError} */
  async set({ size, ...shape }: PoolRequest): Promise<PoolInfo> {
    // Machines that wait are nobody's sandboxes yet and do not count as such.
    const ask = async (): Promise<Admitted> =>
      await admit({ ...shape, profile: "restrictive" }, { ...(await gatherFacts(this.services, false)), sandboxes: 0 });
    const admitted = await ask();
    if (size > 0) await this.services.images.require(shape.image);
    const key = keyOf(admitted.plan);
    let pool = this.byShape.get(key);
    if (pool === undefined && size === 0) {
      throw new InvalidArgumentError({
        message: `Cannot end the pool of image "${shape.image}": there is none of that shape`,
      });
    }
    pool ??= new Pool(this.services, admitted, ask, this.pressure);
    pool.resize(size);
    if (size > 0) this.byShape.set(key, pool);
    else {
      this.byShape.delete(key);
      await this.end(pool);
    }
    this.write();
    this.watchHost();
    return pool.info();
  }

  list(): PoolInfo[] {
    return [...this.byShape.values()].map((pool) => pool.info());
  }

  /** A started machine for this plan, which now belongs to the caller, or undefined. */
  claim(plan: Plan, imageDigest: string): Sandbox | undefined {
    for (const pool of this.byShape.values()) {
      const spare = pool.claim(plan, imageDigest);
      if (spare !== undefined) return spare;
    }
    return undefined;
  }

  private async end(pool: Pool): Promise<void> {
    this.ending.add(pool);
    await pool.close().finally(() => this.ending.delete(pool));
  }

  /** Ids of the machines that wait, begin or end: their directories are in use. */
  ids(): string[] {
    return [...this.byShape.values(), ...this.ending].flatMap((pool) => pool.ids());
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([...this.byShape.values()].map((pool) => pool.close()));
  }

  /** Gives machines up one by one while the host is short of memory: a sandbox somebody asked for comes first. */
  private watchHost(): void {
    clearInterval(this.timer);
    if (this.byShape.size === 0) return;
    this.timer = setInterval(() => {
      const why = this.pressure();
      if (why !== undefined) [...this.byShape.values()].some((pool) => pool.shrink(why));
    }, lookMs);
    this.timer.unref();
  }

  private write(): void {
    const pools = [...this.byShape.values()].map(({ request }) => request);
    writeFileAtomic(this.path, JSON.stringify({ schema_version: 1, pools }));
  }
}

function keyOf({ image, cpu, memoryMb, diskMb }: Plan): string {
  return JSON.stringify([image, cpu, memoryMb, diskMb]);
}
