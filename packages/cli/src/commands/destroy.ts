import type { DestroyResultDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, words } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { printable } from "../render/escape.js";

export default command({
  summary: "Destroy sandboxes and delete all their state",
  description: ["What the deletion guarantees is part of the answer."],
  positionals: [words("NAME", sandboxRef, "Names or ids of sandboxes")],
  options: {},
  examples: [
    ["destroy devbox", "Destroys devbox"],
    ["rm web worker", "Destroys two sandboxes"],
  ],
  run: async ({ words: [names] }, context) => {
    const daemon = await context.daemon();
    const results: (DestroyResultDocument & { ref: string })[] = [];
    for (const ref of names) {
      results.push({
        ref,
        ...(await daemon.call<DestroyResultDocument>({
          method: "DELETE",
          path: sandboxPath(ref),
          operation: "sandboxes.destroy",
        })),
      });
    }
    const [only] = results;
    await context.out.result(results.length === 1 && only ? only : { sandboxes: results }, () =>
      context.quiet ? "" : results.map(sentence).join("\n"),
    );
  },
});

function sentence(result: DestroyResultDocument & { ref: string }): string {
  if (!result.destroyed) return printable(`${result.ref} was already destroyed`);
  return printable(`${result.ref} is destroyed: ${result.guarantee}`);
}
