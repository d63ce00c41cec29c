import { readFileSync } from "node:fs";
import type { Sandbox } from "./sandbox.js";

/** The environment the sandbox was created with; after a daemon's end only its file knows it. */
export function savedEnv(sandbox: Sandbox): Record<string, string> {
  try {
    return JSON.parse(readFileSync(sandbox.files.env, "utf8")) as Record<string, string>;
  } catch {
    return { ...sandbox.plan.env };
  }
}
