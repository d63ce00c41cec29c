import { hostFile } from "../args/host-path.js";
import { command, word } from "../command/define.js";
import { facts } from "../render/facts.js";

export default command({
  summary: "Say whether a file declares a valid workload, and what is wrong with it",
  description: ["Reads workload documents, and modules by their names (.ts, .py), which are parsed and never run."],
  positionals: [word("FILE", hostFile, "The workload document or module")],
  options: {},
  examples: [["validate workload.json", "Prints its id and hash, or every problem with its place"]],
  exits: { 65: "It is not valid" },
  run: async ({ words: [file] }, context) => {
    const { loadFile } = await import("../workload/sources.js");
    const { workload, problems } = await loadFile(file);
    if (workload === null) {
      const { showProblems } = await import("../workload/problems.js");
      return showProblems(file, problems, context);
    }
    const { compiledDocument } = await import("@mvm/declare");
    const verdict = { ok: true, id: workload.id, ir_hash: compiledDocument(workload).ir_hash, problems: [] };
    await context.out.result(verdict, () => facts({ workload: "valid", id: verdict.id, ir_hash: verdict.ir_hash }));
    return 0;
  },
});
