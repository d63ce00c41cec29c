import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { createError } from "@mvm/protocol/errors";
import { resolveHome } from "@mvm/sdk/client";
import { text } from "../args/text.js";
import { command, flag, option } from "../command/define.js";
import { installFrom } from "../release/install-from.js";
import { trustOptions } from "../release/trust.js";

/**
 * Where the set-up's scripts are, as seen from the bundle in a checkout, from this source compiled there, and from the bundle in
 * a package. A checkout is known by its guest agent, and comes first: packing leaves the package's copy in it.
 */
const places = [
  { script: "../../../scripts/setup/setup.sh", beside: "../../../guest/Cargo.toml", goal: "machines" },
  { script: "../../../../scripts/setup/setup.sh", beside: "../../../../guest/Cargo.toml", goal: "machines" },
  { script: "../setup/setup.sh", beside: "../setup/setup.sh", goal: "packaged" },
] as const;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default command({
  summary: "Install what machines need on this host",
  description: [
    "Installs what is missing: Debian packages (QEMU, bubblewrap, mmdebstrap, erofs-utils), a kernel, the default image and its template. It says what it installs before it does, and can be repeated at any time.",
    "With --from, kernel, agent and images come from a signed release instead: nothing is compiled or built, and only QEMU and bubblewrap are installed.",
  ],
  positionals: [],
  options: {
    from: option(text("SOURCE"), "A release's folder, or its https or http URL"),
    ...trustOptions,
    "allow-older": flag("Take a release that is older than the one this state root has"),
  },
  examples: [
    ["setup", "Makes this host ready"],
    ["setup --from /media/usb/mvm --key release.pub", "Makes it ready without a network for images"],
  ],
  run: async ({ options }, context) => {
    const { from, "allow-older": allowOlder, ...trust } = options;
    const released =
      from === undefined ? refuseWithoutFrom(options) : await installFrom(from, trust, allowOlder, context);
    const [found] = places
      .filter(({ script, beside }) => existsSync(here(script)) && existsSync(here(beside)))
      .map(({ script, goal }) => ({ path: here(script), goal }));
    if (found === undefined) {
      throw createError("DEPENDENCY_MISSING", {
        message: "Cannot set up this host: the set-up's scripts are missing from this installation",
        hint: "Install mvmctl again: npm i -g mvmctl",
      });
    }
    const release = released === undefined ? {} : { MVM_SETUP_IMAGE: released };
    const json = context.json ? { MVM_SETUP_JSON: "1", MVM_SETUP_RESULT: "1" } : {};
    const child = spawn("sh", [found.path, found.goal, resolveHome()], {
      stdio: "inherit",
      env: { ...process.env, ...json, ...release },
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

/** An option of a release that is given without one is a line somebody got wrong. */
function refuseWithoutFrom(options: Readonly<Record<string, unknown>>): undefined {
  const given = Object.entries(options).find(([, value]) => value !== undefined && value !== false);
  if (given === undefined) return undefined;
  throw createError("INVALID_ARGUMENT", {
    message: `Cannot use --${given[0]} without --from`,
    hint: "Name the release's folder or URL: mvmctl setup --from SOURCE --key release.pub",
  });
}
