import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp } from "../build-temp.js";
import { publishFile, writeJsonDurably } from "../durable.js";
import { imageError } from "../errors.js";
import { buildInitramfs } from "../initramfs.js";
import { placeKernel, readKernel } from "../kernel.js";
import { imageLayout, makeImageLayout } from "../layout.js";
import { digestHex, parseImageRecord } from "../manifest.js";
import type { BuildControl } from "../progress.js";
import { openImageStore } from "../store.js";
import { download } from "./download.js";
import { fetchManifest } from "./fetch-manifest.js";
import type { AssetKind, ReleaseAsset, ReleaseManifest } from "./manifest.js";
import type { ReleaseSource } from "./source.js";
import type { ReleaseTrust } from "./trust.js";

export interface InstallOptions extends BuildControl {
  readonly home: string;
  readonly source: ReleaseSource;
  readonly trust: ReleaseTrust;
  /** Takes a release that is older than the one this state root has. */
  readonly allowOlder?: boolean | undefined;
}

/**
 * Makes a release's kernel, agent and images those of this state root. Signature first, then every digest, and each part is
 * put under its name only when it is whole; killed at any moment, the next try goes on where this one was.
 * @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError | InvalidArgumentError}
 */
export async function installRelease(options: InstallOptions): Promise<ReleaseManifest> {
  const { home, source, onProgress } = options;
  onProgress?.({ phase: "release", detail: source.name });
  const signal = options.signal ?? new AbortController().signal;
  const manifest = await fetchManifest(source, options.trust, signal);
  await makeImageLayout(home);
  if (options.allowOlder !== true) await refuseOlder(home, manifest);
  const files = await downloadAll(options, manifest);
  onProgress?.({ phase: "install", detail: manifest.version });
  const temp = await makeBuildTemp(home);
  try {
    await installKernel(home, join(temp.path, "kernel"), manifest, files);
    for (const { name } of manifest.assets.filter(({ kind }) => kind === "image")) {
      await installImage(home, manifest, files, name ?? "");
    }
    await installAgent(home, manifest, files);
  } finally {
    await temp.remove();
  }
  return manifest;
}

/** Paths of what is here and verified, by the file's name in the release. */
type Files = ReadonlyMap<string, string>;

async function downloadAll(options: InstallOptions, manifest: ReleaseManifest): Promise<Files> {
  const { home, source, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  const files = new Map<string, string>();
  const total = manifest.assets.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const asset of manifest.assets) {
    const onBytes = (done: number): void =>
      onProgress?.({ phase: "download", detail: asset.file, done: before + done, total });
    files.set(asset.file, await download(home, source, asset, { signal, onBytes }));
    before += asset.size;
  }
  return files;
}

/** An attacker who cannot sign can still offer a release of last year, with last year's holes. */
async function refuseOlder(home: string, manifest: ReleaseManifest): Promise<void> {
  const text = await readFile(join(home, recordFile), "utf8").catch(() => undefined);
  const installed = text === undefined ? undefined : (JSON.parse(text) as ReleaseRecord);
  if (installed === undefined || installed.created_at <= manifest.created_at) return;
  const { version, created_at } = manifest;
  throw imageError(
    "invalid",
    `Cannot use release ${version} of ${created_at}: this state root has ${installed.version} of ${installed.created_at}`,
    { hint: "Give --allow-older to go back to it" },
  );
}

/** What `release.json` of a state root says: which release it was set up from. */
interface ReleaseRecord {
  schema_version: 1;
  version: string;
  created_at: string;
  agent_sha256: string;
}
const recordFile = "release.json";

/** The agent a release brought to this state root, or undefined. */
export async function releasedAgent(home: string): Promise<string | undefined> {
  const text = await readFile(join(home, recordFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { agent_sha256: digest } = JSON.parse(text) as ReleaseRecord;
  return /^[0-9a-f]{64}$/.test(digest) ? join(imageLayout(home).agents, digest) : undefined;
}

async function installKernel(home: string, staged: string, manifest: ReleaseManifest, files: Files): Promise<void> {
  await mkdir(join(staged, "modules"), { recursive: true, mode: 0o700 });
  for (const asset of manifest.assets) {
    const place = placeInKernel(asset);
    if (place !== undefined) await publishFile(pathOf(files, asset), join(staged, place));
  }
  const kernel = await readKernel(staged).catch((cause: unknown) => {
    throw unfit("its kernel lacks what its record names", cause);
  });
  if (kernel.version !== manifest.kernel_version) throw unfit("its kernel's record is of another version");
  if (kernel.vmlinuzSha256 !== only(manifest, "kernel").sha256) throw unfit("its kernel's record is of another kernel");
  // What boots is made from agent and modules; the one that was signed must be what they come to.
  const agent = await readFile(pathOf(files, only(manifest, "agent")));
  const initramfs = createHash("sha256")
    .update(buildInitramfs({ agent, modules: kernel.modules }))
    .digest("hex");
  if (initramfs !== only(manifest, "initramfs").sha256)
    throw unfit("its initramfs is not made of its agent and modules");
  await placeKernel(home, staged, kernel.version);
  await rm(pathOf(files, only(manifest, "initramfs")));
}

function placeInKernel({ kind, name }: ReleaseAsset): string | undefined {
  if (kind === "kernel") return "vmlinuz";
  if (kind === "kernel_record") return "kernel.json";
  return kind === "kernel_module" ? join("modules", `${name ?? ""}.ko`) : undefined;
}

async function installImage(home: string, manifest: ReleaseManifest, files: Files, name: string): Promise<void> {
  const [image, recorded] = (["image", "image_record"] as const).map((kind) =>
    manifest.assets.find((asset) => asset.kind === kind && asset.name === name),
  ) as [ReleaseAsset, ReleaseAsset];
  const digest = `sha256:${image.sha256}`;
  const record = parseImageRecord(await readFile(pathOf(files, recorded), "utf8"), digest);
  if (record.size !== image.size) throw unfit(`the record of image ${name} is of another size`);
  const path = pathOf(files, image);
  await chmod(path, 0o444);
  await publishFile(path, join(imageLayout(home).images, `${digestHex(digest)}.erofs`));
  const store = openImageStore(home);
  const stated = manifest.assets.find((asset) => asset.kind === "image_provenance" && asset.name === name);
  // Before the image is there: what the packer stated stays what it says about it.
  if (stated !== undefined) await store.keepProvenance(digest, await readFile(pathOf(files, stated)));
  await store.register({ ...record, name });
  if (stated !== undefined) await rm(pathOf(files, stated));
  await rm(pathOf(files, recorded));
}

/** Last, since its record says that all the rest is there. */
async function installAgent(home: string, manifest: ReleaseManifest, files: Files): Promise<void> {
  const agent = only(manifest, "agent");
  const path = pathOf(files, agent);
  await chmod(path, 0o755);
  await publishFile(path, join(imageLayout(home).agents, agent.sha256));
  const { version, created_at } = manifest;
  const record: ReleaseRecord = { schema_version: 1, version, created_at, agent_sha256: agent.sha256 };
  await writeJsonDurably(join(home, recordFile), record);
}

function only(manifest: ReleaseManifest, kind: AssetKind): ReleaseAsset {
  return manifest.assets.find((asset) => asset.kind === kind) as ReleaseAsset;
}

function pathOf(files: Files, { file }: ReleaseAsset): string {
  return files.get(file) as string;
}

function unfit(reason: string, cause?: unknown): Error {
  return imageError("checksum", `Cannot use the release: ${reason}`, {
    hint: "Get the release again from whoever publishes it",
    cause,
  });
}
