import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./home.js";

export interface DockerRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Keeps these bytes as a blob of the repository. */
  pushBlob(repository: string, bytes: Buffer): Promise<void>;
  /** Keeps a manifest or an index under a tag or its digest; what it names must be there. Gives its digest. */
  pushManifest(repository: string, reference: string, manifest: Buffer): Promise<string>;
  /** Keeps all of an image. Gives its digest. */
  push(repository: string, reference: string, image: PushedImage): Promise<string>;
  stop(): Promise<void>;
}

export interface PushedImage {
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  readonly manifest: Buffer;
}

export const ociManifest = "application/vnd.oci.image.manifest.v1+json";
export const ociIndex = "application/vnd.oci.image.index.v1+json";

/** Who may use a registry with a lock, as `mvmctl secret put` takes it: the colon belongs to the password. */
export const login = "ann:pass:word";
/** bcrypt, the one form that docker-registry reads, of the same password. */
const htpasswd = "ann:$2b$04$68Q/QVesKu05XI6imkAnDeqhgHZ.wIRw1RPHR.mQAgjffDzoaSjai\n";

/** Debian's docker-registry on a port of this host that was free, with a store of its own. */
export async function startDockerRegistry({ locked = false } = {}): Promise<DockerRegistry> {
  const program = execFileSync(join(root, "scripts/docker-registry.sh"), { encoding: "utf8" }).trim();
  const directory = mkdtempSync(join(tmpdir(), "mvm-docker-registry-"));
  writeFileSync(join(directory, "htpasswd"), htpasswd);
  const settings = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
    http: { addr: "127.0.0.1:0", secret: "of this test" },
    ...(locked && { auth: { htpasswd: { realm: "test", path: join(directory, "htpasswd") } } }),
  };
  const file = join(directory, "settings.json");
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify(settings));
  const child = spawn(program, ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const host = await addressOf(child.stderr).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { host, stop, ...pusher(host, locked) };
}

async function addressOf(log: NodeJS.ReadableStream): Promise<string> {
  const said: string[] = [];
  const lines = createInterface({ input: log });
  return await new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      said.push(line);
      // Read on to the end: a log that nobody reads would stop who writes it.
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    lines.once("close", () => reject(new Error(`docker-registry has ended: ${said.join("\n")}`)));
  });
}

function pusher(host: string, locked: boolean): Pick<DockerRegistry, "push" | "pushBlob" | "pushManifest"> {
  const authorization = locked ? { authorization: `Basic ${Buffer.from(login).toString("base64")}` } : {};
  const ask = async (method: string, url: URL, type?: string, body?: Buffer): Promise<Response> => {
    const headers = { ...authorization, ...(type !== undefined && { "content-type": type }) };
    const answer = await fetch(url, { method, headers, ...(body && { body: new Uint8Array(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${url.href}: ${answer.status} ${text}`);
    return answer;
  };
  const base = (repository: string): string => `http://${host}/v2/${repository}`;
  const pushBlob = async (repository: string, bytes: Buffer): Promise<void> => {
    const begun = await ask("POST", new URL(`${base(repository)}/blobs/uploads/`));
    const place = new URL(begun.headers.get("location") ?? "", base(repository));
    place.searchParams.set("digest", digestOf(bytes));
    await ask("PUT", place, "application/octet-stream", bytes);
  };
  const pushManifest = async (repository: string, reference: string, manifest: Buffer): Promise<string> => {
    const { mediaType } = JSON.parse(manifest.toString()) as { mediaType: string };
    await ask("PUT", new URL(`${base(repository)}/manifests/${reference}`), mediaType, manifest);
    return digestOf(manifest);
  };
  return {
    pushBlob,
    pushManifest,
    push: async (repository, reference, { config, layers, manifest }) => {
      for (const blob of [config, ...layers]) await pushBlob(repository, blob);
      return await pushManifest(repository, reference, manifest);
    },
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
