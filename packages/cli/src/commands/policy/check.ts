import { hostFile } from "../../args/host-path.js";
import { command, option } from "../../command/define.js";
import { showDecision } from "../../policy/decision.js";
import { createRequest, runOptions } from "../../sandbox/options.js";
import { refuseBeside } from "../../workload/beside.js";

const { "dry-run": _always, receipt: _ofRuns, ...asked } = runOptions;
const options = {
  ...asked,
  workload: option(hostFile, "Decide on the workload of this file, a document or a module, instead of options"),
};

export default command({
  summary: "Say whether a run with these options would be admitted, and by which rule",
  description: [
    "Shows the plan the options come to, with its hash. Nothing is started. For a workload, ADMITTED or REJECTED comes first, " +
      "with the hashes of its plan and document and the ids of the rules.",
  ],
  positionals: [],
  options,
  examples: [
    ["policy check --env A=1", "Refused: the profile of one-shot runs has no environment"],
    ["policy check --profile standard --allow-host api.github.com", "Asks for one host"],
    [
      "policy check --workload report.py",
      "Decides on what report.py declares, ports included; the module is never run",
    ],
  ],
  exits: { 77: "It would be refused" },
  run: async (input, context) => {
    if (input.options.workload !== undefined) {
      refuseBeside(input.options, []);
      const { checkWorkload } = await import("../../workload/run-workload.js");
      return checkWorkload(input.options.workload, context);
    }
    const values = { ...input.options, "dry-run": true, receipt: undefined };
    return showDecision({ profile: "restrictive", ...createRequest(values) }, context);
  },
});
