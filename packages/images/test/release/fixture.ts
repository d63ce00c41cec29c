import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createReadStream, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { makeImageLayout } from "../../src/layout.js";
import { packRelease, trustOfKey, type ReleaseManifest, type ReleaseTrust } from "../../src/release/index.js";
import { openImageStore } from "../../src/store.js";
import { temporaryHome } from "../temporary-home.js";
import { wantedModules } from "../../src/kernel-modules.js";

/** Large enough to be cut in the middle. */
export const imageBytes = Buffer.alloc(3 << 20, "an image ");

export interface Packed {
  home: string;
  folder: string;
  privateKey: string;
  trust: ReleaseTrust;
  manifest: ReleaseManifest;
}

/** A state root with a small kernel and image of its own, packed into a folder and signed. */
export async function packed(version = "1.0.0"): Promise<Packed> {
  const home = await temporaryHome();
  const layout = await makeImageLayout(home);
  const kernel = join(layout.kernels, "6.1.0");
  await mkdir(join(kernel, "modules"), { recursive: true });
  await writeFile(join(kernel, "modules", "erofs.ko"), "module");
  await writeFile(join(kernel, "vmlinuz"), "kernel");
  const record = {
    schema_version: 1,
    version: "6.1.0",
    suite: "trixie",
    packages: [],
    wanted: wantedModules,
    order: ["erofs"],
  };
  await writeFile(join(kernel, "kernel.json"), JSON.stringify({ ...record, vmlinuz_sha256: sha256("kernel") }));
  const digest = `sha256:${sha256(imageBytes)}` as const;
  await writeFile(join(layout.images, `${sha256(imageBytes)}.erofs`), imageBytes);
  await openImageStore(home).register({
    ...{ schema_version: 1, name: "tiny", digest, size: imageBytes.length, suite: "trixie", architecture: "amd64" },
    ...{ created_at: "2026-01-01T00:00:00Z", packages: [], sources: [] },
  });
  await openImageStore(home).keepProvenance(digest, "a statement");
  const agentPath = join(home, "agent");
  await writeFile(agentPath, "the agent");
  const privateKey = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  const folder = join(home, "release");
  const { manifest, publicKey } = await packRelease({ home, folder, agentPath, images: ["tiny"], version, privateKey });
  return { home, folder, privateKey, trust: trustOfKey(publicKey), manifest };
}

/** What a server does with one request; false lets it answer as it should. */
export type Fault = (request: IncomingMessage, response: ServerResponse, file: string) => boolean;

/** A plain file server with ranges, on loopback. */
export async function serve(folder: string, fault: Fault = () => false): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    const file = decodeURIComponent((request.url ?? "/").slice(1));
    requests.push(`${file} ${request.headers.range ?? ""}`.trim());
    if (fault(request, response, file)) return;
    sendFile(join(folder, file), request.headers.range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests };
}

function sendFile(path: string, range: string | undefined, response: ServerResponse): void {
  if (!existsSync(path)) {
    response.writeHead(404).end();
    return;
  }
  const { size } = statSync(path);
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  if (from > 0) response.writeHead(206, { "content-range": `bytes ${from}-${size - 1}/${size}` });
  createReadStream(path, { start: from }).pipe(response);
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
