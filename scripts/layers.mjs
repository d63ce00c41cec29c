/** The architecture as data: which package may import which. `check-layers.mjs` fails on any other import. */
export const mayImport = {
  protocol: [],
  evidence: ["protocol"],
  images: ["protocol"],
  host: ["protocol", "images", "evidence"],
  declare: ["protocol"],
  sdk: ["protocol"],
  cli: ["protocol", "sdk", "evidence", "declare", "images"],
};

/** Folders inside the host: who may reach below. A backend is known by its interface only. */
export const hostMayImport = {
  "backends/qemu": { onlyFrom: ["backends/qemu", "backends", "main.ts", "daemon"] },
  agent: {
    onlyFrom: ["agent", "sandboxes", "commands", "files", "ports", "backends/qemu", "daemon", "main.ts", "api"],
  },
};

/** Folders that decide and never act: no module of Node that does I/O may be imported there. */
export const pure = ["packages/protocol/src", "packages/host/src/admission"];
export const ioModules = [
  "fs",
  "fs/promises",
  "net",
  "http",
  "https",
  "child_process",
  "dgram",
  "tls",
  "worker_threads",
];
