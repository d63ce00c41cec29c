import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { createError } from "@mvm/protocol/errors";
import { resolveHome } from "@mvm/sdk/client";
import { command } from "../command/define.js";

/** Where the set-up's scripts are, as seen from the bundle in a package, the bundle in a checkout, and this source. */
const places = [
  { script: "../setup/setup.sh", goal: "packaged" },
  { script: "../../../scripts/setup/setup.sh", goal: "machines" },
  { script: "../../../../scripts/setup/setup.sh", goal: "machines" },
] as const;

export default command({
  summary: "Install what machines need on this host",
  description: [
    "Installs what is missing: Debian packages (QEMU, bubblewrap, mmdebstrap, erofs-utils), a kernel, the default image and its template. It says what it installs before it does, and can be repeated at any time.",
  ],
  positionals: [],
  options: {},
  examples: [["setup", "Makes this host ready"]],
  run: async (_, context) => {
    const found = places
      .map(({ script, goal }) => ({ path: fileURLToPath(new URL(script, import.meta.url)), goal }))
      .find(({ path }) => existsSync(path));
    if (found === undefined) {
      throw createError("DEPENDENCY_MISSING", {
        message: "Cannot set up this host: the set-up's scripts are missing from this installation",
        hint: "Install mvmctl again: npm i -g mvmctl",
      });
    }
    const json = context.json ? { MVM_SETUP_JSON: "1", MVM_SETUP_RESULT: "1" } : {};
    const child = spawn("sh", [found.path, found.goal, resolveHome()], {
      stdio: "inherit",
      env: { ...process.env, ...json },
    });
    context.cancellation.signal.addEventListener("abort", () => child.kill("SIGTERM"));
    return await new Promise<number>((resolve, reject) => {
      child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
      child.on("error", (cause) => {
        reject(createError("DEPENDENCY_MISSING", { message: "Cannot set up this host: sh does not start", cause }));
      });
    });
  },
});
