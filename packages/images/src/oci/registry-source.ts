import { rm } from "node:fs/promises";
import { isSandboxError } from "@mvm/protocol/errors";
import { requireSignature } from "../cosign/require-signature.js";
import type { ImageTrust } from "../cosign/trust.js";
import { imageError } from "../errors.js";
import { download } from "../release/download.js";
import { OpenFile } from "./byte-source.js";
import { digestOf, forGuest, isIndex, parseConfig, parseDocument, parseManifest, requireDigest } from "./documents.js";
import type { ImageSource, LayerSource } from "./image-source.js";
import { type MergeLimits, maxDocumentBytes } from "./limits.js";
import { Registry, type RegistryOptions } from "./registry.js";

export interface RegistryImage extends RegistryOptions {
  readonly tag: string | null;
  readonly digest: string | null;
  readonly home: string;
  readonly limits: MergeLimits;
  /** Who must have signed it. Absent: nobody. */
  readonly trust?: ImageTrust | undefined;
}

/** An image of a registry: a tag is resolved once, and everything after is asked for by digest. */
export async function registrySource(wanted: RegistryImage): Promise<ImageSource> {
  const registry = new Registry(wanted);
  const what = `${registry.name}${wanted.tag === null ? "" : `:${wanted.tag}`}`;
  const first = await registry.manifest(wanted.digest ?? wanted.tag ?? "latest");
  // What a registry says of a tag's digest is not believed: the bytes have one.
  const digest = digestOf(first);
  if (wanted.digest !== null) requireDigest(first, wanted.digest, what);
  const signature = wanted.trust && (await requireSignature(registry, digest, wanted.trust));
  let document = parseDocument(first, what);
  let manifestDigest = digest;
  if (isIndex(document)) {
    manifestDigest = forGuest(document, what).digest;
    const bytes = await registry.manifest(manifestDigest);
    requireDigest(bytes, manifestDigest, what);
    document = parseDocument(bytes, what);
  }
  const manifest = parseManifest(document, what, wanted.limits);
  if (manifest.config.size > maxDocumentBytes) {
    throw imageError("build", `Cannot use ${what}: its configuration has more than ${maxDocumentBytes} bytes`);
  }
  const blob = async (of: { digest: string; size: number }, onBytes?: (done: number) => void): Promise<string> => {
    const file = { file: of.digest, size: of.size, sha256: of.digest.slice("sha256:".length) };
    const control = { signal: wanted.signal, ...(onBytes && { onBytes }) };
    return await download(wanted.home, registry.blobs(), file, control).catch((error: unknown) => {
      if (!isSandboxError(error) || error.code !== "ASSET_CHECKSUM_MISMATCH") throw error;
      throw imageError("checksum", error.message, {
        hint: "The registry sent other bytes than the manifest names; nothing of them was used",
      });
    });
  };
  const configPath = await blob(manifest.config);
  const configBytes = await contentOf(configPath);
  await rm(configPath, { force: true });
  const config = parseConfig(configBytes, what);
  const layers = manifest.layers.map((layer, index): LayerSource => {
    return {
      digest: layer.digest,
      diffId: config.diffIds[index] ?? null,
      size: layer.size,
      open: async (onBytes) => {
        const path = await blob(layer, (done) => onBytes(done, layer.size));
        const bytes = await OpenFile.open(path);
        const close = async (): Promise<void> => {
          await bytes.close();
          await rm(path, { force: true });
        };
        return { bytes, close };
      },
    };
  });
  return {
    ...{ digest, manifestDigest, configDigest: manifest.config.digest, config, layers, signature },
    close: () => Promise.resolve(),
  };
}

async function contentOf(path: string): Promise<Buffer> {
  const file = await OpenFile.open(path);
  try {
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}
