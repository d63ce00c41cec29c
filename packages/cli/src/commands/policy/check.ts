import { command } from "../../command/define.js";
import { showDecision } from "../../policy/decision.js";
import { createRequest, sandboxOptions } from "../../sandbox/options.js";

const { "dry-run": _always, receipt: _ofRuns, ...options } = sandboxOptions;

export default command({
  summary: "Say whether a run with these options would be admitted, and by which rule",
  description: ["Shows the plan the options come to, with its hash. Nothing is started."],
  positionals: [],
  options,
  examples: [
    ["policy check --env A=1", "Refused: the profile of one-shot runs has no environment"],
    ["policy check --profile standard --allow-host api.github.com", "Asks for one host"],
  ],
  exits: { 77: "It would be refused" },
  run: async (input, context) => {
    const values = { ...input.options, "dry-run": true, receipt: undefined };
    return showDecision({ profile: "restrictive", ...createRequest(values) }, context);
  },
});
