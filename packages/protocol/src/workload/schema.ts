import { type Static, Type } from "@sinclair/typebox";
import { AccelChoiceSchema, ProfileSchema } from "../api/plan-parts.js";
import { SandboxNameSchema } from "../api/sandboxes.js";
import { nullable, oneOf, strict } from "../api/shapes.js";
import { limits } from "../limits.js";
import { workloadLimits } from "./limits.js";

/** Base64 of at most what one message of the channel carries. */
const bytesB64 = Type.String({ maxLength: Math.ceil(limits.requestBodyBytes / 3) * 4 });
const guestPath = Type.String({ minLength: 1, maxLength: limits.pathBytes });
const port = Type.Integer({ minimum: 1, maximum: limits.portMax });
const timeout = Type.Integer({ minimum: limits.timeoutMinMs, maximum: limits.timeoutMaxMs });
const ttl = Type.Integer({ minimum: limits.ttlMinSeconds, maximum: limits.ttlMaxSeconds });
const user = Type.String({ minLength: 1, maxLength: limits.userLength });
const argv = Type.Array(Type.String(), { minItems: 1, maxItems: limits.argvEntries });
const digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const reference = Type.String({ minLength: 1, maxLength: limits.imageLength });
const kind = <const K extends string>(name: K) => Type.Literal(name);

/** A secret of the daemon's store by its name, and the variable that holds its placeholder. A value has no place here. */
const SecretRefSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    mount: Type.Object({ kind: kind("env"), var: Type.String({ maxLength: limits.envNameBytes }) }, strict),
    /** Hosts whose requests get the value, narrower than the secret's own binding. */
    hosts: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: limits.hostLength }), { maxItems: 64 })),
    header: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  strict,
);

const literal = Type.Object({ kind: kind("literal"), value: Type.String({ maxLength: limits.envValueBytes }) }, strict);
const EnvSchema = Type.Record(
  Type.String(),
  Type.Union([literal, Type.Object({ kind: kind("secret_ref"), ref: SecretRefSchema }, strict)]),
  { maxProperties: limits.envVariables },
);
/** Of one command: ordinary values only, since secrets belong to the sandbox. */
const CommandEnvSchema = Type.Record(Type.String(), literal, { maxProperties: limits.envVariables });

const ImageSchema = Type.Union([
  Type.Object({ kind: kind("reference"), reference, digest: Type.Optional(digest) }, strict),
  Type.Object({ kind: kind("oci_base"), reference, digest }, strict),
]);

const EntrypointSchema = Type.Union([
  Type.Object(
    {
      kind: kind("command"),
      command: argv,
      working_dir: Type.Optional(guestPath),
      env: Type.Optional(CommandEnvSchema),
      user: Type.Optional(user),
      timeout_ms: Type.Optional(timeout),
    },
    strict,
  ),
]);

const FileSchema = Type.Object(
  { path: guestPath, bytes_b64: bytesB64, mode: Type.Optional(Type.Integer({ minimum: 0, maximum: 0o7777 })) },
  strict,
);

const command = {
  argv: Type.Optional(argv),
  shell: Type.Optional(Type.String({ minLength: 1, maxLength: limits.argumentBytes })),
  env: Type.Optional(CommandEnvSchema),
  working_dir: Type.Optional(guestPath),
  user: Type.Optional(user),
  timeout_ms: Type.Optional(timeout),
  stdin_b64: Type.Optional(bytesB64),
  max_output_bytes: Type.Optional(Type.Integer({ minimum: limits.outputMinBytes, maximum: limits.outputMaxBytes })),
};

const PortSchema = Type.Object(
  {
    guest: port,
    /** 0 takes any that is free. */
    host: Type.Integer({ minimum: 0, maximum: limits.portMax }),
    proto: kind("tcp"),
    host_address: Type.Optional(Type.String({ minLength: 1, maxLength: limits.addressLength })),
  },
  strict,
);

