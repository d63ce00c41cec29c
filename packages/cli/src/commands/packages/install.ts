import type { PackagesInstalledDocument, PackagesRequest, PackagesStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { choice } from "../../args/choice.js";
import { timeout } from "../../args/duration.js";
import { packageSpec } from "../../args/package-spec.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, option, word, words } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";
import { defined } from "../../sandbox/options.js";

const manager = choice("MANAGER", ["pip", "npm"]);

export default command({
  summary: "Install packages in a running sandbox",
  description: [
    "Names, perhaps with versions: no addresses, paths or options. They and all they depend on have to be on the operator's list of packages, and the sandbox's network policy has to allow the index; otherwise nothing runs in the sandbox. " +
      "What the manager writes goes to stderr, what is installed to stdout.",
  ],
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    words("PACKAGE", packageSpec, "Package with its versions, as its manager writes it"),
  ],
  options: {
    manager: option(manager, "Who installs: pip or npm", { defaultText: "pip" }),
    timeout: option(timeout, "Give up after this long and exit with 124, such as 5m", { defaultText: "10m" }),
  },
  examples: [
    ["packages install devbox 'requests==2.*'", "Installs requests and what it depends on with pip"],
    ["packages install devbox --manager npm left-pad@^1.3", "Installs a package of npm"],
  ],
  exits: { 77: "The operator's list or the sandbox's network policy says no", 124: "--timeout is over" },
  run: async ({ words: [name, specs], options }, context) => {
    const json: PackagesRequest = {
      manager: options.manager ?? "pip",
      packages: specs,
      stream: !context.json && !context.quiet,
      ...defined({ timeout_ms: options.timeout }),
    };
    const daemon = await context.daemon();
    const call = { method: "POST", path: sandboxPath(name, "packages"), operation: "packages.install", json } as const;
    for await (const event of daemon.events<PackagesStreamEvent>(call)) {
      if (event.event === "stdout" || event.event === "stderr") {
        await context.cancellation.race(context.out.stderr.write(Buffer.from(event.data, "base64")));
      } else if (event.event === "end") {
        return void (await context.out.result(event.result, () => lines(event.result)));
      }
    }
    throw createError("OUTCOME_UNKNOWN", {
      message: "Cannot tell whether the packages were installed: the answer ended early",
    });
  },
});

function lines({ installed }: PackagesInstalledDocument): string {
  return installed.map(({ name, version }) => printable(`${name} ${version}`)).join("\n");
}
