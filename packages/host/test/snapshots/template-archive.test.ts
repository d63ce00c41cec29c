import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import { BackendUnsupported, SnapshotMismatchError, type TemplateFacts } from "@mvm/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { dataRanges } from "../../src/backends/qemu/disks.js";
import type { TemplateFiles } from "../../src/backends/qemu/paths.js";
import { requireSameFacts } from "../../src/backends/qemu/template-facts.js";
import { type TemplateHost, templateInputs } from "../../src/backends/qemu/template-inputs.js";
import { QemuTemplateMoves } from "../../src/backends/qemu/template-moves.js";
import { TemplateStore } from "../../src/backends/qemu/template-store.js";
import type { Services } from "../../src/sandboxes/services.js";
import { prepareTemplateExport } from "../../src/snapshots/archive/export-template.js";
import { importSnapshot } from "../../src/snapshots/archive/import-snapshot.js";
import { importTemplate } from "../../src/snapshots/archive/import-template.js";
import { chunkBytes } from "../../src/snapshots/digest.js";
import { homeLayout } from "../../src/store/layout.js";
import { temporaryHome } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import { entriesOf, archiveOf, rewrite } from "./pieces.js";

const never = new AbortController().signal;
const memory = randomBytes(70_000);
const shape = { accel: "tcg", cpus: 1, memoryMb: 16, diskMb: 16 } as const;
const image = { name: "python", digest: `sha256:${"b".repeat(64)}` };
/** Programs in place of QEMU's and of the agent's, which measures the time stamp counter: the build is its bytes. */
const programs = mkdtempSync(join(tmpdir(), "programs-"));
const qemu = join(programs, "qemu");
writeFileSync(qemu, "one build");
function agent(khz: number): string {
  const path = join(programs, `agent-${khz}`);
  writeFileSync(path, `#!/bin/sh\necho ${khz}\n`, { mode: 0o755 });
  return path;
}

const usual: TemplateHost = {
  qemu: { path: qemu, version: "10.0.2", size: 9, mtimeMs: 1000 },
  features: { seccomp: true, ioUring: false },
  boot: {
    ...{ kernel: "/kernel", initramfs: "/initramfs", agent: agent(2_000_000) },
    ...{ kernelSha256: "c".repeat(64), initramfsSha256: "d".repeat(64) },
  },
  warmUp: (name) => [["/bin/true", name]],
};

interface Host {
  readonly services: Services;
  readonly store: TemplateStore;
  readonly offers: TemplateHost;
  readonly templates: string;
}

/** A state root with what moving templates needs of a daemon. */
function host(offers: TemplateHost = usual, images = [image]): Host {
  const home = homeLayout(temporaryHome());
  const store = new TemplateStore(home.root);
  const templates = new QemuTemplateMoves(home.root, store, () => Promise.resolve(offers));
  const records = images.map((record) => ({ record }));
  const services = {
    home,
    backends: [{ ...processBackend(), dataRanges, templates } as Backend],
    images: { list: () => Promise.resolve(records), inspect: () => Promise.resolve(records[0]) },
  } as unknown as Services;
  return { services, store, offers, templates: join(home.root, "templates") };
}

/** Makes a template of sparse parts, as one is left by a boot. */
async function make({ store, offers }: Host, size: Partial<typeof shape> = {}): Promise<string> {
  const { key } = await store.ensure(templateInputs({ ...shape, ...size, image }, offers), (files) => {
    for (const [path, content] of contentOf(files)) {
      writeFileSync(path, content);
      truncateSync(path, 3 * chunkBytes + 17);
    }
    return Promise.resolve();
  });
  return key;
}
const contentOf = (files: TemplateFiles): [string, Buffer][] => [
  [files.ram, memory],
  ...[files.state, files.disk, files.overlay].map((path): [string, Buffer] => [path, Buffer.from(path.slice(-4))]),
];

