import { renameSync, rmSync, writeFileSync } from "node:fs";
import { type CreateRequest, InvalidArgumentError } from "@mvm/protocol";
import { canonicalWorkload, type Operation, recordedWorkload, workloadLimits } from "@mvm/protocol/recorded";
import { refusal, refuse } from "./mode.js";

/** Bytes of files and stdin that one recording holds: as base64 they grow by a third, and the document has 8 MiB at most. */
const contentBytes = (workloadLimits.bytes / 8) * 5;
const idPattern = /^[a-z][a-z0-9-]{0,62}$/;

let begun = false;

/** What a script does with its one sandbox. Written to `MVM_SDK_OUT_PATH` when the process ends well. */
export class Recording {
  readonly #request: CreateRequest;
  readonly #operations: Operation[] = [];
  #bytes = 0;
  #over: string | null = null;

  private constructor(request: CreateRequest) {
    this.#request = request;
  }

  /**
   * Begins the recording of this process, and removes the document of an earlier one.
   * @throws {RecordModeError} the request says what a workload cannot, or is the script's second
   */
  static begin(request: CreateRequest): Recording {
    const out = process.env["MVM_SDK_OUT_PATH"];
    if (out === undefined || out === "") {
      throw new InvalidArgumentError({
        message: "Cannot record the script: MVM_SDK_OUT_PATH does not say where to",
        hint: "Record it with `mvmctl run --mode record SCRIPT`, or set MVM_SDK_OUT_PATH to a file's path",
      });
    }
    checkRequest(request);
    const recording = new Recording(request);
    begun = true;
    rmSync(out, { force: true });
    process.once("exit", (code) => {
      if (code === 0) recording.#write(out);
    });
    return recording;
  }

  /** Keeps an operation. `bytes` are those of its content. */
  add(what: string, operation: Operation, bytes = 0): void {
    if (this.#over !== null) refuse(what, `${this.#over} before it`);
    this.#bytes += bytes;
    if (this.#bytes > contentBytes) {
      refuse(what, `the contents together have more than ${contentBytes} bytes`, "Build large files into the image");
    }
    if (this.#operations.length >= workloadLimits.operations) {
      refuse(what, `there are more than ${workloadLimits.operations} operations`);
    }
    this.#operations.push(operation);
  }

  /** Nothing can follow: a workload has no way to say it. `what` is a sentence's beginning. */
  end(what: string): void {
    this.#over ??= what;
  }

  #write(out: string): void {
    const refused = refusal();
    if (refused !== null) {
      // The script caught it and went on: what it would have done live is not known.
      process.stderr.write(`mvm: nothing is recorded: ${refused.message}\n`);
      process.exitCode = 64;
      return;
    }
    const half = `${out}.${process.pid}.part`;
    writeFileSync(half, canonicalWorkload(recordedWorkload(this.#request, this.#operations)), { flag: "wx" });
    renameSync(half, out);
  }
}

function checkRequest({ workload_id: id, detach, owner, tenant, env = {}, secrets = {} }: CreateRequest): void {
  if (begun) refuse("Sandbox.create", "the script made a sandbox before, and a workload is one sandbox");
  if (detach === true || owner !== undefined || tenant !== undefined) {
    refuse("Sandbox.create", "`detach`, `owner` and `tenant` are said by who starts a workload", "Leave them out");
  }
  if (id !== undefined && !idPattern.test(id)) {
    const form = 'a lower-case letter and up to 62 of a-z, 0-9 and "-"';
    refuse("Sandbox.create", `workloadId is not ${form}`);
  }
  if (Object.keys(secrets).some((variable) => Object.hasOwn(env, variable))) {
    refuse("Sandbox.create", "one variable is both in `env` and in `secrets`");
  }
}
