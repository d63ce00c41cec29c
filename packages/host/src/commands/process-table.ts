import { SandboxUnavailable } from "@mvm/protocol";
import { CommandCounts } from "./counts.js";
import type { Process } from "./process.js";

/** Ended background commands whose output and result can still be read. */
const keptEnds = 64;

/** The commands of one sandbox by the guest's process id. */
export class ProcessTable {
  private readonly byPid = new Map<number, Process>();
  private readonly all = new Set<Process>();
  /** Their numbers, for metrics. */
  readonly counts = new CommandCounts();

  /** Follows a command until it ends; a background one stays for late readers. */
  track(process: Process): void {
    this.all.add(process);
    void process.started.then((pid) => {
      if (pid !== null && !process.over) this.byPid.set(pid, process);
    });
    const pid = process.pid;
    if (pid !== null) this.byPid.set(pid, process);
    process.events.once("end", () => this.onEnd(process));
  }

  /** @throws {SandboxUnavailable} code PROCESS_NOT_FOUND */
  get(pid: number, operation: string): Process {
    const process = this.byPid.get(pid);
    if (process !== undefined) return process;
    throw new SandboxUnavailable({
      code: "PROCESS_NOT_FOUND",
      message: `Cannot find process ${pid} in the sandbox: none of its commands has that id`,
      operation,
      context: { pid },
    });
  }

  find(pid: number): Process | undefined {
    return this.byPid.get(pid);
  }

  running(): Process[] {
    return [...this.all].filter((process) => !process.over);
  }

  /** Running commands that outlive the connection which started them. */
  backgroundPids(): number[] {
    return this.running().flatMap(({ background, pid }) => (background && pid !== null ? [pid] : []));
  }

  /** The machine is gone: nothing of it can be read any more. */
  close(): void {
    this.byPid.clear();
    this.all.clear();
  }

  private onEnd(process: Process): void {
    void this.counts.end(process);
    if (!process.background) this.drop(process);
    const ended = [...this.all].filter(({ over }) => over);
    for (const old of ended.slice(0, Math.max(0, ended.length - keptEnds))) this.drop(old);
  }

  private drop(process: Process): void {
    this.all.delete(process);
    if (process.pid !== null && this.byPid.get(process.pid) === process) this.byPid.delete(process.pid);
  }
}
