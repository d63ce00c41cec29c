import { NetworkPolicy, type Sandbox, SecretRef } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { makeAuthority, operatorNetwork, type Outside, serveHttps } from "../support/outside.js";
import { text, useScene } from "../support/scene.js";

const value = "sk-live-Kanarienvogel/42+7";
const names = ["api.test", "other.test"];
const scene = useScene();
const authority = makeAuthority(names);
const network = names.reduce((policy, name) => policy.allowHttps(name), NetworkPolicy.denyByDefault());
const secrets = { API_KEY: SecretRef.from("api-key") };
/** What the server saw in Authorization, by the host it was for. */
const seen: string[] = [];
let server: Outside;
let sandbox: Sandbox;

beforeAll(async () => {
  server = await serveHttps(authority, (request, response) => {
    seen.push(`${request.headers.host} ${request.headers.authorization ?? "-"}`);
    if (request.url === "/echo") return void response.end(request.headers.authorization);
    request.pipe(response);
  });
  const overrides = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${server.port}`]));
  operatorNetwork(scene.home, { overrides, authorities: [authority.ca] });
  await put("api-key", value);
  sandbox = await scene.sandbox({ image: "python", network, secrets, memoryMb: 512, ttlSeconds: 900 });
});
afterAll(() => server.close());

async function put(name: string, stored: string): Promise<void> {
  const { code, stderr } = await cli(["secret", "put", name, "--host", "api.test"], {
    home: scene.home,
    stdin: stored,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

const bearer = `-H "Authorization: Bearer $API_KEY"`;

it("K-03 K-04 curl: the server alone sees the value; the guest has a placeholder and no key", async () => {
  expect(await text(sandbox, "echo $API_KEY")).toMatch(/^mvmsecret[0-9a-f]{40}$/);
  expect(await text(sandbox, `curl -sS ${bearer} -d body https://api.test/x`)).toBe("body");
  expect(seen.splice(0)).toEqual([`api.test Bearer ${value}`]);
});
