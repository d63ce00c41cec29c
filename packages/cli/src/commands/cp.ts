import { posix } from "node:path";
import { copyPlace, type CopyPlace } from "../args/copy-place.js";
import { integer } from "../args/integer.js";
import { anySize } from "../args/size.js";
import { command, flag, option, word } from "../command/define.js";
import { CopyBudget, type CopyLimits, defaultCopyLimits } from "../copy/budget.js";
import type { CopySummary } from "../copy/summary.js";
import { invalidArgument, usageError } from "../errors.js";
import type { Context } from "../output/context.js";
import { printable } from "../render/escape.js";
import { bytes } from "../render/units.js";

const shownSkips = 10;

export default command({
  summary: "Copy files and trees between the host and a sandbox",
  description: [
    "One of SRC and DST is NAME:PATH. A DST that is a directory gets SRC into it. Times and permissions are kept; owners " +
      "and setuid bits are not. Links on the host are never followed. A copy out of a sandbox appears when it is " +
      "complete; links that leave the tree, devices, FIFOs and sockets are left out and reported.",
    "Refused as sources: /, the home directory as a whole, directories of credentials such as ~/.ssh, sockets of " +
      "container daemons, the state root of mvm.",
  ],
  positionals: [
    word("SRC", copyPlace, "File or directory, NAME:PATH in a sandbox"),
    word("DST", copyPlace, "Where to"),
  ],
  options: {
    recursive: flag("Copy directories with all that is in them", { short: "r" }),
    "max-size": option(anySize, "Most bytes to copy", { defaultText: bytes(defaultCopyLimits.bytes) }),
    "max-entries": option(integer("N", 1, 10_000_000), "Most entries to copy", {
      defaultText: String(defaultCopyLimits.entries),
    }),
  },
  examples: [
    ["cp main.py devbox:/home/user/", "Copies a file in"],
    ["cp -r devbox:out ./out", "Copies a tree out"],
  ],
  run: async ({ words: [source, target], options }, context) => {
    const limits: CopyLimits = {
      bytes: options["max-size"] ?? defaultCopyLimits.bytes,
      entries: options["max-entries"] ?? defaultCopyLimits.entries,
      depth: defaultCopyLimits.depth,
    };
    const budget = new CopyBudget(limits);
    const summary = await copy(source, target, options.recursive, budget, context);
    for (const { path, why } of summary.skipped.slice(0, shownSkips)) {
      await context.out.note(`left out ${printable(path)}: ${why}`);
    }
    if (summary.skipped.length > shownSkips)
      await context.out.note(`left out ${summary.skipped.length - shownSkips} more`);
    await context.out.result({ ...summary, bytes: budget.bytes }, () =>
      context.quiet
        ? ""
        : `copied ${count(summary.files, "file")}, ${count(summary.directories, "directory", "directories")}, ${bytes(budget.bytes)}`,
    );
  },
});

async function copy(
  from: CopyPlace,
  to: CopyPlace,
  recursive: boolean,
  budget: CopyBudget,
  context: Context,
): Promise<CopySummary> {
  if (from.kind === to.kind) {
    throw usageError("Cannot copy: exactly one of SRC and DST has to be in a sandbox", "Write it as NAME:PATH");
  }
  const { guestFiles } = await import("../copy/guest-files.js");
  const { openPlace } = await import("../copy/host-place.js");
  const { signal } = context.cancellation;
  if (from.kind === "host" && to.kind === "guest") {
    const { copyIn } = await import("../copy/copy-in.js");
    const { ProtectedSources } = await import("../copy/protected-sources.js");
    const { resolveHome } = await import("@mvm/sdk/client");
    using place = openPlace(from.path);
    const guest = guestFiles(await context.daemon(), to.sandbox);
    const into = (await guest.stat(to.path))?.type === "directory";
    const path = into ? posix.join(to.path, place.name) : to.path;
    return await copyIn(place, path, {
      guest,
      budget,
      signal,
      recursive,
      protectedSources: new ProtectedSources(resolveHome()),
    });
  }
  if (from.kind === "guest" && to.kind === "host") {
    const { copyOut } = await import("../copy/copy-out.js");
    const { destination } = await import("../copy/destination.js");
    const guest = guestFiles(await context.daemon(), from.sandbox);
    const entry = await guest.stat(from.path);
    if (entry === null) throw invalidArgument(`Cannot copy: "${from.path}" does not exist in ${from.sandbox}`);
    if (entry.type === "directory" && !recursive) {
      throw invalidArgument(`Cannot copy "${from.path}": it is a directory`, "Copy trees with `cp -r`");
    }
    using place = destination(to.path, posix.basename(posix.normalize(from.path)));
    return await copyOut(from.path, entry, place, { guest, budget, signal, umask: process.umask() });
  }
  throw usageError("Cannot copy between these places");
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
