import {
  InvalidArgumentError,
  type NetworkPolicyDocument,
  validateName,
  validateTags,
  validateTtlSeconds,
} from "@mvm/protocol";
import { NetworkPolicy } from "../network/policy.js";
import { defined } from "../wire/options.js";

/** How a sandbox made of captured state lives: as one that is created. */
export interface LifeOptions {
  /** Let it outlive this process; needs `ttlSeconds`. @default false */
  readonly detach?: boolean | undefined;
  /** Seconds, 1 to 30 days, after which it is destroyed. The source's time to live is not inherited. */
  readonly ttlSeconds?: number | undefined;
  /** Who answers for a detached sandbox. */
  readonly owner?: string | undefined;
  /** Added to the tags of the source. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** What may leave it. @default what the source was allowed when it was captured */
  readonly network?: NetworkPolicy | NetworkPolicyDocument | undefined;
}

/** The fields of a request that say how what is made lives. */
export function lifeRequest(what: string, { detach, ttlSeconds, owner, tags, network }: LifeOptions) {
  if (detach === true && ttlSeconds === undefined) {
    throw new InvalidArgumentError({
      message: `Cannot ${what} detached: there is no time to live`,
      hint: "Give `ttlSeconds`: what outlives its client has to end some time",
      context: { argument: "ttl" },
    });
  }
  return defined({
    detach,
    ttl_seconds: ttlSeconds === undefined ? undefined : validateTtlSeconds(ttlSeconds),
    owner,
    network: network === undefined ? undefined : NetworkPolicy.from(network).toJSON(),
    tags: tags === undefined ? undefined : validateTags(tags),
  });
}

/** A name, checked, where there is one. */
export function nameOf(name: string | undefined): string | undefined {
  return name === undefined ? undefined : validateName(name);
}
