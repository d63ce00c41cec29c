import { userInfo } from "node:os";
import { defaultTimeToLive, timeToDetach } from "../args/duration.js";
import { newSandboxName } from "../args/sandbox-ref.js";
import { command, hidden, option, word } from "../command/define.js";
import { span } from "../render/units.js";
import { showDecision } from "../policy/decision.js";
import { commandOptions } from "../sandbox/command-options.js";
import { createdBy } from "../sandbox/created.js";
import { describe } from "../sandbox/describe.js";
import { createRequest, refuse, sandboxOptions } from "../sandbox/options.js";

export default command({
  summary: "Create a named sandbox that outlives this command",
  description: ["It runs until it is destroyed or its time to live is over, whichever comes first."],
  positionals: [word("NAME", newSandboxName, "Name of the new sandbox")],
  options: {
    ...sandboxOptions,
    ttl: option(timeToDetach, "Time to live, such as 2h", { defaultText: span(defaultTimeToLive * 1000) }),
    receipt: hidden(sandboxOptions.receipt),
    timeout: hidden(commandOptions.timeout),
    cwd: hidden(commandOptions.cwd),
    user: hidden(commandOptions.user),
  },
  examples: [
    ["up devbox --image python --ttl 2h", "Creates devbox for two hours"],
    ["up web --memory 1G --profile standard --allow-host pypi.org", "Creates a sandbox that may reach one host"],
  ],
  run: async ({ words: [name], options }, context) => {
    for (const feature of ["timeout", "cwd", "user"] as const) {
      refuse(options[feature] !== undefined, feature, "keep defaults for the commands of a sandbox; give it to `exec`");
    }
    refuse(options.receipt !== undefined, "receipt", "write a receipt where no command runs");
    const request = createRequest(options);
    const ttl = options.ttl === undefined ? defaultTimeToLive : options.ttl;
    const body = { ...request, name, detach: true, ttl_seconds: ttl, owner: userInfo().username };
    if (options["dry-run"]) return showDecision(body, context);
    const call = { method: "POST", path: "/sandboxes", operation: "sandboxes.create", json: body } as const;
    for (const { sandbox, timings } of await createdBy(context, call, 1)) {
      await context.out.result({ ...sandbox, timings }, () => describe(sandbox));
    }
    return 0;
  },
});
