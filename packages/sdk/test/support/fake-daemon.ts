import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkdirSync } from "node:fs";

export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>;

/** A real HTTP server on a real Unix socket in a private state root, answering as a test wants. */
export interface FakeDaemon {
  readonly home: string;
  readonly server: Server;
  readonly requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: Buffer }[];
  /** Connections open now. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), "mvm-sdk-"));
  mkdirSync(join(home, "run"), { mode: 0o700 });
  return home;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** `raw` handlers read the body themselves. */
export async function fakeDaemon(handler: Handler, options: { raw?: boolean } = {}): Promise<FakeDaemon> {
  const home = temporaryHome();
  const requests: FakeDaemon["requests"] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = options.raw ? Buffer.alloc(0) : await bodyOf(request);
      requests.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
      await handler(request, response, body);
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((ready) => server.listen(join(home, "run", "mvmd.sock"), ready));
  return {
    home,
    server,
    requests,
    connections: () => new Promise((done) => server.getConnections((_, count) => done(count))),
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export function answer(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(document));
}

export function lines(response: ServerResponse, ...events: unknown[]): void {
  if (!response.headersSent) response.writeHead(200, { "content-type": "application/x-ndjson" });
  for (const event of events) response.write(`${JSON.stringify(event)}\n`);
}
