import { type Credentials, parsePlace, pullImage, type ResolvedImage } from "@mvm/images";
import { type ImagePullRequest, InvalidArgumentError } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";
import type { BuildControl } from "./image-access.js";
import { registryRules } from "./registry-rules.js";
import { ruleFor } from "./trust-rules.js";

/** Brings an image from a registry or an archive into the store, as the operator's rules allow, and signed by who they name. */
export async function pullForClient(
  services: Services,
  request: ImagePullRequest,
  control: BuildControl,
): Promise<ResolvedImage> {
  const { place, name, digest, plain_http: plainHttp } = request;
  const rules = registryRules(services.home.policy);
  const { requireDigest } = rules;
  const from = parsePlace(place);
  const trust = from.kind === "registry" ? ruleFor(rules.trust, from)?.trust : undefined;
  const credentials = request.credentials === undefined ? undefined : login(services, place, request.credentials);
  return await pullImage({
    ...{ home: services.home.root, place, name, digest, plainHttp, requireDigest, credentials, trust },
    ...control,
  });
}

/** A stored secret goes to no registry that it is not bound to. */
function login({ secrets }: Services, text: string, secret: string): Credentials {
  const place = parsePlace(text);
  const host = place.kind === "registry" ? place.registry.replace(/:\d+$/, "") : undefined;
  const found = secrets.find(secret);
  if (host === undefined || found === undefined || !found.hosts.includes(host)) {
    const why =
      host === undefined
        ? "an archive needs none"
        : found === undefined
          ? "there is none of that name"
          : `it is not bound to ${host}`;
    throw new InvalidArgumentError({
      message: `Cannot use secret "${secret}" for the registry: ${why}`,
      hint: `Store it with \`mvmctl secret put ${secret} --host ${host ?? "REGISTRY"}\`; its value is USER:PASSWORD`,
      context: { pointer: "/credentials" },
    });
  }
  const value = secrets.value(secret);
  const colon = value.indexOf(":");
  if (colon > 0) return { user: value.slice(0, colon), password: value.slice(colon + 1) };
  throw new InvalidArgumentError({
    message: `Cannot use secret "${secret}" for the registry: its value is not USER:PASSWORD`,
    context: { pointer: "/credentials" },
  });
}
