import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/home.js";

export type Document = Record<string, unknown>;

/** The surfaces, in the order of the matrix. The last one counts as Python: both of its clients have to do it. */
export const surfaceNames = ["cli", "python", "typescript", "python-async"] as const;
export type SurfaceName = (typeof surfaceNames)[number];

export interface Step {
  readonly do: string;
  readonly with?: Document;
  readonly as?: string;
  readonly expect?: unknown;
  readonly error?: Document;
  readonly only?: readonly SurfaceName[];
}

export interface Scenario {
  readonly id: string;
  readonly row?: string;
  readonly shared?: boolean;
  readonly only?: readonly SurfaceName[];
  readonly steps: readonly Step[];
}

/** `scenarios.json`: see README.md. */
export interface Scenarios {
  /** Rows of the matrix with what there is to know about each. */
  readonly rows: Readonly<Record<string, string>>;
  /** Error classes that no scenario can provoke on every surface, with the test that raises them. */
  readonly errors_elsewhere: Readonly<Record<string, string>>;
  /** Classes that are only what others have in common. */
  readonly error_families: readonly string[];
  readonly scenarios: readonly Scenario[];
}

export const suite = JSON.parse(
  readFileSync(join(root, "tests", "conformance", "scenarios.json"), "utf8"),
) as Scenarios;

/** What a step came to. */
export type Answer = { readonly result: unknown } | { readonly error: Document };

/** One way to use mvm. An operation it does not have is answered with `unsupported`. */
export interface Surface {
  readonly name: SurfaceName;
  call(operation: string, options: Document): Promise<Answer | "unsupported">;
  close(): Promise<void>;
}
