import { limits } from "@mvm/protocol";
import { integer } from "../args/integer.js";
import { newSandboxName, sandboxRef } from "../args/sandbox-ref.js";
import { command, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { createdBy } from "../sandbox/created.js";
import { describe } from "../sandbox/describe.js";
import { lifetimeOptions, lifetimeRequest } from "../sandbox/lifetime-options.js";

export default command({
  summary: "Make sandboxes that go on where this one is now",
  description: [
    "They share its memory until they write to it, and differ in randomness, host name and machine id. All of them are made, or none.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the source, which goes on")],
  options: {
    count: option(integer("COUNT", 1, limits.forksAtOnce), "How many", { defaultText: "1" }),
    name: option(newSandboxName, "Name of the fork; of several NAME-1, NAME-2 and so on", { defaultText: "none" }),
    ...lifetimeOptions,
  },
  examples: [
    ["fork devbox --name try", "Makes one fork of devbox"],
    ["fork devbox --count 3 --name try", "Makes try-1, try-2 and try-3"],
  ],
  run: async ({ words: [source], options }, context) => {
    const count = options.count ?? 1;
    const { name } = options;
    const names = name === undefined ? undefined : count === 1 ? [name] : numbered(name, count);
    const json = { count, ...(names && { names }), ...lifetimeRequest(options) };
    const call = { method: "POST", path: sandboxPath(source, "fork"), operation: "sandboxes.fork", json } as const;
    const forks = (await createdBy(context, call, count)).map(({ sandbox, timings }) => ({ ...sandbox, timings }));
    await context.out.result({ forks }, () => forks.map((fork) => describe(fork)).join("\n"));
  },
});

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at + 1}`);
}
