import { limits } from "@mvm/protocol";
import { absoluteGuestPath, commandOperation } from "@mvm/protocol/recorded";
import { DaemonClient } from "../client/index.js";
import { Commands } from "../commands/commands.js";
import type { Command, RunOptions, StartOptions } from "../commands/options.js";
import type { Process } from "../commands/process.js";
import { runRequest } from "../commands/run.js";
import { startRequest } from "../commands/start.js";
import { Files } from "../files/files.js";
import { contentOf, type FileContent, type WriteOptions, type Written, writeQuery } from "../files/write.js";
import { type ForwardOptions, forwardedPort, forwardRequest, type PortForward, Ports } from "../ports/ports.js";
import type { SandboxInfo } from "../sandbox/info.js";
import type { CreateOptions } from "../sandbox/options.js";
import { createRequest } from "../sandbox/request.js";
import type { Target } from "../sandbox/target.js";
import { refuse } from "./mode.js";
import { Recording } from "./recording.js";
import { unread } from "./unread.js";

/** The parts of a handle whose sandbox is recorded instead of made. */
export interface RecordedSandbox {
  readonly client: DaemonClient;
  readonly info: SandboxInfo;
  readonly commands: Commands;
  readonly files: Files;
  readonly ports: Ports;
  readonly recording: Recording;
}

/** Begins the recording of the script's one sandbox. */
export function recordSandbox(options: CreateOptions): RecordedSandbox {
  const request = createRequest(options);
  const recording = Recording.begin(request);
  const client = new RefusingClient(options);
  const target = { client, id: "recorded" };
  return {
    client,
    info: unread<SandboxInfo>("the sandbox", { name: request.name ?? null }),
    commands: new RecordedCommands(target, recording),
    files: new RecordedFiles(target, recording),
    ports: new RecordedPorts(target, recording),
    recording,
  };
}

/** Whatever is not recorded ends here: a call that reached a daemon would do what was only to be written down. */
class RefusingClient extends DaemonClient {
  override start = refuseCall;
  override json = refuseCall;
  override stream = refuseCall;
  override raw = refuseCall;
}

function refuseCall(call?: { readonly operation: string } | AbortSignal): Promise<never> {
  return new Promise(() => refuse(call !== undefined && "operation" in call ? call.operation : "the call", nowhere));
}
const nowhere = "a workload has no place for it";

class RecordedCommands extends Commands {
  readonly #recording: Recording;

  constructor(target: Target, recording: Recording) {
    super(target);
    this.#recording = recording;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- rejects, as the live one does
  override async run(command: Command, options: RunOptions = {}) {
    const { stream, ...request } = runRequest(command, options);
    if (stream === true) refuse("commands.run", "`onStdout` and `onStderr` wait for output that no guest produces");
    if (request.stdin === "pipe") {
      refuse("commands.run", `stdin is not text or bytes of at most ${limits.stdinDataBytes} bytes`);
    }
    options.signal?.throwIfAborted();
    this.#add("commands.run", { ...request, check: options.check ?? false });
    return unread<Awaited<ReturnType<Commands["run"]>>>("the result of commands.run");
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- rejects, as the live one does
  override async start(command: Command, options: StartOptions = {}) {
    const request = startRequest(command, options);
    if (request.pty !== undefined) refuse("commands.start", "a workload has no terminal");
    options.signal?.throwIfAborted();
    this.#add("commands.start", request);
    return unread<Process>("the process of commands.start");
  }

  #add(what: "commands.run" | "commands.start", request: ReturnType<typeof runRequest> & { check?: boolean }): void {
    if (request.spill !== undefined)
      refuse(what, "`spill` has no place in a workload", "Let the command write the file");
    const bytes = Buffer.byteLength(request.stdin_data ?? "", "base64");
    if (what === "commands.start") return this.#recording.add(what, commandOperation("command_start", request));
    const operation = { ...commandOperation("command_run", request), check: request.check ?? false };
    this.#recording.add(what, operation, bytes);
  }
}

class RecordedFiles extends Files {
  readonly #recording: Recording;

  constructor(target: Target, recording: Recording) {
    super(target);
    this.#recording = recording;
  }

  override async write(path: string, content: FileContent, options: WriteOptions = {}): Promise<Written> {
    const { path: checked, mode, mtime_ms, exclusive, append } = writeQuery(path, options);
    if (mtime_ms !== undefined || exclusive === true || append === true) {
      refuse("files.write", "`modifiedAt`, `exclusive` and `append` have no place in a workload");
    }
    options.signal?.throwIfAborted();
    const bytes = await wholeOf(content);
    this.#recording.add(
      "files.write",
      {
        kind: "files_write",
        path: absoluteGuestPath(checked),
        bytes_b64: bytes.toString("base64"),
        ...(mode !== undefined && { mode }),
      },
      bytes.length,
    );
    return unread("the result of files.write");
  }
}

/** All of it, up to what a recording can hold. */
async function wholeOf(content: FileContent): Promise<Buffer> {
  const body = contentOf(content);
  if (typeof body !== "function") return Buffer.from(body);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body()) {
    const piece = Buffer.from(chunk as Uint8Array | string);
    bytes += piece.length;
    if (bytes > limits.requestBodyBytes)
      refuse("files.write", `the content has more than ${limits.requestBodyBytes} bytes`);
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

class RecordedPorts extends Ports {
  readonly #recording: Recording;

  constructor(target: Target, recording: Recording) {
    super(target);
    this.#recording = recording;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- rejects, as the live one does
  override async forward(options: ForwardOptions): Promise<PortForward> {
    const { host_port: host, guest_port: guest, host_address } = forwardRequest(options);
    options.signal?.throwIfAborted();
    const address = host_address === undefined ? {} : { host_address };
    this.#recording.add("ports.forward", { kind: "port_forward", guest, host, proto: "tcp", ...address });
    // It stays as long as the workload runs, so that closing it can only be the last thing.
    const close = (): Promise<void> => {
      this.#recording.end("a forwarded port was closed");
      return Promise.resolve();
    };
    const ends = { host_address: host_address ?? "127.0.0.1", host_port: host, guest_port: guest };
    const { guestPort, hostAddress, ...chosen } = forwardedPort(ends);
    const known = { guestPort, hostAddress, ...(host !== 0 && chosen), close, [Symbol.asyncDispose]: close };
    return unread<PortForward>("the forwarded port", known);
  }
}
