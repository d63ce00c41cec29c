import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type MadeImage, sha256 } from "./make-image.js";

/** What a registry does with one request; `serve` is what it should do. */
export type Fault = (request: IncomingMessage, response: ServerResponse, serve: () => void) => void;

/** A registry on loopback that speaks the protocol, ranges and referrers included, until a test makes it do wrong. */
export class LoopbackRegistry {
  /** By tag or digest; one repository or many, all the same. */
  readonly manifests = new Map<string, Buffer>();
  readonly blobs = new Map<string, Buffer>();
  /** What refers to a digest, as the referrers API lists it; undefined: the registry has no such API. */
  referrers: Map<string, Buffer> | undefined;
  /** Paths below the repository that were asked for, with their ranges. */
  readonly asked: string[] = [];
  fault: Fault = (_request, _response, serve) => serve();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<LoopbackRegistry> {
    const server = createServer();
    const registry = new LoopbackRegistry(server);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const path = (request.url ?? "").replace(/^\/v2\/team\/tool\//, "");
      registry.asked.push(`${path} ${request.headers.range ?? ""}`.trim());
      registry.fault(request, response, () => registry.serve(request, response));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return registry;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Keeps all of an image, under its digest and a tag. */
  keep(image: MadeImage, tag = "1.0"): void {
    for (const [digest, bytes] of image.blobs) this.blobs.set(digest, bytes);
    this.manifests.set(tag, image.manifest).set(image.manifestDigest, image.manifest);
  }

  /** Keeps a document under its digest, and under a tag. Gives its digest. */
  keepManifest(document: Buffer, tag?: string): string {
    const digest = sha256(document);
    this.manifests.set(digest, document);
    if (tag !== undefined) this.manifests.set(tag, document);
    return digest;
  }

  keepBlob(bytes: Buffer): string {
    this.blobs.set(sha256(bytes), bytes);
    return sha256(bytes);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private serve({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(url, "http://registry");
    const [, kind, name = ""] = /^\/v2\/team\/tool\/(manifests|blobs|referrers)\/(.+)$/.exec(pathname) ?? [];
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const kept = { manifests: this.manifests, blobs: this.blobs, referrers: this.referrers };
    const bytes = kept[kind as keyof typeof kept]?.get(name);
    if (bytes === undefined) return void response.writeHead(404).end();
    if (from > 0) response.writeHead(206, { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
    response.end(bytes.subarray(from));
  }
}
