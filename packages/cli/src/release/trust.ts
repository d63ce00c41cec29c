import { readFile } from "node:fs/promises";
import { trustOfKey, type ReleaseTrust } from "@mvm/images/release";
import { createError } from "@mvm/protocol/errors";
import { hostFile } from "../args/host-path.js";
import { text } from "../args/text.js";
import { option } from "../command/define.js";

/** Whom a release is taken from: the holder of a key, or an identity with an authority's word for it. */
export const trustOptions = {
  key: option({ ...hostFile, label: "PUB" }, "Public key of whoever publishes the release: of minisign, or in PEM"),
  identity: option(text("NAME"), "Instead of a key: who signed it, as the certificate in its Sigstore bundle says"),
  issuer: option(text("URL"), "The OpenID provider that vouched for that identity"),
  "trusted-root": option(
    { ...hostFile, label: "FILE" },
    "Authorities and logs to believe: Sigstore's trusted_root.json",
  ),
};

/** The values of {@link trustOptions}. */
export interface TrustValues {
  readonly key?: string | undefined;
  readonly identity?: string | undefined;
  readonly issuer?: string | undefined;
  readonly "trusted-root"?: string | undefined;
}

/** @param verb what a line that works begins with */
export async function trustFrom(values: TrustValues, verb: string): Promise<ReleaseTrust> {
  const { key, identity, issuer, "trusted-root": root } = values;
  if (key !== undefined && identity === undefined && issuer === undefined && root === undefined) {
    return trustOfKey(await contentOf(key));
  }
  if (key === undefined && identity !== undefined && issuer !== undefined && root !== undefined) {
    return { kind: "keyless", by: { identity, issuer, trustedRoot: await contentOf(root) } };
  }
  throw createError("INVALID_ARGUMENT", {
    message: "Cannot tell whom to take the release from: give --key, or --identity, --issuer and --trusted-root",
    hint: `For example: mvmctl ${verb} --key release.pub`,
  });
}

async function contentOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw createError("INVALID_ARGUMENT", {
      message: `Cannot read ${JSON.stringify(file)}: ${cause.code ?? cause.message}`,
      hint: "Give a file that whoever publishes the release has given you",
      cause,
    });
  });
}
