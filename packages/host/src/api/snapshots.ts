import type { FastifyInstance } from "fastify";
import type { PruneRequest, RestoreRequest, SnapshotRequest } from "@mvm/protocol";
import {
  PruneRequestSchema,
  RestoreRequestSchema,
  SandboxRefSchema,
  SnapshotInfoSchema,
  SnapshotListSchema,
  SnapshotRemovedSchema,
  SnapshotRequestSchema,
  SnapshotVerdictSchema,
} from "@mvm/protocol/schemas";
import { blocksOf, infoOfManifest } from "../snapshots/info.js";
import { pruneSnapshots } from "../snapshots/prune.js";
import { backendOf, restoreSnapshot } from "../snapshots/restore.js";
import { saveSnapshot } from "../snapshots/save.js";
import { notFound } from "../snapshots/snapshot-store.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";
import { announceCreated, streamLease } from "./lease-stream.js";
import { admissionFacts } from "./sandboxes.js";

type Ref = { Params: { ref: string } };

/** Saves, shows, checks, restores and removes snapshots. */
export function snapshotRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const { registry, snapshots } = services;

  app.post<Ref & { Body: SnapshotRequest }>(
    "/v1/sandboxes/:ref/snapshots",
    { schema: { params: SandboxRefSchema, body: SnapshotRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "snapshots.save", async (stream) => {
        const sandbox = registry.get(request.params.ref, "snapshot");
        const snapshot = await saveSnapshot(services, sandbox, {
          name: request.body.name ?? null,
          signal: stream.signal,
          onProgress: (progress) => void stream.send({ event: "progress", ...progress }),
        });
        stream.send({ event: "saved", snapshot });
      }),
  );

  app.get("/v1/snapshots", { schema: { response: { 200: SnapshotListSchema } } }, () => ({
    snapshots: snapshots.list(),
  }));

  app.get<Ref>(
    "/v1/snapshots/:ref",
    { schema: { params: SandboxRefSchema, response: { 200: SnapshotInfoSchema } } },
    (request) => {
      const { directory, manifest } = snapshots.open(request.params.ref);
      return infoOfManifest(directory, manifest);
    },
  );

  app.post<Ref>(
    "/v1/snapshots/:ref/verify",
    { schema: { params: SandboxRefSchema, response: { 200: SnapshotVerdictSchema } } },
    async (request) => {
      const captured = snapshots.open(request.params.ref);
      const { manifest } = captured;
      const release = snapshots.holds.take(manifest.id);
      try {
        await snapshots.verify(captured, backendOf(services, manifest), { fresh: true });
      } finally {
        release();
      }
      const bytes = blocksOf(captured.directory, manifest);
      return { ok: true as const, snapshot: manifest.id, epoch: manifest.epoch, bytes };
    },
  );

  app.delete<Ref>(
    "/v1/snapshots/:ref",
    { schema: { params: SandboxRefSchema, response: { 200: SnapshotRemovedSchema } } },
    async (request) => {
      const { ref } = request.params;
      if (!(await snapshots.remove(ref))) throw notFound(ref);
      return { removed: true };
    },
  );

  app.post<Ref & { Body: RestoreRequest }>(
    "/v1/snapshots/:ref/restore",
    { schema: { params: SandboxRefSchema, body: RestoreRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "snapshots.restore", async (stream) => {
        const began = performance.now();
        const facts = await admissionFacts(request, services);
        const sandbox = await restoreSnapshot(services, request.params.ref, request.body, facts, {
          signal: stream.signal,
          onProgress: (progress) => void stream.send({ event: "progress", ...progress }),
          onNotice: (message) => void stream.send({ event: "notice", message }),
          waitReady: true,
        });
        announceCreated(stream, sandbox, performance.now() - began);
        if (!sandbox.detached) await streamLease(services, stream, sandbox);
      }),
  );

  app.post<{ Body: PruneRequest }>(
    "/v1/snapshots/prune",
    { schema: { body: PruneRequestSchema, response: { 200: SnapshotListSchema } } },
    async (request) => ({ snapshots: await pruneSnapshots(services, request.body) }),
  );
}
