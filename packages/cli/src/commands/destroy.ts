import type { DestroyResultDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, words } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { several } from "../output/several.js";
import { printable } from "../render/escape.js";

type Destroyed = DestroyResultDocument & { readonly ref: string };

export default command({
  summary: "Destroy sandboxes and delete all their state",
  description: [
    "What the deletion guarantees is part of the answer. Each name is tried, whatever becomes of the others.",
  ],
  positionals: [words("NAME", sandboxRef, "Names or ids of sandboxes")],
  options: {},
  examples: [
    ["destroy devbox", "Destroys devbox"],
    ["rm web worker", "Destroys two sandboxes"],
  ],
  run: async ({ words: [names] }, context) => {
    const daemon = await context.daemon();
    const destroy = async (ref: string): Promise<Destroyed> => ({
      ref,
      ...(await daemon.call<DestroyResultDocument>({
        method: "DELETE",
        path: sandboxPath(ref),
        operation: "sandboxes.destroy",
      })),
    });
    return several(context, "sandboxes", names, destroy, sentences);
  },
});

/** A line a sandbox, and the guarantee once below them. */
function sentences(results: readonly Destroyed[]): string {
  const guarantees = new Set(results.filter(({ destroyed }) => destroyed).map(({ guarantee }) => guarantee));
  const lines = results.map(({ ref, destroyed }) => `${ref} ${destroyed ? "is destroyed" : "was already destroyed"}`);
  return [...lines, ...guarantees].map(printable).join("\n");
}
