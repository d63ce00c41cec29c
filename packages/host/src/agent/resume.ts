import { randomBytes } from "node:crypto";
import type { ResumeFields } from "./types.js";

/** Seed a clone gets, so that no two share the state of their random number generator. Bytes. */
const entropyBytes = 64;

/** The RESUME message: the time is read as late as possible. */
export function resumeMessage(fields: ResumeFields): Record<string, unknown> {
  return {
    time_ns: (BigInt(Date.now() - (fields.clockBackMs ?? 0)) * 1_000_000n).toString(),
    entropy: randomBytes(entropyBytes).toString("base64"),
    hostname: fields.hostname,
    machine_id: fields.machineId,
    env: fields.env ?? {},
    ...(fields.authority !== undefined && { authority: fields.authority }),
    adopted: fields.adopted ?? false,
  };
}
