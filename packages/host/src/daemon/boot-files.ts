import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ensureBootAssets, installedKernel, sourceOptionsFromEnvironment, type BootAssets } from "@mvm/images";
import { releasedAgent } from "@mvm/images/release";
import { AssetNotFoundError } from "@mvm/protocol";
import type { BootFiles } from "../backends/qemu/boot-files.js";

/** Where the agent's binary may be, unless it is named: built in a checkout, where packing leaves an older copy, or in the package. */
const agentPlaces = ["../../../../guest/target/x86_64-unknown-linux-gnu/release/mvm-agent", "../../agent/mvm-agent"];

/** A host that was set up from a release, and compiles nothing, has its agent in the state root. */
export async function agentPath(home: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (env["MVM_AGENT"]) return env["MVM_AGENT"];
  const places = agentPlaces.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return places.find((place) => existsSync(place)) ?? (await releasedAgent(home)) ?? places[0] ?? "mvm-agent";
}

/**
 * The kernel and initramfs of this home, made on first need. Remembered as long as the agent's file stays the same:
 * looking at the assets reads and hashes megabytes, which no start of a machine should wait for.
 */
export function bootFilesOf(home: string): (onlyIfPresent?: boolean) => Promise<BootFiles> {
  let known: { readonly key: string; readonly files: Promise<BootFiles> } | undefined;
  return async (onlyIfPresent = false) => {
    // Looking at a host must not change it: fetching a kernel is for whoever starts a machine.
    if (onlyIfPresent && (await installedKernel(home)) === undefined) {
      throw new AssetNotFoundError({
        message: "Cannot try to boot: there is no guest kernel yet",
        hint: "Run `mvmctl setup`",
      });
    }
    const agent = await agentPath(home);
    const key = `${agent}:${fileKey(agent)}`;
    if (known?.key === key) return known.files;
    const source = sourceOptionsFromEnvironment(process.env);
    const files = ensureBootAssets({ ...source, home, agentPath: agent }).then((assets) => bootFiles(assets, agent));
    const entry = { key, files };
    known = entry;
    // A failure is not remembered: the next start tries again.
    files.catch(() => known === entry && (known = undefined));
    return files;
  };
}

function bootFiles({ record, vmlinuz, initramfs }: BootAssets, agent: string): BootFiles {
  return {
    ...{ kernel: vmlinuz, initramfs, agent },
    kernelSha256: record.vmlinuz_sha256,
    initramfsSha256: record.initramfs_sha256,
  };
}

function fileKey(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return [ino, size, mtimeMs, ctimeMs].join(":");
  } catch {
    return "missing";
  }
}
