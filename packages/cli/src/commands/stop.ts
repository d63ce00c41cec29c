import { sandboxRef } from "../args/sandbox-ref.js";
import { command, words } from "../command/define.js";
import { several } from "../output/several.js";
import { changed } from "../sandbox/change.js";
import { describe } from "../sandbox/describe.js";

export default command({
  summary: "Stop sandboxes: their processes and memory are gone, their disks are kept",
  description: ["Each name is tried, whatever becomes of the others."],
  positionals: [words("NAME", sandboxRef, "Names or ids of sandboxes")],
  options: {},
  examples: [
    ["stop devbox", "Stops devbox"],
    ["down web worker", "Stops two sandboxes"],
  ],
  run: async ({ words: [names] }, context) => {
    const daemon = await context.daemon();
    const stop = (ref: string) => changed(daemon, ref, "stop");
    return several(context, "sandboxes", names, stop, (done) => done.map((sandbox) => describe(sandbox)).join("\n"));
  },
});
