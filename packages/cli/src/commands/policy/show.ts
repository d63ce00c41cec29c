import type { PolicyInfo } from "@mvm/protocol";
import { command } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { facts } from "../../render/facts.js";
import { table } from "../../render/table.js";

export default command({
  summary: "Show the effective policy: its files, rules and ceilings",
  positionals: [],
  options: {},
  examples: [["policy show", "Lists every rule with the file and line it stands in"]],
  exits: { 77: "A file of policy is broken: nothing is admitted until it is mended" },
  run: async (_input, context) => {
    const daemon = await context.daemon();
    const policy = await daemon.call<PolicyInfo>({ method: "GET", path: "/policy", operation: "policy.show" });
    await context.out.result(policy, () => (policy.ok ? inForce(policy) : broken(policy)));
    return policy.ok ? 0 : 77;
  },
});

function inForce({ sha256, directories, files, rules, ceilings }: PolicyInfo): string {
  const listed = table(rules, [
    { heading: "RULE", cell: ({ id }) => id },
    { heading: "EFFECT", cell: ({ effect }) => effect },
    { heading: "FROM", cell: (rule) => (rule.built_in ? "mvm" : `${rule.path}:${rule.line}`) },
  ]);
  return `${facts({ sha256, directories, files: files.map(({ path }) => path), ceilings })}\n\n${listed}`;
}

function broken({ problems }: PolicyInfo): string {
  return problems
    .map(({ file, line, column, problem }) => {
      const at = line === null ? "" : `:${line}${column === null ? "" : `:${column}`}`;
      return printable(`${file}${at}: ${problem}`);
    })
    .join("\n");
}
