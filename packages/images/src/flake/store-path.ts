import type { PackageRecord } from "../manifest.js";

/** `/nix/store/HASH-NAME`: 32 digits of Nix's base 32, which lacks e, o, t and u. */
const storePathPattern = /^\/nix\/store\/([0-9a-df-np-sv-z]{32})-([A-Za-z0-9+._?=-]{1,211})$/;

/** Whether a text is a path of the Nix store itself, not of something in it. */
export function isStorePath(text: string): boolean {
  return storePathPattern.test(text);
}

/**
 * Name and version of a store path, split where Nix splits them (`builtins.parseDrvName`): before the first dash that no letter
 * follows. What has no version is told apart by its hash. Undefined for anything but a store path.
 */
export function packageOfStorePath(path: string): PackageRecord | undefined {
  const [, hash = "", full = ""] = storePathPattern.exec(path) ?? [];
  if (hash === "") return undefined;
  const [, name = full, version = hash] = /^(.*?)-([^A-Za-z].*)$/.exec(full) ?? [];
  return { name, version, arch: "x86_64", manager: "nix" };
}
