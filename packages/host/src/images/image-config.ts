import { readFileSync } from "node:fs";
import { join } from "node:path";
import { emptyConfig, imageLayout, type ImageConfig } from "@mvm/images";

const known = new Map<string, ImageConfig>();
const remembered = 256;

/**
 * How programs of an image want to be run: its environment, directory and user. A digest covers it, so it is read once. An
 * image without a record, removed under a running sandbox, wants nothing special.
 */
export function imageConfigOf(home: string, digest: string): ImageConfig {
  const found = known.get(digest);
  if (found !== undefined) return found;
  const config = read(join(imageLayout(home).images, `${digest.replace(/^sha256:/, "")}.json`));
  if (config === undefined) return emptyConfig;
  const oldest = known.keys().next().value;
  if (known.size >= remembered && oldest !== undefined) known.delete(oldest);
  known.set(digest, config);
  return config;
}

function read(path: string): ImageConfig | undefined {
  try {
    const { config = {} } = JSON.parse(readFileSync(path, "utf8")) as { config?: Partial<ImageConfig> };
    return { ...emptyConfig, ...config };
  } catch {
    return undefined;
  }
}
