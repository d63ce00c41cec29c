import type { Entry } from "@mvm/evidence";
import { printable } from "./escape.js";

/** An entry on one line, for people. */
export function auditLine({ time, event, id, sandbox_id, run_id, data }: Entry): string {
  const about = [run_id, sandbox_id].filter((each) => each !== null).join(" ");
  const rest = Object.entries(data)
    .filter(([key, value]) => value !== null && !key.endsWith("sha256"))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return printable([time, event, id, about, ...rest].filter((part) => part !== "").join(" "));
}
