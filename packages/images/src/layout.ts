import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Where this package keeps things below one state root. Nothing else in the project builds these paths. */
export interface ImageLayout {
  home: string;
  images: string;
  refs: string;
  boot: string;
  kernels: string;
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
    tmp: join(home, "tmp"),
    logs: join(home, "logs"),
  };
}

/** Makes the directories (0700) that are not there yet. Existing ones keep their mode: the host checks those. */
export async function makeImageLayout(home: string): Promise<ImageLayout> {
  const layout = imageLayout(home);
  for (const path of [layout.home, layout.images, layout.refs, layout.boot, layout.kernels, layout.tmp, layout.logs]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  return layout;
}
