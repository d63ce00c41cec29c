import { writeCpio, type CpioEntry } from "./cpio.js";

/** A kernel module, decompressed, named as `modprobe` knows it. */
export interface ModuleFile {
  name: string;
  content: Uint8Array;
}

/**
 * The first root of every machine: `/init` is the agent, `/modules/order` names the module files to load, one a
 * line, in order. `/dev/console` is there so that the agent's first messages have somewhere to go.
 */
export function buildInitramfs(options: { agent: Uint8Array; modules: readonly ModuleFile[] }): Buffer {
  const order = options.modules.map((module) => `${module.name}.ko\n`).join("");
  const modules = [...options.modules].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries: CpioEntry[] = [
    { kind: "directory", path: "dev" },
    { kind: "character", path: "dev/console", major: 5, minor: 1 },
    { kind: "file", path: "init", mode: 0o755, content: options.agent },
    { kind: "directory", path: "modules" },
    ...modules.map((module): CpioEntry => ({
      kind: "file",
      path: `modules/${module.name}.ko`,
      content: module.content,
    })),
    { kind: "file", path: "modules/order", content: Buffer.from(order) },
    { kind: "directory", path: "newroot" },
    { kind: "directory", path: "proc" },
    { kind: "directory", path: "sys" },
  ];
  return writeCpio(entries);
}
