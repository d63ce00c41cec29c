/** Bounds of a workload document beyond those of `limits`, which hold too. */
export const workloadLimits = {
  /** The document as JSON in UTF-8, contents of its files included. */
  bytes: 8 * 1024 * 1024,
  depth: 32,
  /** Problems one report names; what comes after is not looked for. */
  problems: 100,
  idLength: 63,
  /** Apps that are looked at; only one can be run. */
  apps: 10_000,
  files: 1000,
  operations: 10_000,
  ports: 128,
  mounts: 32,
  extensions: 64,
} as const;
