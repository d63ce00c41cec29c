import { limits, parseDuration, validateTimeoutMs, validateTtlSeconds } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** A command's time limit in milliseconds. */
export const timeout: ArgType<number> = {
  label: "DURATION",
  parse: (text) => validateTimeoutMs(parseDuration(text, "timeout")),
};

/** A sandbox's time to live in seconds; null for `never`. */
export const timeToLive: ArgType<number | null> = {
  label: "DURATION",
  parse: (text) => (text === "never" ? null : validateTtlSeconds(parseDuration(text, "ttl") / 1000)),
};

/** The time to live in seconds of what has to end some time. */
export const timeToDetach: ArgType<number> = {
  label: "DURATION",
  parse: (text) => validateTtlSeconds(parseDuration(text, "ttl") / 1000),
};

/** The time to live that `up` gives when none is asked for. */
export const defaultTimeToLive: number = limits.ttlDefaultSeconds;

/** An age in seconds. */
export const age: ArgType<number> = {
  label: "DURATION",
  parse: (text) => Math.floor(parseDuration(text, "age") / 1000),
};

/** A point in time, given as RFC 3339 or as how long ago it was; RFC 3339. */
export const since: ArgType<string> = {
  label: "TIME",
  parse: (text) => {
    const time = /^\d{4}-/.test(text) ? Date.parse(text) : Date.now() - parseDuration(text, "time");
    if (Number.isFinite(time) && Math.abs(time) < 8.64e15) return new Date(time).toISOString();
    throw invalidArgument(
      `Cannot use "${text.slice(0, 64)}" as time: it is neither RFC 3339 nor a duration such as 10m`,
    );
  },
};