async function exported({ services }: Host, ref = "python"): Promise<{ archive: Buffer; digest: string }> {
  const prepared = await prepareTemplateExport(services, ref, never);
  const out = new PassThrough();
  const chunks: Buffer[] = [];
  out.on("data", (chunk: Buffer) => chunks.push(chunk));
  await prepared.write(out);
  return { archive: Buffer.concat(chunks), digest: prepared.digest };
}
const publicKey = ({ services }: Host) => readFileSync(`${services.home.exportKey}.pub`, "utf8");
const imported = ({ services }: Host, archive: Buffer, key?: string) =>
  importTemplate(services, Readable.from([archive]), { key, signal: never });

let one: Host;
let key: string;
let archive: Buffer;
let digest: string;
beforeEach(async () => {
  one = host();
  key = await make(one);
  ({ archive, digest } = await exported(one));
});

/** Nothing of a refused archive is left. */
async function refused(bytes: Buffer, to = host(), trusted: string | null = publicKey(one)) {
  const error = await imported(to, bytes, trusted ?? undefined).then(
    () => undefined,
    (thrown: Error & { code?: string; context?: unknown }) => thrown,
  );
  expect(error, "it is refused").toBeDefined();
  expect(existsSync(to.templates) ? readdirSync(to.templates) : []).toEqual([]);
  return error!;
}

