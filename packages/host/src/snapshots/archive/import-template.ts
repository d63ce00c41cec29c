import type { Readable } from "node:stream";
import { AssetNotFoundError, BackendUnsupported, type TemplateInfo } from "@mvm/protocol";
import type { Backend, TemplateMoves } from "../../backends/backend.js";
import type { Services } from "../../sandboxes/services.js";
import { archiveDigest, parseTemplateContents } from "./format.js";
import { readArchive } from "./read.js";

/**
 * Reads an exported template. Nothing but its contents and signature is read before both are believed, its image is there and
 * everything it depends on is known to be the same here. Machines start from it when this resolves; nothing of it is left when it
 * rejects.
 * @throws {SnapshotMismatchError | BackendUnsupported | AssetNotFoundError | InvalidArgumentError}
 */
export async function importTemplate(
  services: Services,
  archive: Readable,
  options: { readonly key?: string | undefined; readonly signal: AbortSignal },
): Promise<{ readonly template: TemplateInfo; readonly digest: string }> {
  return await readArchive(archive, { keyPath: services.home.exportKey, ...options }, async (bytes, rest) => {
    const contents = parseTemplateContents(bytes, ({ template }) => movesOf(services, template.backend).moves.parts);
    const { accel, cpu, memory_mb, disk_mb, image_digest, backend: name } = contents.template;
    const { backend, moves } = movesOf(services, name);
    const image = await imageOf(services, image_digest);
    const key = await moves.receive(image, contents.template, async (directory) => {
      await rest.receive(contents.parts, directory, backend);
    });
    return { template: { key, image, accel, cpu, memory_mb, disk_mb }, digest: archiveDigest(bytes) };
  });
}

function movesOf({ backends }: Services, name: string): { readonly backend: Backend; readonly moves: TemplateMoves } {
  const backend = backends.find((candidate) => candidate.name === name);
  if (backend?.templates !== undefined) return { backend, moves: backend.templates };
  throw new BackendUnsupported({
    message: `Cannot import the template: there is no backend ${JSON.stringify(name.slice(0, 40))} here that takes templates`,
    backend: name.slice(0, 40),
    feature: "template.import",
    outcome: "not_started",
  });
}

/** Its name decides, too, what runs before a template is saved. */
async function imageOf({ images }: Services, digest: string): Promise<TemplateInfo["image"]> {
  const record = (await images.list()).map((image) => image.record).find((image) => image.digest === digest);
  if (record !== undefined) return { name: record.name, digest };
  throw new AssetNotFoundError({
    message: `Cannot import the template: its image ${JSON.stringify(digest.slice(0, 80))} is not on this host`,
    hint: "Build, pull or install the same image first: `mvmctl image ls` shows the digests",
    outcome: "not_started",
  });
}
