import { validateArgv } from "@mvm/protocol";
import { envAssignment, envRecord } from "../args/env-assignment.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, list, word } from "../command/define.js";
import { commandOptions } from "../sandbox/command-options.js";
import { defined } from "../sandbox/options.js";
import { attachTerminal } from "../terminal/attach.js";
import { requireTerminal } from "../terminal/raw-terminal.js";

/** Every guest has it. */
const loginShell = ["/bin/bash", "-l"];

export default command({
  summary: "Open a shell in a running sandbox, on this terminal",
  description: [
    "Every key goes to the guest, ^C among them; the window's size follows. The shell ends with this command, and the " +
      "terminal is as it was before however the shell, the sandbox or the daemon ends. Other programs run in its place when given.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {
    cwd: commandOptions.cwd,
    user: commandOptions.user,
    env: list(envAssignment, "Environment variable of the shell"),
  },
  argv: { label: "ARGV…", summary: "Run this on the terminal in place of the login shell", optional: true },
  examples: [
    ["shell devbox", "Opens bash in devbox"],
    ["shell devbox --user root -- top", "Runs top as root"],
  ],
  exits: { 143: "Ended by SIGTERM" },
  run: async ({ words: [name], options, argv }, context) => {
    requireTerminal("shell", context);
    const program = argv.length === 0 ? loginShell : validateArgv(argv);
    const { cwd, user } = options;
    return attachTerminal(
      name,
      { argv: [...program], ...defined({ env: envRecord(options.env), cwd, user }) },
      context,
    );
  },
});
