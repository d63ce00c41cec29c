import { type Static, Type } from "@sinclair/typebox";

const strict = { additionalProperties: false } as const;
const nonce = Type.String({ pattern: "^[0-9a-f]{32}$" });

/** The generation of the channel this package speaks. */
export const channelGeneration = 1;

/** First message of a session, from the host. */
export const HelloSchema = Type.Object({ gen: Type.Integer({ minimum: 0 }), nonce }, strict);
export type Hello = Static<typeof HelloSchema>;

/** The agent's answer: the same nonce, its own generation, what it can do. */
export const WelcomeSchema = Type.Object(
  {
    gen: Type.Integer({ minimum: 0 }),
    nonce,
    agent: Type.String({ maxLength: 64 }),
    caps: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 64 }),
  },
  strict,
);
export type Welcome = Static<typeof WelcomeSchema>;

/** What makes a machine itself after a start, restore or adoption. `entropy` is 64 bytes in base64. */
export const ResumeSchema = Type.Object(
  {
    time_ns: Type.String({ pattern: "^[0-9]{1,20}$" }),
    entropy: Type.String({ minLength: 88, maxLength: 88 }),
    hostname: Type.String({ minLength: 1, maxLength: 64 }),
    machine_id: Type.String({ pattern: "^[0-9a-f]{32}$" }),
    env: Type.Record(Type.String(), Type.String()),
    /** Certificate that programs shall believe, PEM. */
    authority: Type.Optional(Type.String()),
    adopted: Type.Boolean(),
  },
  strict,
);
export type Resume = Static<typeof ResumeSchema>;

/** The agent is ready for requests. */
export const ResumedSchema = Type.Object({}, strict);
export type Resumed = Static<typeof ResumedSchema>;
