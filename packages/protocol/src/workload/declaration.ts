import type { NetworkPolicyDocument, Profile, SecretRefDocument } from "../api/plan-parts.js";
import { limits } from "../limits.js";
import { workloadLimits } from "./limits.js";
import type { Shape } from "./structure.js";

/** A workload as `defineWorkload` takes it: what people write, where the IR is what is reviewed. */
export interface Declaration {
  /** A lower-case letter and up to 62 of a-z, 0-9 and `-`. */
  readonly id: string;
  /** Name or reference, with `@sha256:…` to pin it. */
  readonly image: string;
  /** Program and arguments, without a shell. */
  readonly command: readonly string[];
  readonly resources: {
    /** Virtual CPUs, 1 to 16. @default 1 */
    readonly cpu?: number;
    /** MiB, at least 128. @default 512 */
    readonly memoryMb?: number;
    /** MiB of writable disk, at least 64. @default 2048 */
    readonly diskMb?: number;
  };
  /** Text by absolute path in the guest, written before the command starts. */
  readonly files?: Readonly<Record<string, string>>;
  /** Not for credentials: use `secrets`. */
  readonly env?: Readonly<Record<string, string>>;
  /** By the name of the variable that holds the placeholder. */
  readonly secrets?: Readonly<Record<string, SecretRefDocument>>;
  /** @default nothing may leave the sandbox */
  readonly network?: NetworkPolicyDocument;
  /** Forwarded for as long as the sandbox runs; `hostPort` 0 takes any that is free. */
  readonly ports?: readonly { readonly guestPort: number; readonly hostPort: number; readonly hostAddress?: string }[];
  readonly mounts?: readonly { readonly host: string; readonly guest: string; readonly mode?: "ro" | "rw" }[];
  /** @default "standard" */
  readonly profile?: Profile;
  readonly ttlSeconds?: number;
  readonly idleSeconds?: number;
  readonly tags?: Readonly<Record<string, string>>;
  /** Where the command runs. @default "/home/user" */
  readonly cwd?: string;
  /** @default "user" */
  readonly user?: string;
  /** Time limit of the command, fractions allowed. @default none */
  readonly timeoutSeconds?: number;
}

const text = (maxLength: number): Shape => ({ type: "string", minLength: 1, maxLength });
const whole = (minimum: number, maximum: number): Shape => ({ type: "integer", minimum, maximum });
const list = (items: Shape, maxItems: number): Shape => ({ type: "array", items, maxItems });
const choice = (...values: string[]): Shape => ({ anyOf: values.map((value) => ({ const: value })) });
const record = (member: Shape, maxProperties: number): Shape => ({
  type: "object",
  patternProperties: { "^(.*)$": member },
  maxProperties,
});
const object = (properties: Readonly<Record<string, Shape>>, ...required: string[]): Shape => ({
  type: "object",
  properties,
  required,
});
const port = whole(1, limits.portMax);
const host = text(limits.hostLength);
const seconds = whole(limits.ttlMinSeconds, limits.ttlMaxSeconds);

/**
 * The shape of a {@link Declaration}: plain data, since the SDK reads it in the user's process, where loading a schema
 * library would cost more than everything else.
 */
export const declarationShape: Shape = object(
  {
    id: { ...text(workloadLimits.idLength), pattern: "^[a-z][a-z0-9-]{0,62}$" },
    image: text(limits.imageLength),
    command: { type: "array", items: { type: "string" }, minItems: 1, maxItems: limits.argvEntries },
    resources: object({
      cpu: whole(limits.cpuMin, limits.cpuMax),
      memoryMb: whole(limits.memoryMinMb, limits.memoryMaxMb),
      diskMb: whole(limits.diskMinMb, limits.diskMaxMb),
    }),
    files: record({ type: "string", maxLength: workloadLimits.bytes }, workloadLimits.files),
    env: record({ type: "string", maxLength: limits.envValueBytes }, limits.envVariables),
    secrets: record(object({ secret: text(128), hosts: list(host, 64), header: text(64) }, "secret"), 64),
    network: object(
      {
        default: choice("deny"),
        allow: list(
          object({ host, port, protocol: choice("https", "http", "tcp") }, "host", "port", "protocol"),
          limits.networkRules,
        ),
      },
      "default",
      "allow",
    ),
    ports: list(
      object(
        { guestPort: port, hostPort: whole(0, limits.portMax), hostAddress: text(limits.addressLength) },
        "guestPort",
        "hostPort",
      ),
      workloadLimits.ports,
    ),
    mounts: list(
      object(
        { host: text(limits.pathBytes), guest: text(limits.pathBytes), mode: choice("ro", "rw") },
        "host",
        "guest",
      ),
      workloadLimits.mounts,
    ),
    profile: choice("restrictive", "standard", "dev", "permissive"),
    ttlSeconds: seconds,
    idleSeconds: seconds,
    tags: record({ type: "string", maxLength: limits.tagValueLength }, limits.tags),
    cwd: text(limits.pathBytes),
    user: text(limits.userLength),
    // A fraction of a second is a time too; its bounds are checked with the other rules.
    timeoutSeconds: {},
  },
  "id",
  "image",
  "command",
  "resources",
);

/** Names of a declaration's fields. */
export const declarationFields: readonly string[] = Object.keys(declarationShape.properties ?? {});
