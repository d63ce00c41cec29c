import { ask, refusal, smallBodyOf } from "../release/http.js";
import { SourceError } from "../release/source-error.js";
import { maxDocumentBytes } from "./limits.js";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What a registry wants to see, from its `WWW-Authenticate`. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Asker {
  readonly base: string;
  readonly repository: string;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
  readonly answerMs: number;
}

export function parseChallenge(header: string): Challenge {
  const [, scheme = "", rest = ""] = /^\s*([A-Za-z]+)\s*(.*)$/.exec(header) ?? [];
  const parameters = [...rest.matchAll(/([a-zA-Z_]+)="([^"]*)"/g)].map(
    ([, key = "", value = ""]) => [key, value] as const,
  );
  return { scheme: scheme.toLowerCase(), parameters: new Map(parameters) };
}

/**
 * The `Authorization` that answers a challenge; undefined where nothing can. A token is asked for this repository alone, to be
 * read. A password goes over https only, or to the host the registry itself is on.
 * @throws {SourceError}
 */
export async function bearerToken({ scheme, parameters }: Challenge, asker: Asker): Promise<string | undefined> {
  const { credentials, repository, signal } = asker;
  const basic = credentials && `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`;
  if (scheme === "basic") return basic;
  const realm = parameters.get("realm");
  if (scheme !== "bearer" || realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  const registry = new URL(asker.base);
  const mayCarry =
    url.protocol === "https:" ||
    (url.protocol === "http:" && url.hostname === registry.hostname && registry.protocol === "http:");
  if (!mayCarry) throw new SourceError("permanent", "the registry wants tokens from an address without https");
  const service = parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", `repository:${repository}:pull`);
  const headers: Record<string, string> = basic === undefined ? {} : { authorization: basic };
  const response = await ask(url, { headers, redirect: "error" }, signal, asker.answerMs);
  if (!response.ok) {
    await response.body?.cancel();
    const problem = refusal(response);
    if (problem.kind === "transient") throw problem;
    return undefined;
  }
  const bytes = await smallBodyOf(response, maxDocumentBytes, signal, asker.answerMs);
  const answer = parseAnswer(bytes);
  const token = answer.token ?? answer.access_token;
  // A line break in it would add headers.
  return typeof token === "string" && /^[\x21-\x7e]{1,65536}$/.test(token) ? `Bearer ${token}` : undefined;
}

function parseAnswer(bytes: Buffer | undefined): { token?: unknown; access_token?: unknown } {
  try {
    return (JSON.parse(bytes?.toString("utf8") ?? "") ?? {}) as object;
  } catch {
    return {};
  }
}
