import type { Socket } from "node:net";
import type { NetworkRule } from "@mvm/protocol";
import { type HelloResult, readClientHello } from "./client-hello.js";
import { Refusal } from "./decision.js";
import type { GuestConnection } from "./guest-connection.js";
import { type HeadResult, readRequestHead } from "./request-head.js";
import { splice, type Traffic } from "./splice.js";
import { type Substituting, substitute } from "./substituting.js";

/** One connection that a rule allows, before anybody outside has heard of it. */
export interface Carried {
  readonly host: string;
  readonly port: number;
  readonly guest: GuestConnection;
  readonly traffic: Traffic;
  /** Resolves, vets and connects. @throws {Refusal} */
  reach(): Promise<Socket>;
  /** How long the opening bytes may take. Milliseconds. */
  readonly openingMs: number;
}

/** Carries one connection to its end. Rejects with a {@link Refusal}, or with any error when the connection breaks. */
export type ConnectionHandler = (carried: Carried) => Promise<void>;

const handlers: { readonly [P in NetworkRule["protocol"]]: ConnectionHandler } = {
  https: checked(checkHello),
  http: checked(checkHead),
  tcp: async (carried) => splice(carried.guest, await carried.reach(), carried.traffic),
};

/** Who carries the connections of a rule; with `substituting`, those to a host that secrets are bound to. */
export function handlerFor(rule: NetworkRule, substituting?: Substituting): ConnectionHandler {
  if (rule.protocol !== "https" || substituting === undefined) return handlers[rule.protocol];
  return async (carried) => {
    await opening(carried, checkHello);
    await substitute(carried, substituting);
  };
}

/** Looks at opening bytes: returns how many there have to be to look again, or undefined when all is well. */
type OpeningCheck = (bytes: Uint8Array, carried: Carried) => number | undefined;

/** A handler that connects only after the program's first bytes have passed a check, and passes them on unchanged. */
function checked(check: OpeningCheck): ConnectionHandler {
  return async (carried) => {
    await opening(carried, check);
    await splice(carried.guest, await carried.reach(), carried.traffic);
  };
}

/** Waits for the opening bytes and checks them; they can be read again then. @throws {Refusal} */
async function opening(carried: Carried, check: OpeningCheck): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Refusal("silent")), carried.openingMs);
  });
  try {
    await Promise.race([readOpening(carried, check), silent]);
  } finally {
    clearTimeout(timer);
  }
}

async function readOpening(carried: Carried, check: OpeningCheck): Promise<void> {
  const chunks: Uint8Array[] = [];
  let held = 0;
  for (let needs: number | undefined = 1; needs !== undefined;) {
    const chunk = await carried.guest.read();
    if (chunk === null) throw new Refusal("silent");
    chunks.push(chunk);
    held += chunk.length;
    if (held >= needs) needs = check(Buffer.concat(chunks), carried);
  }
  carried.guest.unread(Buffer.concat(chunks));
}

function checkHello(bytes: Uint8Array, { host }: Carried): number | undefined {
  const hello: HelloResult = readClientHello(bytes);
  if (hello === "not_tls") throw new Refusal("not_tls");
  if ("needs" in hello) return hello.needs;
  if (hello.encrypted) throw new Refusal("encrypted_hello");
  if (hello.serverName === undefined) throw new Refusal("no_server_name");
  if (hello.serverName.toLowerCase() !== host) throw new Refusal("other_server_name");
  return undefined;
}

function checkHead(bytes: Uint8Array, { host, port }: Carried): number | undefined {
  const head: HeadResult = readRequestHead(bytes);
  if (head === "not_http") throw new Refusal("not_http");
  if ("needs" in head) return head.needs;
  if (head.host !== host || head.port !== port) throw new Refusal("other_host");
  return undefined;
}
