import type { LogLine } from "@mvm/protocol";
import { logSource } from "../args/choice.js";
import { since } from "../args/duration.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, flag, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { printable } from "../render/escape.js";

export default command({
  summary: "Show the log of a sandbox, bounded and redacted",
  description: ["On a terminal, control characters that a guest wrote are spelled out unless --raw is given."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {
    follow: flag("Go on with new lines as they come", { short: "f" }),
    since: option(since, "Only lines after this time, RFC 3339 or how long ago, such as 10m"),
    source: option(logSource, "Only lines of the guest or of the supervisor"),
    raw: flag("Print lines to a terminal as they are"),
  },
  examples: [
    ["logs devbox --since 10m", "Shows the last ten minutes"],
    ["logs devbox -f --source guest", "Follows what the guest writes"],
  ],
  jsonLines: true,
  run: async ({ words: [name], options }, context) => {
    const { out, cancellation } = context;
    const escape = out.stdout.isTTY && !options.raw;
    const query = { follow: options.follow || undefined, since: options.since, source: options.source };
    const daemon = await context.daemon();
    for await (const line of daemon.lines<LogLine>({
      method: "GET",
      path: sandboxPath(name, "logs"),
      operation: "logs",
      query,
    })) {
      if (context.json) await out.jsonLine(line);
      else
        await cancellation.race(
          out.stdout.write(`${line.time} ${line.source}: ${escape ? printable(line.line) : line.line}\n`),
        );
    }
  },
});
