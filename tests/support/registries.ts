import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Small real servers of the kinds that programs install from, each under its own name. */
export interface Registries {
  /** By the Host header: `pypi.test`, `npm.test`, `git.test`. */
  readonly listener: RequestListener;
  remove(): void;
}

export function makeRegistries(): Registries {
  const directory = mkdtempSync(join(tmpdir(), "mvm-registries-"));
  const wheel = makeWheel(directory);
  const tarball = makeTarball(directory);
  const repositories = makeRepository(directory);
  const byHost: Record<string, RequestListener> = {
    "pypi.test": (request, response) => servePython(wheel, request, response),
    "npm.test": (request, response) => serveNpm(tarball, request, response),
    "git.test": (request, response) => serveGit(repositories, request, response),
  };
  return {
    listener: (request, response) => {
      const serve = byHost[request.headers.host ?? ""];
      if (serve === undefined) response.writeHead(404).end();
      else serve(request, response);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const wheelName = "tiny-1.0-py3-none-any.whl";

/** A package whose one module says where it came from. */
function makeWheel(directory: string): Buffer {
  const info = join(directory, "wheel", "tiny-1.0.dist-info");
  mkdirSync(info, { recursive: true });
  writeFileSync(join(directory, "wheel", "tiny.py"), 'origin = "a local index"\n');
  writeFileSync(join(info, "METADATA"), "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n");
  writeFileSync(join(info, "WHEEL"), "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
  writeFileSync(join(info, "RECORD"), "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\n");
  const out = join(directory, wheelName);
  execFileSync("python3", ["-m", "zipfile", "-c", out, "tiny.py", "tiny-1.0.dist-info"], {
    cwd: join(directory, "wheel"),
  });
  return readFileSync(out);
}

function servePython(wheel: Buffer, { url = "" }: IncomingMessage, response: ServerResponse): void {
  if (url === "/simple/tiny/") {
    const sha256 = createHash("sha256").update(wheel).digest("hex");
    response.setHeader("content-type", "text/html");
    response.end(`<a href="/files/${wheelName}#sha256=${sha256}">${wheelName}</a>`);
  } else if (url === `/files/${wheelName}`) response.end(wheel);
  else response.writeHead(404).end();
}

function makeTarball(directory: string): Buffer {
  const module = join(directory, "npm", "package");
  mkdirSync(module, { recursive: true });
  writeFileSync(join(module, "package.json"), JSON.stringify({ name: "tiny", version: "1.0.0", main: "tiny.js" }));
  writeFileSync(join(module, "tiny.js"), 'module.exports = "a local registry";\n');
  execFileSync("tar", ["-czf", "tiny.tgz", "package"], { cwd: join(directory, "npm") });
  return readFileSync(join(directory, "npm", "tiny.tgz"));
}

function serveNpm(tarball: Buffer, { url = "" }: IncomingMessage, response: ServerResponse): void {
  if (url === "/tiny/-/tiny-1.0.0.tgz") return void response.end(tarball);
  if (url !== "/tiny") return void response.writeHead(404).end("{}");
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const dist = { tarball: "https://npm.test/tiny/-/tiny-1.0.0.tgz", integrity };
  const version = { name: "tiny", version: "1.0.0", main: "tiny.js", dist };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name: "tiny", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version } }));
}

/** A directory of bare repositories; `project.git` has one commit. */
function makeRepository(directory: string): string {
  const work = join(directory, "work");
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.test"];
  const git = (...args: string[]): Buffer => execFileSync("git", [...identity, ...args], { cwd: work, stdio: "pipe" });
  mkdirSync(work);
  git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(work, "README"), "from a local git server\n");
  git("add", "README");
  git("commit", "--quiet", "--message=one");
  const repositories = join(directory, "git");
  mkdirSync(repositories);
  cpSync(join(work, ".git"), join(repositories, "project.git"), { recursive: true });
  execFileSync("git", ["config", "core.bare", "true"], { cwd: join(repositories, "project.git") });
  return repositories;
}

/** git's own server program, which speaks CGI. */
function serveGit(repositories: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? "/", "https://git.test");
  const child = spawn("git", ["-c", "safe.directory=*", "http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: repositories,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      CONTENT_LENGTH: request.headers["content-length"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => undefined);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.once("close", () => {
    const answer = Buffer.concat(chunks);
    const end = answer.indexOf("\r\n\r\n");
    for (const line of answer.subarray(0, end).toString("latin1").split("\r\n")) {
      const [name = "", value = ""] = line.split(/: (.*)/s);
      if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(answer.subarray(end + 4));
  });
}
