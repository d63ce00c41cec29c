import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { ErrorEventSchema, NoticeEventSchema, ProgressEventSchema } from "./events.js";
import { count, nullable, strict, time } from "./shapes.js";

export const ImageInfoSchema = Type.Object(
  {
    name: Type.String(),
    digest: Type.String(),
    size_bytes: count,
    created_at: nullable(time),
    kernel: nullable(Type.String()),
    agent: nullable(Type.String()),
    /** Keys of the templates that exist for it. */
    templates: Type.Array(Type.String()),
  },
  strict,
);
export type ImageInfo = Static<typeof ImageInfoSchema>;
export const ImageListSchema = Type.Object({ images: Type.Array(ImageInfoSchema) }, strict);
export const ImageRemovedSchema = Type.Object({ removed: Type.Boolean() }, strict);
export const CatalogueSchema = Type.Object(
  { images: Type.Array(Type.Object({ name: Type.String(), description: Type.String() }, strict)) },
  strict,
);
export type Catalogue = Static<typeof CatalogueSchema>;
export const BuildRequestSchema = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: limits.imageLength }) },
  strict,
);
export type BuildRequest = Static<typeof BuildRequestSchema>;
export const BuiltEventSchema = Type.Object({ event: Type.Literal("built"), image: ImageInfoSchema }, strict);
/** Lines of `POST /v1/images`. */
export const BuildEventSchema = Type.Union([
  ProgressEventSchema,
  NoticeEventSchema,
  BuiltEventSchema,
  ErrorEventSchema,
]);
export type BuildStreamEvent = Static<typeof BuildEventSchema>;
