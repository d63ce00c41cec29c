import { BuildError, type CommandResult } from "@mvm/protocol";
import { buildFailed } from "../build/machine.js";

/** Lines of a builder's own words that an error carries. */
const shownLines = 15;

interface Known {
  readonly pattern: RegExp;
  readonly reason: string;
  readonly why: (found: readonly string[]) => string;
  readonly hint: string;
}

const reach =
  "Let the build reach it with --allow-host HOST, or name a folder that holds it with --substituter FOLDER; where there is a network `nix flake archive --to file:///FOLDER` makes one";

/** What Nix says, and what that means to whoever builds. Texts of Nix 2.26 and, where they differ, of 2.8. */
const known: readonly Known[] = [
  {
    pattern: /while fetching the input '([^']+)'[^]*?unable to download '([^']+)'/,
    reason: "input_unavailable",
    why: ([, input, url]) => `its input ${input} cannot be fetched from ${url}`,
    hint: reach,
  },
  {
    pattern: /unable to download '([^']+\/nix-cache-info)'/,
    reason: "substituter_unreachable",
    why: ([, url]) => `the binary cache cannot be reached at ${url}`,
    hint: "Check its address, or build without it",
  },
  {
    pattern: /unable to download '([^']+)'/,
    reason: "download_failed",
    why: ([, url]) => `${url} cannot be fetched`,
    hint: reach,
  },
  {
    pattern: /requires lock file changes/,
    reason: "unlocked_inputs",
    why: () => "its inputs are not locked, so that another build could be made of others",
    hint: "Run `nix flake lock` in its directory, or give it no inputs",
  },
  {
    pattern: /does not provide attribute ([^\n]+)/,
    reason: "no_such_attribute",
    why: ([, names]) => `it has no attribute ${names}`,
    hint: "Name one of its packages: nix:DIRECTORY#ATTRIBUTE",
  },
  {
    pattern: /'([^'\n]+)'(?: from '[^'\n]*', as it's| is) not signed by|lacks a signature by a trusted key/,
    reason: "untrusted_cache",
    why: ([, path = "a store path"]) => `no key that is trusted has signed ${path}`,
    hint: "Name the key of the binary cache with --trusted-key NAME:KEY",
  },
  {
    pattern: /hash mismatch importing path '([^']+)'/,
    reason: "cache_corrupt",
    why: ([, path]) => `the binary cache holds other bytes than it says of ${path}`,
    hint: "Make the cache again; nothing of it was used",
  },
  {
    pattern: /error: (builder for '[^]*)/,
    reason: "builder_failed",
    why: ([, said = ""]) => said.split("\n").slice(0, shownLines).join("\n").trimEnd(),
    hint: "The build's log has all that Nix said",
  },
];

/** The error for a run of Nix that failed: in this project's words where they are known, else with the last lines of Nix's. */
export function flakeFailure(what: string, ended: CommandResult): BuildError {
  for (const { pattern, reason, why, hint } of known) {
    const found = pattern.exec(ended.stderr);
    if (found === null) continue;
    const message = `Cannot build ${what}: ${why(found)}`;
    return new BuildError({ message, hint, operation: "images.build", context: { reason } });
  }
  return buildFailed(what, ended);
}
