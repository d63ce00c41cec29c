import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostFile } from "../args/host-path.js";
import { command, flag, option, word } from "../command/define.js";
import { reading } from "../host-file/read.js";

export default command({
  summary: "Compile a declared workload, without running its module",
  description: [
    "FILE is a TypeScript module with `export default defineWorkload({...})` or a Python module with `@mvm.app(...)` or " +
      "`mvm.define_workload(...)`. It is parsed and never imported: what is no literal, helper or constant is refused. " +
      "Prints the workload in normal form with its hash, as JSON.",
  ],
  positionals: [word("FILE", hostFile, "The module, or with --from-ir a workload document")],
  options: {
    "from-ir": flag("FILE is a workload document: print its normal form and hash"),
    out: option({ ...hostFile, label: "DIR", complete: "directory" }, "Write workload.json, in canonical form, there", {
      short: "o",
    }),
  },
  examples: [
    ["compile report.ts", "Prints the workload of report.ts and its hash"],
    ["compile app.py -o build", "Writes build/workload.json too"],
    ["compile --from-ir workload.json", "Prints the same hash for it"],
  ],
  exits: { 65: "The file declares no valid workload; each problem is named with its place" },
  run: async ({ words: [file], options }, context) => {
    const { compileFile, readDocument } = await import("../workload/sources.js");
    const { workload, problems } = options["from-ir"] ? readDocument(file) : await compileFile(file);
    if (workload === null) {
      const { showProblems } = await import("../workload/problems.js");
      return showProblems(file, problems, context);
    }
    const { canonicalWorkload, compiledDocument } = await import("@mvm/declare");
    if (options.out !== undefined) writeWorkload(options.out, canonicalWorkload(workload));
    await context.out.jsonLine(compiledDocument(workload));
    return 0;
  },
});

/** The file is the old one or the new one, never half of it. */
function writeWorkload(directory: string, text: string): void {
  reading(JSON.stringify(directory), () => {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, "workload.json");
    const half = `${path}.${process.pid}.part`;
    writeFileSync(half, text, { flag: "wx" });
    renameSync(half, path);
  });
}
