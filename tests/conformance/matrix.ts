import { type Scenarios, type SurfaceName, surfaceNames } from "./scenario.js";
import type { Verdict } from "./play.js";

/** What every scenario came to on every surface: `failed`, or absent where the scenario does not apply. */
export type Results = ReadonlyMap<SurfaceName, ReadonlyMap<string, Verdict | "failed">>;

const columns: readonly { readonly title: string; readonly of: readonly SurfaceName[] }[] = [
  { title: "CLI", of: ["cli"] },
  { title: "Python SDK", of: ["python", "python-async"] },
  { title: "TypeScript SDK", of: ["typescript"] },
];

/** `Shipped` when all scenarios of the row passed, `Partial` when some did, `Target` when none did. */
function status({ scenarios }: Scenarios, results: Results, row: string, surfaces: readonly SurfaceName[]): string {
  const verdicts = surfaces.flatMap((surface) =>
    scenarios
      .filter((scenario) => scenario.row === row && (scenario.only ?? surfaceNames).includes(surface))
      .map(({ id }) => results.get(surface)?.get(id)),
  );
  const passed = verdicts.filter((verdict) => verdict === "passed").length;
  if (verdicts.length > 0 && passed === verdicts.length) return "Shipped";
  return passed > 0 ? "Partial" : "Target";
}

/** docs/lifecycle-matrix.md. */
export function lifecycleMatrix(suite: Scenarios, results: Results): string {
  const rows = Object.entries(suite.rows).map(([row, note]) => {
    const cells = columns.map(({ of }) => status(suite, results, row, of));
    const proofs = suite.scenarios.filter((scenario) => scenario.row === row).map(({ id }) => `\`${id}\``);
    return `| ${[row, ...cells, note, proofs.join(" ")].join(" | ")} |`;
  });
  return `# Lifecycle matrix

Written by \`tests/conformance\` from what happened when its scenarios were played on real machines; \`UPDATE_DOCS=1 npx vitest run --project vm tests/conformance\` writes it again.

- **Shipped**: every scenario of the row passed on that surface, of the Python SDK with both of its clients.
- **Partial**: some did. **Target**: none did.

| Operation | ${columns.map(({ title }) => title).join(" | ")} | Notes | Scenarios |
|${"---|".repeat(columns.length + 3)}
${rows.join("\n")}
`;
}