describe("a template that is moved", () => {
  it("X-13 is found by the next start on a host that trusts the key, whenever that has installed the same QEMU", async () => {
    const two = host({ ...usual, qemu: { ...usual.qemu, mtimeMs: 2000 } });
    const result = await imported(two, archive, publicKey(one));
    const found = await two.store.find(templateInputs({ ...shape, image }, two.offers));
    expect(found?.key, "a key of its own: it depends on the time of that QEMU").not.toBe(key);
    expect(result).toEqual({
      template: { key: found?.key, image, accel: "tcg", cpu: 1, memory_mb: 16, disk_mb: 16 },
      digest,
    });
    for (const [path, content] of contentOf(found!.files)) {
      expect(readFileSync(path).subarray(0, content.length).equals(content)).toBe(true);
      expect(statSync(path)).toMatchObject({ size: 3 * chunkBytes + 17 });
      expect(statSync(path).mode & 0o777).toBe(0o444);
    }
    expect(statSync(found!.files.ram).blocks * 512, "and as sparse").toBeLessThan(2 * chunkBytes);
    // What was imported can be handed on, and is the same.
    expect(JSON.parse((await entriesOf((await exported(two)).archive))[0]!.content.toString())).toEqual(
      JSON.parse((await entriesOf(archive))[0]!.content.toString()),
    );
  });

  it("takes the place of the one that is there, and is made anew when QEMU is rebuilt afterwards", async () => {
    const { files } = (await one.store.find(templateInputs({ ...shape, image }, usual)))!;
    const before = statSync(files.ram).ino;
    expect((await imported(one, archive)).template.key).toBe(key);
    expect(statSync(files.ram).ino).not.toBe(before);
    expect(readdirSync(one.templates)).toEqual([key]);
    const rebuilt = { ...usual, qemu: { ...usual.qemu, mtimeMs: 3000 } };
    expect(await one.store.find(templateInputs({ ...shape, image }, rebuilt))).toBeUndefined();
  });

  it("is named by its key where the image has several, and refused where there is none", async () => {
    const larger = await make(one, { memoryMb: 32 as never });
    const several = await exported(one).catch((error: Error) => error);
    expect(several).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(larger) });
    expect((await exported(one, key)).digest).toBe(digest);
    await expect(exported(one, "0".repeat(32))).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
    await expect(exported(host())).rejects.toThrow("none that machines start from now");
  });

  it.each<[keyof TemplateFacts, TemplateHost | typeof image, new (...args: never[]) => Error]>([
    ["qemu_version", { ...usual, qemu: { ...usual.qemu, version: "10.1.0" } }, BackendUnsupported],
    ["qemu_sha256", { ...usual, qemu: { ...usual.qemu, path: agent(1) } }, BackendUnsupported],
    ["tsc_khz", { ...usual, boot: { ...usual.boot, agent: agent(2_500_000) } }, BackendUnsupported],
    ["kernel_sha256", { ...usual, boot: { ...usual.boot, kernelSha256: "e".repeat(64) } }, SnapshotMismatchError],
    ["initramfs_sha256", { ...usual, boot: { ...usual.boot, initramfsSha256: "e" } }, SnapshotMismatchError],
    ["boot_line_sha256", { ...usual, features: { seccomp: false, ioUring: false } }, SnapshotMismatchError],
    ["warm_up_sha256", { ...usual, warmUp: () => [] }, SnapshotMismatchError],
  ])("X-04 is refused by name where %s is another, before any of its chunks is read", async (field, offers, kind) => {
    const head = await rewrite(archive, (name, content) => (name.includes("/") ? null : content));
    const error = await refused(head, host(offers as TemplateHost));
    expect(error).toBeInstanceOf(kind);
    expect(error.context).toMatchObject({ difference: field });
  });

  it("every fact it depends on is compared, and two measurements of one counter are the same", async () => {
    const { template } = JSON.parse((await entriesOf(archive))[0]!.content.toString()) as { template: TemplateFacts };
    requireSameFacts(template, template);
    requireSameFacts({ ...template, tsc_khz: 2_000_900 }, template);
    for (const field of Object.keys(template) as (keyof TemplateFacts)[]) {
      const other = { ...template, [field]: typeof template[field] === "number" ? template[field] * 2 : "another" };
      expect(() => requireSameFacts(other as TemplateFacts, template)).toThrow(
        expect.objectContaining({ context: expect.objectContaining({ difference: field }) }),
      );
    }
  });

  it("is refused where its image is not, and the other kind of archive by its kind", async () => {
    const elsewhere = await refused(archive, host(usual, []));
    expect(elsewhere).toMatchObject({ code: "ASSET_NOT_FOUND", message: expect.stringContaining(image.digest) });
    const asSnapshot = importSnapshot(one.services, Readable.from([archive]), { signal: never });
    await expect(asSnapshot).rejects.toMatchObject({
      code: "SNAPSHOT_MISMATCH",
      hint: expect.stringContaining("--template"),
    });
    expect((await refused(await signedAnew({ archive_version: 1, parts: [] }), host(), signer.der)).message).toContain(
      "a snapshot",
    );
  });

  it("X-13 is believed from a trusted key only, as it was signed", async () => {
    expect((await refused(archive, host(), null)).message).toContain("a key that is not trusted");
    const stranger = host();
    await make(stranger);
    await exported(stranger);
    expect((await refused(archive, host(), publicKey(stranger))).message).toContain("a key that is not trusted");
    const changed = await rewrite(archive, (name, content) =>
      name === "contents.json" ? Buffer.from(content.toString().replace('"cpu":1', '"cpu":2')) : content,
    );
    expect((await refused(changed)).message).toContain("not of these contents");
  });

  it.each<[string, (name: string, content: Buffer) => Buffer | null]>([
    ["a flipped byte", (name, content) => (name === "ram/0" ? flipped(content) : content)],
    ["a chunk of zeros", (name, content) => (name === "ram/0" ? deflateRawSync(Buffer.alloc(chunkBytes)) : content)],
    ["no chunk", (name, content) => (name === "state/0" ? null : content)],
    [
      "a chunk that inflates to far more",
      (name, content) => (name === "ram/0" ? deflateRawSync(Buffer.alloc(2 ** 26)) : content),
    ],
  ])("X-03 with %s it is refused and leaves nothing", async (_what, change) => {
    expect(await refused(await rewrite(archive, change))).toBeInstanceOf(SnapshotMismatchError);
  });

  it("X-03 with two parts swapped, or cut short anywhere, it is refused and leaves nothing", async () => {
    const all = await entriesOf(archive);
    const [state, disk] = ["state/0", "disk.raw/0"].map((name) => all.find((entry) => entry.name === name)!);
    const swapped = all.map((entry) => {
      const content = entry === state ? disk!.content : entry === disk ? state!.content : entry.content;
      return { name: entry.name, content };
    });
    expect((await refused(await archiveOf(swapped))).message).toContain('"state" has not its digest');
    const end = archive.length - 1024;
    for (const at of [0, 511, 512, 5000, Math.floor(end / 2), end - 1]) {
      expect(await refused(archive.subarray(0, at)), `cut at ${at}`).toBeInstanceOf(SnapshotMismatchError);
    }
  });

  it.each<
    [string, (contents: { parts: { name: string; bytes: number }[]; template: Record<string, unknown> }) => void]
  >([
    ["a part of another name", ({ parts }) => (parts[0]!.name = "../ram")],
    ["a part of a terabyte", ({ parts }) => (parts[0]!.bytes = 2 ** 40)],
    ["a part less", ({ parts }) => void parts.pop()],
    ["a fact more", ({ template }) => (template["more"] = 1)],
    ["a fact less", ({ template }) => delete template["qemu_sha256"]],
  ])("even signed, an archive with %s is refused", async (_what, change) => {
    const contents = JSON.parse((await entriesOf(archive))[0]!.content.toString());
    change(contents);
    const error = await refused(await signedAnew(contents), host(), signer.der);
    expect(error).toBeInstanceOf(SnapshotMismatchError);
  });

  it("whose client goes away leaves nothing, and what a killed daemon had of it is swept", async () => {
    const two = host();
    const gone = new AbortController();
    const body = new PassThrough();
    const importing = importTemplate(two.services, body, { key: publicKey(one), signal: gone.signal });
    importing.catch(() => undefined);
    body.write(archive.subarray(0, archive.length - 70_000));
    // It is being written by now: the state that a kill would leave.
    while (!existsSync(two.templates) || readdirSync(two.templates).length === 0) await turn();
    const [half] = readdirSync(two.templates);
    expect(half).toMatch(/^\.making-/);
    expect(await two.store.find(templateInputs({ ...shape, image }, usual))).toBeUndefined();
    cpSync(join(two.templates, half!), join(two.templates, `${half}-killed`), { recursive: true });
    gone.abort(new Error("the client is gone"));
    await expect(importing).rejects.toThrow("the client is gone");
    expect(readdirSync(two.templates)).toEqual([`${half}-killed`]);
    await new TemplateStore(two.services.home.root).sweep();
    expect(readdirSync(two.templates)).toEqual([]);
  });
});

const signer = (() => {
  const pair = generateKeyPairSync("ed25519");
  return { ...pair, der: pair.publicKey.export({ type: "spki", format: "der" }).toString("base64") };
})();

/** An archive of these contents that a key signed which the importing host is told to trust. */
async function signedAnew(contents: object): Promise<Buffer> {
  const bytes = Buffer.from(JSON.stringify(contents));
  const signed = Buffer.concat([Buffer.from("mvm-snapshot-archive-v1\0", "latin1"), bytes]);
  const signature = JSON.stringify({
    public_key: signer.der,
    signature: sign(null, signed, signer.privateKey).toString("base64"),
  });
  const rest = (await entriesOf(archive)).slice(2).map(({ name, content }) => ({ name, content }));
  const head = [
    { name: "contents.json", content: bytes },
    { name: "signature.json", content: Buffer.from(signature) },
  ];
  return await archiveOf([...head, ...rest]);
}

function flipped(content: Buffer): Buffer {
  const changed = Buffer.from(content);
  changed[100]! ^= 1;
  return changed;
}
