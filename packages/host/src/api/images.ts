import type { FastifyInstance } from "fastify";
import { InvalidArgumentError, type BuildRequest, type ImageInfo, type ImagePullRequest } from "@mvm/protocol";
import {
  BuildRequestSchema,
  CatalogueSchema,
  ImageInfoSchema,
  ImageListSchema,
  ImagePullRequestSchema,
  ImageRemovedSchema,
} from "@mvm/protocol/schemas";
import { catalogue, type ImageConfig, type ImageRecord, sbomText, sbomType } from "@mvm/images";
import type { Backend, KeptParts, Progress } from "../backends/backend.js";
import type { ImageAccess } from "../images/image-access.js";
import { buildInMachine } from "../images/build/build.js";
import type { ApiContext } from "./context.js";
import { attest, provenanceMediaType, provenanceOf } from "../images/provenance.js";
import { pullForClient } from "../images/pull.js";
import { streamEvents } from "./event-stream.js";

type Ref = { Params: { ref: string } };

/** Images of this home and what can be built. */
export function imageRoutes(app: FastifyInstance, { services, version }: ApiContext): void {
  const { images, registry, backends } = services;
  const kept = () => keptBy(backends);
  app.get("/v1/images", { schema: { response: { 200: ImageListSchema } } }, async () => {
    const [parts, listed] = [await kept(), await images.list()];
    return { images: listed.map(({ record }) => imageInfo(record, parts, isSuperseded(record, listed))) };
  });
  app.get("/v1/catalogue", { schema: { response: { 200: CatalogueSchema } } }, () => ({
    images: catalogue.map(({ name, summary }) => ({ name, description: summary })),
  }));
  app.get<Ref>("/v1/images/:ref", { schema: { response: { 200: ImageInfoSchema } } }, async (request) => {
    const { record } = await images.inspect(request.params.ref);
    return imageInfo(record, await kept(), isSuperseded(record, await images.list()));
  });
  app.get<Ref>("/v1/images/:ref/sbom", async (request, reply) => {
    const { record } = await images.inspect(request.params.ref);
    return await reply.type(sbomType).send(sbomText(record));
  });
  app.get<Ref>("/v1/images/:ref/provenance", async (request, reply) =>
    reply.type(provenanceMediaType).send(await provenanceOf(services, request.params.ref, version)),
  );
  app.delete<Ref>("/v1/images/:ref", { schema: { response: { 200: ImageRemovedSchema } } }, async (request) => {
    const { record } = await images.inspect(request.params.ref);
    const users = registry.list().filter(({ image }) => image.digest === record.digest).length;
    if (users > 0) {
      throw new InvalidArgumentError({
        message: `Cannot remove image "${record.name}": ${users} sandboxes use it`,
        hint: "Destroy them first",
        context: { sandboxes: users },
      });
    }
    await images.remove(record.digest);
    return { removed: true };
  });
  app.post<{ Body: BuildRequest }>("/v1/images", { schema: { body: BuildRequestSchema } }, (request, reply) =>
    streamEvents(request, reply, "images.build", async (stream) => {
      const { name, recipe } = request.body;
      const onProgress = (progress: Progress): void => void stream.send({ event: "progress", ...progress });
      const options = { signal: stream.signal, onProgress };
      if (recipe === undefined) {
        const image = await images.build(name, options);
        await attest(services, image, version);
        const { record } = image;
        stream.send({ event: "built", image: imageInfo(record, await kept()) });
      } else {
        const { image, missed } = await buildInMachine(services, name, recipe, options);
        if (missed !== null) await attest(services, image, version);
        const cache = { hit: missed === null, reason: missed };
        stream.send({ event: "built", image: imageInfo(image.record, await kept()), cache });
      }
    }),
  );
  app.post<{ Body: ImagePullRequest }>(
    "/v1/images/pull",
    { schema: { body: ImagePullRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "images.pull", async (stream) => {
        const onProgress = (progress: Progress): void => void stream.send({ event: "progress", ...progress });
        const image = await pullForClient(services, request.body, { signal: stream.signal, onProgress });
        await attest(services, image, version);
        stream.send({ event: "built", image: imageInfo(image.record, await kept()) });
      }),
  );
}

/** The parts that the backends keep, taken together: kernel and agent are those of the first that has them. */
async function keptBy(backends: readonly Backend[]): Promise<KeptParts> {
  const all: KeptParts[] = [];
  for (const backend of backends) if (backend.kept !== undefined) all.push(await backend.kept());
  return {
    kernel: all.find(({ kernel }) => kernel !== null)?.kernel ?? null,
    agent: all.find(({ agent }) => agent !== null)?.agent ?? null,
    templates: all.flatMap(({ templates }) => templates),
  };
}

/** Whether no name leads to it, and its own to another. */
function isSuperseded({ digest, name }: ImageRecord, listed: Awaited<ReturnType<ImageAccess["list"]>>): boolean {
  const named = listed.find(({ record }) => record.digest === digest)?.refs.length ?? 0;
  return named === 0 && listed.some(({ refs }) => refs.includes(name));
}

function imageInfo(record: ImageRecord, { kernel, agent, templates }: KeptParts, superseded = false): ImageInfo {
  return {
    name: record.name,
    digest: record.digest,
    size_bytes: record.size,
    created_at: record.created_at,
    kernel,
    agent,
    ...(superseded && { superseded }),
    templates: templates.filter(({ imageDigest }) => imageDigest === record.digest).map(({ key }) => key),
    ...(record.origin && { origin: record.origin }),
    ...(record.config && { config: runsAs(record.config) }),
  };
}

function runsAs({ env, cwd, user, entrypoint, command }: ImageConfig): NonNullable<ImageInfo["config"]> {
  const list = (argv: readonly string[] | null): string[] | null => argv && [...argv];
  return { env: { ...env }, cwd, user, entrypoint: list(entrypoint), command: list(command) };
}
