import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { ErrorEventSchema, NoticeEventSchema, ProgressEventSchema } from "./events.js";
import { NetworkPolicySchema } from "./plan-parts.js";
import { count, env, nullable, path, strict, text, time } from "./shapes.js";

const strings = Type.Array(Type.String());
/** Where an image was pulled from. */
export const ImageOriginSchema = Type.Object(
  {
    /** Registry, repository and tag, or kind and file name of an archive. */
    reference: Type.String(),
    /** Of the index, manifest, configuration or tar that was asked for. */
    digest: Type.String(),
    /** For linux/amd64; null where there is none. */
    manifest_digest: nullable(Type.String()),
    config_digest: nullable(Type.String()),
    /** Lowest first: as they came, without compression, and bytes as they came. */
    layers: Type.Array(Type.Object({ digest: Type.String(), diff_id: Type.String(), size: count }, strict)),
    devices_dropped: count,
    xattrs_dropped: count,
    /** Files with setuid or setgid bits. */
    setuid: count,
    /** Files with file capabilities. */
    capabilities: count,
    /** Whose signature was asked for when it was pulled, as the operator's rules say. Absent: nobody's. */
    signature: Type.Optional(
      Type.Object(
        {
          /** Of the index or manifest that was signed. */
          digest: Type.String(),
          /** The tag or the referrer that holds the signature. */
          found: Type.String(),
          /** sha256 of the public key; null: signed without one. */
          key: nullable(Type.String()),
          /** Subject of the certificate and who vouched for it; null: signed with a key. */
          identity: nullable(Type.String()),
          issuer: nullable(Type.String()),
        },
        strict,
      ),
    ),
  },
  strict,
);
/** What commands of an image get where nobody says otherwise. */
const ImageDefaultsSchema = Type.Object(
  {
    env,
    cwd: nullable(Type.String()),
    user: nullable(Type.String()),
    entrypoint: nullable(strings),
    command: nullable(strings),
  },
  strict,
);
export const ImageInfoSchema = Type.Object(
  {
    name: Type.String(),
    digest: Type.String(),
    size_bytes: count,
    created_at: nullable(time),
    /** Version of the kernel its machines start with now; null when there is none yet. */
    kernel: nullable(Type.String()),
    /** Digest of the guest agent its machines start with now, `sha256:…`; null when there is none yet. */
    agent: nullable(Type.String()),
    /** Its name stands for a later build by now: only its digest leads to it. Absent: it does not. */
    superseded: Type.Optional(Type.Literal(true)),
    /** Keys of the templates that exist for it. */
    templates: Type.Array(Type.String()),
    /** Absent: made on this host. */
    origin: Type.Optional(ImageOriginSchema),
    /** Absent: nothing special. */
    config: Type.Optional(ImageDefaultsSchema),
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
const reference = Type.String({ minLength: 1, maxLength: limits.imageLength });
const specs = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: limits.packagesAtOnce });
const argv = Type.Array(text, { minItems: 1, maxItems: 1000 });
/** What `POST /v1/images` builds inside a machine. */
export const ImageBuildRecipeSchema = Type.Object(
  {
    /** Image to start from; a Dockerfile names its own, and a flake needs none. */
    from: Type.Optional(reference),
    /** Read by the daemon, on this host. */
    dockerfile: Type.Optional(
      Type.Object(
        {
          context: path,
          /** Default: `Dockerfile` of the context. */
          file: Type.Optional(path),
          build_args: Type.Optional(env),
          /** The stage to build; default: the last one. */
          target: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
        },
        strict,
      ),
    ),
    /** Of this host; evaluated and built inside the machine. */
    flake: Type.Optional(
      Type.Object(
        {
          /** Has `flake.nix`. */
          directory: path,
          /** Default: `default`. */
          attribute: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
          /** Binary caches: `https://…`, or the absolute path of a folder of this host. */
          substituters: Type.Optional(Type.Array(path, { maxItems: 16 })),
          /** `NAME:KEY`, besides the keys that Nix believes by itself. */
          trusted_keys: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 16 })),
        },
        strict,
      ),
    ),
    packages: Type.Optional(
      Type.Object({ pip: Type.Optional(specs), npm: Type.Optional(specs), apt: Type.Optional(specs) }, strict),
    ),
    /** What the build's commands may reach besides the package indexes. */
    network: Type.Optional(NetworkPolicySchema),
    /** What runs before the template is saved. */
    warm: Type.Optional(
      Type.Object(
        {
          run: Type.Optional(Type.Array(argv, { maxItems: 64 })),
          serve: Type.Optional(argv),
          ready: Type.Optional(argv),
        },
        strict,
      ),
    ),
    /** Whether a result of the same recipe may be taken. Default: true. */
    cache: Type.Optional(Type.Boolean()),
    cpu: Type.Optional(Type.Integer({ minimum: limits.cpuMin, maximum: limits.cpuMax })),
    /** Default: 1024. */
    memory_mb: Type.Optional(Type.Integer({ minimum: limits.memoryMinMb, maximum: limits.memoryMaxMb })),
    disk_mb: Type.Optional(Type.Integer({ minimum: limits.diskMinMb, maximum: limits.diskMaxMb })),
  },
  strict,
);
export type ImageBuildRecipe = Static<typeof ImageBuildRecipeSchema>;
/** Without a recipe `name` is one of the catalogue. */
export const BuildRequestSchema = Type.Object(
  { name: reference, recipe: Type.Optional(ImageBuildRecipeSchema) },
  strict,
);
export type BuildRequest = Static<typeof BuildRequestSchema>;
/** What `POST /v1/images/pull` brings. */
export const ImagePullRequestSchema = Type.Object(
  {
    /** `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, `docker-archive:`, `oci:`, `oci-archive:` or `rootfs:` and a path of this host. */
    place: Type.String({ minLength: 1, maxLength: limits.pathBytes }),
    /** Default: the last part of the place's name. */
    name: Type.Optional(reference),
    /** What the image has to be. */
    digest: Type.Optional(Type.String({ pattern: "^sha256:[0-9a-f]{64}$" })),
    /** Name of a stored secret with USER:PASSWORD, bound to the registry. */
    credentials: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    /** Whether http will do for a registry that is not on this host. Default: false. */
    plain_http: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type ImagePullRequest = Static<typeof ImagePullRequestSchema>;
export const BuiltEventSchema = Type.Object(
  {
    event: Type.Literal("built"),
    image: ImageInfoSchema,
    /** Whether the result of an earlier build was taken, and if not, why. Absent for the catalogue. */
    cache: Type.Optional(Type.Object({ hit: Type.Boolean(), reason: nullable(Type.String()) }, strict)),
  },
  strict,
);
/** Lines of `POST /v1/images`. */
export const BuildEventSchema = Type.Union([
  ProgressEventSchema,
  NoticeEventSchema,
  BuiltEventSchema,
  ErrorEventSchema,
]);
export type BuildStreamEvent = Static<typeof BuildEventSchema>;