/** What a recorded script does in its sandbox, in its order. */
const OperationSchema = Type.Union([
  Type.Object({ kind: kind("files_write"), ...FileSchema.properties }, strict),
  /** Waits for the end before the next operation; with `check`, the default, one that fails is the last. */
  Type.Object({ kind: kind("command_run"), ...command, check: Type.Optional(Type.Boolean()) }, strict),
  /** Goes on while the command runs. */
  Type.Object({ kind: kind("command_start"), ...command }, strict),
  Type.Object({ kind: kind("port_forward"), ...PortSchema.properties }, strict),
]);

const MountSchema = Type.Object(
  {
    target: guestPath,
    source: Type.Union([Type.Object({ kind: kind("host_path"), path: guestPath }, strict)]),
    mode: oneOf(["ro", "rw"]),
  },
  strict,
);

const NetworkSchema = Type.Object(
  {
    /** `none`: no device. `bridge`: what the allow-list names, and nothing when it is empty. */
    mode: oneOf(["none", "bridge"]),
    ports: Type.Optional(Type.Array(PortSchema, { maxItems: workloadLimits.ports })),
    egress: Type.Optional(
      Type.Object(
        {
          allowlist: Type.Array(
            Type.Object(
              {
                host: Type.String({ minLength: 1, maxLength: limits.hostLength }),
                port,
                /** Default: `https` for port 443, `http` for 80, else `tcp`. */
                protocol: Type.Optional(oneOf(["https", "http", "tcp"])),
              },
              strict,
            ),
            { maxItems: limits.networkRules },
          ),
        },
        strict,
      ),
    ),
  },
  strict,
);

const ResourcesSchema = Type.Object(
  {
    cpu_cores: Type.Integer({ minimum: limits.cpuMin, maximum: limits.cpuMax }),
    memory_mb: Type.Integer({ minimum: limits.memoryMinMb, maximum: limits.memoryMaxMb }),
    rootfs_size_mb: Type.Integer({ minimum: limits.diskMinMb, maximum: limits.diskMaxMb }),
  },
  strict,
);

/** One sandbox: what it is made of, what is in it, and what runs. */
export const AppSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: limits.nameLength, pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$" }),
    /** Unique among the sandboxes that live. Default: none. */
    sandbox_name: Type.Optional(SandboxNameSchema),
    image: ImageSchema,
    /** At most one; none only where operations say what runs. */
    entrypoints: Type.Array(EntrypointSchema, { maxItems: 64 }),
    resources: ResourcesSchema,
    env: Type.Optional(EnvSchema),
    mounts: Type.Optional(Type.Array(MountSchema, { maxItems: workloadLimits.mounts })),
    network: Type.Optional(nullable(NetworkSchema)),
    dependencies: Type.Optional(Type.Null()),
    threat_tier: Type.Optional(kind("untrusted")),
    profile: Type.Optional(ProfileSchema),
    ttl_seconds: Type.Optional(ttl),
    idle_seconds: Type.Optional(ttl),
    tags: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: limits.tagValueLength }), { maxProperties: limits.tags }),
    ),
    backend: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
    accel: Type.Optional(AccelChoiceSchema),
    require_isolation: Type.Optional(oneOf(["hardware"])),
    /** Written before anything runs. */
    files: Type.Optional(Type.Array(FileSchema, { maxItems: workloadLimits.files })),
    /** Done after the files and before the entry point. */
    operations: Type.Optional(Type.Array(OperationSchema, { maxItems: workloadLimits.operations })),
  },
  strict,
);
export type App = Static<typeof AppSchema>;

/** A workload: what is reviewed, hashed and run. Schema version 0.1. */
export const WorkloadSchema = Type.Object(
  {
    schema_version: kind("0.1"),
    id: Type.String({ minLength: 1, maxLength: workloadLimits.idLength, pattern: "^[a-z][a-z0-9-]{0,62}$" }),
    apps: Type.Array(AppSchema, { maxItems: workloadLimits.apps }),
    volumes: Type.Optional(Type.Array(Type.Never(), { maxItems: 0 })),
    /** For other tools: part of the hash, without a meaning here. */
    extensions: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { maxProperties: workloadLimits.extensions })),
  },
  { ...strict, title: "mvm Workload IR 0.1" },
);
export type Workload = Static<typeof WorkloadSchema>;
export type Operation = NonNullable<App["operations"]>[number];
export type EnvValue = NonNullable<App["env"]>[string];
