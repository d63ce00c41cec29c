import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { count, nullable, strict } from "./shapes.js";

/** Body of `POST /v1/pools`: how many machines of a shape wait, started, to become sandboxes. 0 ends the pool. */
export const PoolRequestSchema = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: limits.imageLength }),
    size: Type.Integer({ minimum: 0, maximum: limits.poolSize }),
    cpu: Type.Optional(Type.Integer({ minimum: limits.cpuMin, maximum: limits.cpuMax })),
    memory_mb: Type.Optional(Type.Integer({ minimum: limits.memoryMinMb, maximum: limits.memoryMaxMb })),
    disk_mb: Type.Optional(Type.Integer({ minimum: limits.diskMinMb, maximum: limits.diskMaxMb })),
  },
  strict,
);
export type PoolRequest = Static<typeof PoolRequestSchema>;

export const PoolInfoSchema = Type.Object(
  {
    image: Type.String(),
    cpu: count,
    memory_mb: count,
    disk_mb: count,
    size: count,
    /** Machines that wait now. */
    ready: count,
    /** Machines that are being started for it. */
    making: count,
    /** Sandboxes that began as one of them, and such as found none, since the daemon's start. */
    claimed: count,
    missed: count,
    /** Why there are fewer than wanted. */
    problem: nullable(Type.String()),
  },
  strict,
);
export type PoolInfo = Static<typeof PoolInfoSchema>;
export const PoolListSchema = Type.Object({ pools: Type.Array(PoolInfoSchema) }, strict);
