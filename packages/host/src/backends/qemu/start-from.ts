import { constants } from "node:fs";
import { chmod, copyFile, link, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Accelerator, CapturedState, MachineSpec, StartOptions } from "../backend.js";
import { sockets } from "./command-line.js";
import type { BootFiles } from "./boot-files.js";
import { launch, type LaunchHost, type LaunchInput } from "./launch.js";
import type { QemuMachine } from "./machine.js";
import { capturedFiles, machineFiles } from "./paths.js";
import type { Template } from "./template-store.js";
import { type CgroupPlace, machineLimits } from "./cgroup.js";
import type { MachineGroups } from "./machine-groups.js";
import { bootTscKhz } from "./tsc.js";
import type { UidPool } from "./uids.js";

/** What every start needs, whatever it starts from. */
export interface StartParts {
  readonly host: LaunchHost;
  readonly spec: MachineSpec;
  readonly accel: Accelerator;
  readonly boot: BootFiles;
  readonly uids: UidPool;
  readonly groups: MachineGroups;
  /** Null where this host offers none. */
  readonly groupPlace: CgroupPlace | null;
  readonly options: StartOptions;
}

/** A clone of the template, running; or, with a kept disk, which no longer fits the template's memory, a machine that boots. */
export async function startFromTemplate(
  parts: StartParts,
  template: Template,
  onUnloadable: () => void,
): Promise<QemuMachine> {
  const { spec, accel, boot } = parts;
  const keepDisk = spec.keepDisk === true;
  const files = machineFiles(spec.directory);
  await mkdir(files.directory, { recursive: true, mode: 0o700 });
  if (keepDisk) await removeSockets(files.directory);
  else {
    // A start that is repeated with a new template finds the link to the old one.
    await rm(files.base, { force: true });
    await Promise.all([copyOverlay(template.files.overlay, files.overlay), link(template.files.disk, files.base)]);
  }
  const machine = await start(
    parts,
    keepDisk
      ? { mode: { kind: "boot", tscKhz: await bootTscKhz(accel, boot.agent) }, start: "cold", template: template.key }
      : { mode: { kind: "restore", state: template.files.state }, start: "template", template: template.key },
    keepDisk ? undefined : template.files.ram,
  );
  void machine.exited.then(({ by, code }) => {
    // A guest that powers off ends QEMU with 0, a fault of QEMU by a signal; 1 is a state that it could not load.
    if (!keepDisk && by === "exit" && code === 1) onUnloadable();
  });
  return machine;
}

/** A captured machine, paused. Its disk comes with it or is in the directory already. */
export async function startFromCapture(parts: StartParts, captured: CapturedState): Promise<QemuMachine> {
  const { spec } = parts;
  const files = machineFiles(spec.directory);
  const from = capturedFiles(captured.directory);
  await mkdir(files.directory, { recursive: true, mode: 0o700 });
  if (spec.keepDisk === true) await removeSockets(files.directory);
  else await Promise.all([copyOverlay(from.overlay, files.overlay), link(from.base, files.base)]);
  return await start(
    parts,
    {
      mode: { kind: "restore", state: from.state, memoryOffset: captured.memoryOffset },
      start: "template",
      template: null,
    },
    from.memory,
  );
}

async function start(
  { host, spec, accel, boot, uids, groups, groupPlace, options }: StartParts,
  how: Pick<LaunchInput, "mode" | "start" | "template">,
  ram: string | undefined,
): Promise<QemuMachine> {
  const { cpus, memoryMb, diskMb } = spec;
  const files = machineFiles(spec.directory);
  const uid = uids.next();
  const group = groupPlace === null ? undefined : await groups.make(groupPlace, spec.sandboxId, machineLimits(spec));
  const machine = await launch(host, {
    cookie: spec.sandboxId,
    ...{ accel, cpus, memoryMb, diskMb, uid },
    directory: files.directory,
    paths: {
      kernel: boot.kernel,
      initramfs: boot.initramfs,
      image: spec.image.path,
      disk: { kind: "overlay", path: files.overlay, base: files.base },
      ...(ram === undefined ? {} : { ram }),
    },
    ...how,
    onSpawned: options.onSpawned,
    group,
  });
  void machine.exited.then(() => uids.free(uid));
  return machine;
}

/** QEMU makes them anew, and refuses to where a former machine of the sandbox has left some. */
async function removeSockets(directory: string): Promise<void> {
  await Promise.all(Object.values(sockets).map((name) => rm(join(directory, name), { force: true })));
}

/** The template's file is read-only, and a copy inherits that. */
async function copyOverlay(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
}
