import { AssetNotFoundError, InvalidArgumentError } from "@mvm/protocol";
import type { Backend, MovableTemplate } from "../../backends/backend.js";
import type { Services } from "../../sandboxes/services.js";
import { digestFile } from "../digest.js";
import { type PreparedArchive, prepareArchive, withChunks } from "./write.js";
import { join } from "node:path";

/**
 * Signs what will be in the archive of a template.
 * @param ref its key, or an image that has exactly one that machines start from now
 * @throws {AssetNotFoundError} there is none
 * @throws {InvalidArgumentError} the image has several
 */
export async function prepareTemplateExport(
  services: Services,
  ref: string,
  signal: AbortSignal,
): Promise<PreparedArchive> {
  const { template, backend } = await findTemplate(services, ref);
  const { directory, facts } = template;
  const digests = [];
  for (const name of backend.templates?.parts ?? []) {
    digests.push(await digestFile(join(directory, name), name, (file) => backend.dataRanges(file), signal));
  }
  const parts = await withChunks(directory, digests, backend);
  const contents = { archive_version: 1 as const, kind: "template" as const, template: facts, parts };
  return prepareArchive(services.home.exportKey, directory, contents, signal);
}

interface Found {
  readonly template: MovableTemplate;
  readonly backend: Backend;
}

const keyForm = /^[0-9a-f]{32}$/;

async function findTemplate(services: Services, ref: string): Promise<Found> {
  const { images } = services;
  if (keyForm.test(ref)) {
    for (const { record } of await images.list()) {
      const found = (await templatesOf(services, record)).find(({ template }) => template.key === ref);
      if (found !== undefined) return found;
    }
    throw notThere(`there is no template "${ref}" that machines start from now`, "Look at `mvmctl image inspect`");
  }
  const { record } = await images.inspect(ref);
  const [first, ...others] = await templatesOf(services, record);
  if (first === undefined) {
    const hint = `Start a sandbox of it once, such as with \`mvmctl run --image ${record.name} -- true\``;
    throw notThere(`image "${record.name}" has none that machines start from now`, hint);
  }
  if (others.length === 0) return first;
  const listed = [first, ...others].map(({ template: { key, facts } }) => {
    const { accel, cpu, memory_mb, disk_mb } = facts;
    return `${key} (${accel}, cpu ${cpu}, memory ${memory_mb} MiB, disk ${disk_mb} MiB)`;
  });
  throw new InvalidArgumentError({
    message: `Cannot export the template of image "${record.name}": it has ${listed.length}: ${listed.join(", ")}`,
    hint: "Give the key of one of them",
    context: { pointer: "/ref" },
  });
}

async function templatesOf({ backends }: Services, image: { name: string; digest: string }): Promise<Found[]> {
  const found: Found[] = [];
  for (const backend of backends) {
    for (const template of (await backend.templates?.list(image)) ?? []) found.push({ template, backend });
  }
  return found;
}

function notThere(why: string, hint: string): AssetNotFoundError {
  return new AssetNotFoundError({ message: `Cannot export the template: ${why}`, hint });
}
