import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { oneOf, path, strict } from "./shapes.js";

/** The built-in policy profiles, narrowest first. */
export const ProfileSchema = oneOf(["restrictive", "standard", "dev", "permissive"]);
export type Profile = Static<typeof ProfileSchema>;

/** `auto` prefers kvm and says so when it has to fall back. */
export const AccelChoiceSchema = oneOf(["auto", "kvm", "tcg"]);
export type AccelChoice = Static<typeof AccelChoiceSchema>;

/** One rule of egress. `host` is a name, an address, or `*.name` for one label or more below it. */
export const NetworkRuleSchema = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: limits.hostLength }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    /** `https` checks that the connection's SNI is the name; `tcp` passes any bytes. */
    protocol: oneOf(["https", "http", "tcp"]),
  },
  strict,
);
export type NetworkRule = Static<typeof NetworkRuleSchema>;

/** Nothing leaves the sandbox but what a rule names; an empty list is deny all. */
export const NetworkPolicySchema = Type.Object(
  { default: Type.Literal("deny"), allow: Type.Array(NetworkRuleSchema, { maxItems: limits.networkRules }) },
  strict,
);
export type NetworkPolicyDocument = Static<typeof NetworkPolicySchema>;

/** A stored secret by its name; `hosts` and `header` narrow where and how it is put into requests. */
export const SecretRefSchema = Type.Object(
  {
    secret: Type.String({ minLength: 1, maxLength: 128 }),
    hosts: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 64 })),
    header: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  strict,
);
export type SecretRefDocument = Static<typeof SecretRefSchema>;

/** A host directory in the guest. */
export const MountSchema = Type.Object({ host: path, guest: path, mode: oneOf(["ro", "rw"]) }, strict);
export type Mount = Static<typeof MountSchema>;

/** Secrets by the name of the environment variable that holds their placeholder. */
export const SecretsSchema = Type.Record(Type.String({ maxLength: limits.envNameBytes }), SecretRefSchema, {
  maxProperties: 64,
});
