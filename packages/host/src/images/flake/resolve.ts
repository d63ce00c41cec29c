import { join } from "node:path";
import { BuildContext, flakeAttribute, flakeName, packArchive, packFlake } from "@mvm/images";
import { type ImageBuildRecipe, InvalidArgumentError, type NetworkRule } from "@mvm/protocol";
import type { FlakeStep } from "./build.js";

export interface ResolvedFlake {
  readonly step: FlakeStep;
  readonly folders: readonly string[];
  /** What the binary caches make the machine reach. */
  readonly rules: readonly NetworkRule[];
}

/** `NAME:KEY` with the 32 bytes of an Ed25519 key in base 64, as `nix key generate-secret` makes them. */
const keyPattern = /^[A-Za-z0-9._-]{1,128}:[A-Za-z0-9+/]{43}=$/;

/**
 * Packs a flake and the binary caches that are folders, so that what is hashed is what the machine gets. Nothing is evaluated.
 * @throws {InvalidArgumentError}
 */
export async function resolveFlake(
  { directory: path, attribute: wanted = "default", substituters = [], trusted_keys: keys = [] }: Wanted,
  { directory, log, signal }: { directory: string; log: string; signal: AbortSignal },
): Promise<ResolvedFlake> {
  const attribute = flakeAttribute(wanted);
  const bad = keys.find((key) => !keyPattern.test(key));
  if (bad !== undefined) {
    throw refuse("trusted_keys", `${JSON.stringify(bad.slice(0, 200))} is no key of a binary cache`, "Write NAME:KEY");
  }
  const addresses = substituters.filter((text) => !text.startsWith("/")).map(address);
  const { archive, sha256 } = await packFlake(path, join(directory, "flake-source.tar"), {
    ...{ directory: join(directory, "flake-source"), log, signal },
  });
  const folders: string[] = [];
  for (const [index, folder] of substituters.filter((text) => text.startsWith("/")).entries()) {
    const context = await BuildContext.open(folder, []);
    const place = { directory: join(directory, `cache-${index}`), log, signal };
    folders.push((await packArchive([context.whole()], join(directory, `cache-${index}.tar`), place)).archive);
  }
  const step: FlakeStep = {
    ...{ kind: "flake", text: flakeName({ path, attribute }), archive, sha256, attribute },
    substituters: addresses.map(({ href }) => href).sort(),
    trustedKeys: [...keys].sort(),
  };
  return { step, folders, rules: addresses.map(ruleOf) };
}

type Wanted = NonNullable<ImageBuildRecipe["flake"]>;

function address(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url !== undefined && plain && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw refuse(
    "substituters",
    `${JSON.stringify(text.slice(0, 200))} is neither an https address nor an absolute directory`,
    "Write https://HOST/ without credentials or settings, or the folder that `nix copy --to file:///FOLDER` made",
  );
}

function ruleOf({ protocol, hostname, port }: URL): NetworkRule {
  const http = protocol === "http:";
  return { host: hostname, port: port === "" ? (http ? 80 : 443) : Number(port), protocol: http ? "http" : "https" };
}

function refuse(field: string, why: string, hint: string): InvalidArgumentError {
  const message = `Cannot build the flake: ${why}`;
  return new InvalidArgumentError({ message, hint, context: { pointer: `/recipe/flake/${field}` } });
}
