import { appendFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { CommandResult } from "@mvm/protocol";
import type { Progress } from "../../backends/backend.js";
import type { BuildMachine } from "../build/machine.js";

export interface NixOptions {
  readonly log: string;
  readonly substituters: readonly string[];
  readonly trustedKeys: readonly string[];
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Nix inside the machine of a build, as root and with its own sandbox on. */
export class Nix {
  private readonly env: Readonly<Record<string, string>>;
  private writing = Promise.resolve();

  constructor(
    private readonly machine: BuildMachine,
    private readonly options: NixOptions,
  ) {
    // A pager on what looks like a terminal would wait for a key.
    this.env = { HOME: "/root", PAGER: "cat", NIX_PAGER: "cat", NIX_CONFIG: configuration(options) };
  }

  /** Runs `nix ARGS`. What it says on stderr goes to the build's log, and what it is at to the progress. */
  async run(args: readonly string[], input?: Readable): Promise<CommandResult> {
    const onOutput = (data: Buffer, stream: "stdout" | "stderr"): void => {
      if (stream !== "stderr") return;
      this.writing = this.writing
        .then(() => appendFile(this.options.log, data, { mode: 0o600 }))
        .catch(() => undefined);
      for (const line of data.toString().split("\n")) this.tell(line);
    };
    const ended = await this.machine.exec({
      argv: ["nix", ...args],
      env: this.env,
      onOutput,
      ...(input !== undefined && { input }),
    });
    await this.writing;
    return ended;
  }

  private tell(line: string): void {
    const [, verb = "", path = ""] =
      /^(building|copying path) '\/nix\/store\/[0-9a-z]{32}-([^']{1,120})'/.exec(line) ?? [];
    if (path !== "") this.options.onProgress?.({ phase: verb === "building" ? "build" : "fetch", detail: path });
  }
}

/** Nix's configuration file (Nix reference manual, "nix.conf"). Lists end with their line: neither has one inside. */
function configuration({ substituters, trustedKeys }: NixOptions): string {
  const settings = {
    "experimental-features": "nix-command flakes",
    // One user is all there is in the machine.
    "build-users-group": "",
    sandbox: "true",
    "sandbox-fallback": "false",
    // Builders that name no other shell get the one that Nix itself would bring.
    "extra-sandbox-paths": "/bin/sh=/usr/bin/busybox",
    // Without a network Nix would not even ask the caches that are files.
    substitute: "true",
    substituters: substituters.join(" "),
    "extra-trusted-public-keys": trustedKeys.join(" "),
    "require-sigs": "true",
    // What a flake asks for itself has no say in whom it believes.
    "accept-flake-config": "false",
    "flake-registry": "",
    "connect-timeout": "30",
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}
