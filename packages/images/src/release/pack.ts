import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ensureBootAssets } from "../boot-assets.js";
import { cachedSha256 } from "../digest-cache.js";
import { syncPath, writeDurably } from "../durable.js";
import { imageError } from "../errors.js";
import { imageLayout } from "../layout.js";
import type { BuildControl } from "../progress.js";
import { openImageStore } from "../store.js";
import { manifestFile, type ReleaseAsset, type ReleaseManifest } from "./manifest.js";
import { formatPublicKey, signMinisign } from "./minisign.js";
import { signatureFile } from "./trust.js";

export interface PackOptions extends BuildControl {
  readonly home: string;
  /** Where the release goes: a new or an empty folder. */
  readonly folder: string;
  readonly agentPath: string;
  /** Images of this state root, by name. */
  readonly images: readonly string[];
  readonly version: string;
  /** Ed25519 private key in PKCS #8 PEM. */
  readonly privateKey: string;
}

/** Files are written first, the manifest and its signature last: a folder without them is no release. */
export async function packRelease(options: PackOptions): Promise<{ manifest: ReleaseManifest; publicKey: string }> {
  const { home, folder, onProgress } = options;
  // Before anything is copied: a key that cannot sign should cost nothing.
  trySigning(options.privateKey);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw imageError("invalid", `Cannot pack a release into ${folder}: it is not empty`, { hint: "Name a new folder" });
  }
  const boot = await ensureBootAssets({ home, agentPath: options.agentPath, onProgress, signal: options.signal });
  const kernel = join(imageLayout(home).kernels, boot.record.kernel_version);
  const assets: ReleaseAsset[] = [];
  const add = async (from: string, asset: Omit<ReleaseAsset, "size" | "sha256">): Promise<void> => {
    options.signal?.throwIfAborted();
    onProgress?.({ phase: "pack", detail: asset.file });
    const to = join(folder, asset.file);
    await copyFile(from, to);
    await syncPath(to);
    assets.push({ ...asset, ...(await cachedSha256(to)) });
  };
  await add(options.agentPath, { kind: "agent", file: "mvm-agent" });
  await add(boot.initramfs, { kind: "initramfs", file: "initramfs" });
  await add(boot.vmlinuz, { kind: "kernel", file: "vmlinuz" });
  await add(join(kernel, "kernel.json"), { kind: "kernel_record", file: "kernel.json" });
  for (const file of (await readdir(join(kernel, "modules"))).sort()) {
    const name = file.replace(/\.ko$/, "");
    await add(join(kernel, "modules", file), { kind: "kernel_module", file: `module-${file}`, name });
  }
  const store = openImageStore(home);
  for (const name of options.images) {
    const { record, path } = await store.verify(name);
    await add(path, { kind: "image", file: `image-${record.name}.erofs`, name: record.name });
    await add(path.replace(/erofs$/, "json"), {
      kind: "image_record",
      file: `image-${record.name}.json`,
      name: record.name,
    });
    const provenance = path.replace(/erofs$/, "provenance.json");
    if (existsSync(provenance)) {
      await add(provenance, {
        kind: "image_provenance",
        file: `image-${record.name}.provenance.json`,
        name: record.name,
      });
    }
  }
  const manifest: ReleaseManifest = {
    ...{ schema_version: 1, product: "mvm", version: options.version },
    created_at: new Date().toISOString(),
    architecture: "amd64",
    kernel_version: boot.record.kernel_version,
    assets,
  };
  return { manifest, publicKey: await seal(folder, manifest, options.privateKey) };
}

async function seal(folder: string, manifest: ReleaseManifest, privateKey: string): Promise<string> {
  const content = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const comment = `mvm ${manifest.version} ${manifest.created_at} sha256:${createHash("sha256").update(content).digest("hex")}`;
  const { text, key } = signMinisign(content, privateKey, comment);
  await writeDurably(join(folder, manifestFile), content);
  await writeDurably(join(folder, signatureFile.minisign), text);
  return formatPublicKey(key);
}

function trySigning(privateKey: string): void {
  try {
    signMinisign(Buffer.alloc(0), privateKey, "");
  } catch (cause) {
    throw imageError("invalid", "Cannot sign a release: the key is not an Ed25519 private key in PEM", {
      hint: "Make one: openssl genpkey -algorithm ed25519 -out release.pem",
      cause,
    });
  }
}

/** Reads the key file; kept apart so that nothing else of this package opens private keys. */
export async function readPrivateKey(path: string): Promise<string> {
  return readFile(path, "utf8").catch((cause: unknown) => {
    throw imageError("invalid", `Cannot read the key ${JSON.stringify(path)}`, {
      hint: "Make one: openssl genpkey -algorithm ed25519 -out release.pem",
      cause,
    });
  });
}
