import { createReadStream } from "node:fs";
import {
  BuildError,
  type CommandResult,
  type CreateRequest,
  deadline,
  type NetworkPolicyDocument,
} from "@mvm/protocol";
import { admit } from "../../admission/admit.js";
import type { Progress } from "../../backends/backend.js";
import { readFile } from "../../files/read.js";
import { GuestCommands } from "../../packages/guest-commands.js";
import { gatherFacts } from "../../sandboxes/admission-facts.js";
import { createSandbox } from "../../sandboxes/create.js";
import { destroySandbox } from "../../sandboxes/destroy.js";
import type { Sandbox } from "../../sandboxes/sandbox.js";
import type { Services } from "../../sandboxes/services.js";

export interface BuildMachineOptions {
  /** Name the result will have: the machine carries it as a tag. */
  readonly name: string;
  readonly image: string;
  readonly network: NetworkPolicyDocument;
  readonly size: Pick<CreateRequest, "cpu" | "memory_mb" | "disk_mb">;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * The machine a build runs in: an ordinary sandbox, admitted by policy like any other, with no way out but what the build
 * names. It holds no secret and ends with the build, or with the daemon.
 */
export class BuildMachine extends GuestCommands {
  private constructor(services: Services, sandbox: Sandbox, signal: AbortSignal) {
    const timeLeft = (): number => deadline("imageBuild");
    super(services, sandbox, { signal, timeLeft, failed: buildFailed, what: "build in" });
  }

  /** @throws {PolicyDenied} and whatever keeps a sandbox from starting */
  static async open(services: Services, options: BuildMachineOptions): Promise<BuildMachine> {
    const { name, image, network, size, signal, onProgress } = options;
    const request: CreateRequest = {
      image,
      // The narrowest profile that has what it needs.
      profile: network.allow.length === 0 ? "restrictive" : "standard",
      network,
      tags: { "mvm.build": name },
      ttl_seconds: Math.ceil(deadline("imageBuild") / 1000),
      ...size,
    };
    const admitted = await admit(request, await gatherFacts(services, false));
    const started = { signal, waitReady: true, ...(onProgress !== undefined && { onProgress }) };
    return new BuildMachine(services, await createSandbox(services, admitted, started), signal);
  }

  get imageDigest(): string {
    return this.sandbox.image.digest;
  }

  /**
   * Reads a file of the machine to its announced end; `take` gets at most `most` bytes, each piece with its place, and more of
   * them before it has finished with the first. @throws {BuildError} it is larger, or broke off
   */
  async get(path: string, most: number, take: (data: Uint8Array, at: number) => Promise<void>): Promise<number> {
    const abort = new AbortController();
    const signal = AbortSignal.any([this.signal, abort.signal]);
    let failed: unknown;
    let announced = 0;
    const fail = (error: unknown): void => {
      failed ??= error;
      abort.abort(error);
    };
    let bytes = 0;
    const pieces = new Set<Promise<void>>();
    const tooLarge = (): Error =>
      new BuildError({
        message: `Cannot take the image from its machine: it has more than ${most} bytes`,
        operation: "images.build",
      });
    try {
      await readFile(this.live, {
        path,
        signal,
        onOpen: ({ size }) => {
          announced = size;
          if (size > most) fail(tooLarge());
        },
        onData: async (data) => {
          const at = bytes;
          bytes += data.byteLength;
          if (failed !== undefined) return;
          if (bytes > most) return fail(tooLarge());
          const taken = take(data, at).catch(fail);
          pieces.add(taken);
          await taken;
          pieces.delete(taken);
        },
      });
    } catch (error) {
      throw failed instanceof Error ? failed : error;
    }
    await Promise.all(pieces);
    if (failed instanceof Error) throw failed;
    if (bytes !== announced) {
      throw new BuildError({
        message: "Cannot take the image from its machine: it broke off",
        operation: "images.build",
      });
    }
    return bytes;
  }

  /** Unpacks a tar of the host into a directory of the machine, new or not, with the machine's own tar. */
  async unpack(archive: string, directory: string, what: string): Promise<void> {
    const argv = ["/bin/sh", "-c", 'mkdir -p "$0" && cd "$0" && exec tar -xpf -', directory];
    await this.run({ argv, input: createReadStream(archive) }, what);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await destroySandbox(this.services, this.sandbox, "destroyed").catch((error: unknown) =>
      this.services.log.error({ sandbox: this.sandbox.id, err: (error as Error).message }, "build machine is left"),
    );
  }
}

/** Lines of output an error carries. */
const shownLines = 15;

export function buildFailed(what: string, ended: CommandResult): BuildError {
  const said = `${ended.stdout}\n${ended.stderr}`.split("\n").filter((line) => line.trim() !== "");
  const how = ended.timedOut ? "it took too long" : `exit code ${ended.exitCode}`;
  return new BuildError({
    message: [`Cannot finish ${what}: ${how}`, ...said.slice(-shownLines)].join("\n"),
    hint: "Its output says why; nothing of this build is kept",
    operation: "images.build",
  });
}
