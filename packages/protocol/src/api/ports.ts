import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { strict } from "./shapes.js";

const port = Type.Integer({ minimum: 1, maximum: limits.portMax });

/** One forwarded port: connections to the host's address and port reach the guest's loopback at its port. */
export const PortInfoSchema = Type.Object(
  { host_address: Type.String({ maxLength: limits.addressLength }), host_port: port, guest_port: port },
  strict,
);
export type PortInfo = Static<typeof PortInfoSchema>;

/** Body of `POST …/ports`. Both ports are explicit; `host_port` 0 takes any that is free. */
export const PortForwardBodySchema = Type.Object(
  {
    /** Default 127.0.0.1. */
    host_address: Type.Optional(Type.String({ minLength: 1, maxLength: limits.addressLength })),
    host_port: Type.Integer({ minimum: 0, maximum: limits.portMax }),
    guest_port: port,
  },
  strict,
);
export type PortForwardBody = Static<typeof PortForwardBodySchema>;
export const PortListSchema = Type.Object({ ports: Type.Array(PortInfoSchema) }, strict);
export type PortListDocument = Static<typeof PortListSchema>;
export const PortRemovedSchema = Type.Object({ removed: Type.Literal(true) }, strict);
export const PortRefSchema = Type.Object(
  {
    ref: Type.String({ minLength: 1, maxLength: 128 }),
    host_port: Type.String({ pattern: "^[1-9][0-9]{0,4}$" }),
  },
  strict,
);
