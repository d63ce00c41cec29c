import { usageError } from "../errors.js";

/** What is run is what was reviewed: nothing beside the workload changes it. */
export function refuseBeside(values: Readonly<Record<string, unknown>>, argv: readonly string[]): void {
  const given = Object.entries(values).find(
    ([name, value]) =>
      name !== "workload" && name !== "dry-run" && (Array.isArray(value) ? value.length > 0 : Boolean(value)),
  );
  const what = given === undefined ? (argv.length > 0 ? "a command" : undefined) : `--${given[0]}`;
  if (what !== undefined) {
    throw usageError(
      `Cannot use ${what} with --workload: the workload says it`,
      "Change the workload, or leave it out",
    );
  }
}
