import { uptime } from "node:os";
import { bootId } from "../processes/identity.js";

/**
 * When a sandbox ends, kept twice: the wall clock for people and for the time after a reboot, the uptime of this boot
 * so that setting the host's clock moves nothing.
 */
export interface Expiry {
  /** RFC 3339. */
  readonly at: string;
  /** Milliseconds of host uptime. */
  readonly atUptimeMs: number;
  readonly bootId: string;
}

export function expiryAfter(seconds: number, now = Date.now()): Expiry {
  return {
    at: new Date(now + seconds * 1000).toISOString(),
    atUptimeMs: Math.round(uptime() * 1000 + seconds * 1000),
    bootId: bootId(),
  };
}

/** Milliseconds left; negative when it has passed. */
export function remainingMs(expiry: Expiry, now = Date.now()): number {
  if (expiry.bootId === bootId()) return expiry.atUptimeMs - uptime() * 1000;
  return Date.parse(expiry.at) - now;
}
