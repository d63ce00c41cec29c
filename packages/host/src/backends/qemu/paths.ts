import { join } from "node:path";

/** Files of a template's directory. Read-only once the directory has its name. */
export interface TemplateFiles {
  readonly directory: string;
  readonly ram: string;
  readonly state: string;
  readonly disk: string;
  /** Empty qcow2 of the disk's size, copied for every machine. */
  readonly overlay: string;
  readonly record: string;
}

export function templateFiles(directory: string): TemplateFiles {
  return {
    directory,
    ram: join(directory, "ram"),
    state: join(directory, "state"),
    disk: join(directory, "disk.raw"),
    overlay: join(directory, "overlay.qcow2"),
    record: join(directory, "template.json"),
  };
}

/** Files of a captured machine: of a snapshot, or of a sandbox that is cold. Read-only. */
export interface CapturedFiles {
  /** The migration stream with every page at a fixed offset: mapped as the memory of the next machine. */
  readonly memory: string;
  /** The same stream without pages: loads the devices. */
  readonly state: string;
  readonly overlay: string;
  /** Hard link to the disk below the overlay. */
  readonly base: string;
}

export function capturedFiles(directory: string): CapturedFiles {
  return {
    memory: join(directory, "memory"),
    state: join(directory, "state"),
    overlay: join(directory, "disk.qcow2"),
    base: join(directory, "base.raw"),
  };
}

/** Files of a machine in its sandbox's directory. */
export interface MachineFiles {
  /** The only directory QEMU may write to: its sockets, its log, its overlay. The sandbox's records lie beside it, out of reach. */
  readonly directory: string;
  /** Hard link to the template's disk: the overlay stays usable when the template is collected. */
  readonly base: string;
  readonly overlay: string;
}

export function machineFiles(sandboxDirectory: string): MachineFiles {
  const directory = join(sandboxDirectory, "vm");
  return { directory, base: join(sandboxDirectory, "base.raw"), overlay: join(directory, "disk.qcow2") };
}
