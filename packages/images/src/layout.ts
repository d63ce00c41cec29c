import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Where this package keeps things below one state root. Nothing else in the project builds these paths. */
export interface ImageLayout {
  home: string;
  images: string;
  refs: string;
  boot: string;
  kernels: string;
  /** Agents that came with a release, by digest. */
  agents: string;
  tmp: string;
  logs: string;
}

export function imageLayout(home: string): ImageLayout {
  const images = join(home, "images");
  return {
    home,
    images,
    refs: join(images, "refs"),
    boot: join(home, "boot"),
    kernels: join(home, "kernels"),
    agents: join(home, "agents"),
    tmp: join(home, "tmp"),
    logs: join(home, "logs"),
  };
}

/** Makes the directories (0700) that are not there yet. Existing ones keep their mode: the host checks those. */
export async function makeImageLayout(home: string): Promise<ImageLayout> {
  const layout = imageLayout(home);
  const { images, refs, boot, kernels, agents, tmp, logs } = layout;
  for (const path of [home, images, refs, boot, kernels, agents, tmp, logs]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  return layout;
}
