import { join } from "node:path";
import type { Socket } from "node:net";
import { deadline } from "@mvm/protocol";
import type { Machine, MachineExit, MachineIdentity } from "../backend.js";
import { captureMachine } from "./capture.js";
import { sockets } from "./command-line.js";
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

  /** Lets a machine run that another daemon left stopped, in the middle of saving it perhaps. */
  async goOn(): Promise<void> {
    const monitor = await this.monitor();
    const { status } = (await monitor.execute("query-status")) as { status?: string };
    if (status === "running") return;
    await monitor.execute("migrate_cancel").catch(() => undefined);
    await monitor.execute("cont");
  }

  async capture(target: string, options: { readonly disk: boolean }): Promise<{ memoryOffset: number }> {
    const monitor = await this.monitor();
    const { memoryMb } = this.identity;
    return await captureMachine({ monitor, directory: this.#directory, target, memoryMb, disk: options.disk });
  }

  async kill(): Promise<void> {
    await this.#process.kill();
    this.release();
  }

  release(): void {
    this.channel.destroy();
    this.console.destroy();
    void this.#monitor?.then(
      (monitor) => monitor.close(),
      () => undefined,
    );
    this.#monitor = undefined;
  }

  /** Connected on first use: a start does not pay for it. */
  monitor(): Promise<QmpClient> {
    this.#monitor ??= QmpClient.connect(join(this.#directory, sockets.qmp), deadline("qmp", this.identity.accel));
    return this.#monitor;
  }
}
