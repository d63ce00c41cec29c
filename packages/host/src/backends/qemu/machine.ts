import { join } from "node:path";
import type { Socket } from "node:net";
import { deadline, VmTransientError } from "@mvm/protocol";
import type { Machine, MachineExit, MachineIdentity } from "../backend.js";
import { abandonCapture, captureMachine } from "./capture.js";
import { sockets } from "./command-line.js";
import { connectWhenThere } from "./connect.js";
import type { QemuProcess } from "./process.js";
import { QmpClient } from "./qmp.js";

interface Parts {
  readonly process: QemuProcess;
  readonly identity: MachineIdentity;
  readonly directory: string;
  readonly channel: Socket;
  readonly console: Socket;
  readonly start: Machine["start"];
  readonly timings: Record<string, number>;
  readonly confinement: readonly string[];
  /** Where the start needed one already. */
  readonly monitor?: QmpClient | undefined;
}

/** A QEMU that runs: its process, its two byte streams, and a monitor that is connected when it is needed. */
export class QemuMachine implements Machine {
  readonly identity: MachineIdentity;
  readonly start: Machine["start"];
  readonly timings: Record<string, number>;
  readonly confinement: readonly string[];
  readonly channel: Socket;
  readonly console: Socket;
  readonly exited: Promise<MachineExit>;
  readonly #process: QemuProcess;
  readonly #directory: string;
  #monitor: Promise<QmpClient> | undefined;
  #shares: Socket | undefined;

  constructor(parts: Parts) {
    this.identity = parts.identity;
    this.start = parts.start;
    this.timings = parts.timings;
    this.confinement = parts.confinement;
    this.channel = parts.channel;
    this.console = parts.console;
    this.exited = parts.process.exited;
    this.#process = parts.process;
    this.#directory = parts.directory;
    this.#monitor = parts.monitor === undefined ? undefined : Promise.resolve(parts.monitor);
    void this.exited.then(() => this.release());
  }

  async pause(): Promise<void> {
    await (await this.monitor()).execute("stop");
  }

  async resume(): Promise<void> {
    await (await this.monitor()).execute("cont");
  }

  /** Ends what another daemon was doing with a machine, saving it perhaps, and lets it run unless it is to stay paused. */
  async takeOver(options: { readonly paused: boolean }): Promise<void> {
    await abandonCapture(await this.monitor(), this.#directory);
    if (!options.paused) await this.resume();
  }

  async capture(target: string, options: { readonly disk: boolean }): Promise<{ memoryOffset: number }> {
    const monitor = await this.monitor();
    const { memoryMb } = this.identity;
    return await captureMachine({ monitor, directory: this.#directory, target, memoryMb, disk: options.disk });
  }

  async openShares(): Promise<Socket> {
    const patience = deadline("restore", this.identity.accel);
    const socket = await connectWhenThere(join(this.#directory, sockets.shares), patience, () => false);
    if (socket === undefined) {
      throw new VmTransientError({ message: `Cannot share directories: QEMU's socket for them is not there` });
    }
    this.#shares?.destroy();
    this.#shares = socket;
    return socket;
  }

  async kill(): Promise<void> {
    await this.#process.kill();
    this.release();
  }

  release(): void {
    this.channel.destroy();
    this.console.destroy();
    this.#shares?.destroy();
    void this.#monitor?.then(
      (monitor) => monitor.close(),
      () => undefined,
    );
    this.#monitor = undefined;
  }

  /** Connected on first use: a start does not pay for it. */
  monitor(): Promise<QmpClient> {
    if (this.#monitor !== undefined) return this.#monitor;
    const connecting = QmpClient.connect(join(this.#directory, sockets.qmp), deadline("qmp", this.identity.accel));
    const forget = (): void => void (this.#monitor === connecting && (this.#monitor = undefined));
    // One that failed, or has closed, is made anew by the next who needs it.
    connecting.then(({ closed }) => closed.then(forget), forget);
    this.#monitor = connecting;
    return connecting;
  }
}
