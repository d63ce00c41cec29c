import { NetworkPolicy, type Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeAuthority, operatorNetwork, type Outside, serveHttps, trust } from "../support/outside.js";
import { makeRegistries } from "../support/registries.js";
import { sh, text, useScene } from "../support/scene.js";

const names = ["web.test", "pypi.test", "npm.test", "git.test"];
const scene = useScene();
const authority = makeAuthority(names);
const registries = makeRegistries();
const network = names.reduce((policy, name) => policy.allowHttps(name), NetworkPolicy.denyByDefault());
/** Installing is slow where the machine is emulated. */
const patient = { timeoutSeconds: 300 };
let server: Outside;

beforeAll(async () => {
  server = await serveHttps(authority, (request, response) => {
    if (request.headers.host !== "web.test") registries.listener(request, response);
    else request.pipe(response);
  });
  const overrides = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${server.port}`]));
  operatorNetwork(scene.home, { overrides });
});
afterAll(async () => {
  await server.close();
  registries.remove();
});

async function ready(image: string): Promise<Sandbox> {
  const sandbox = await scene.sandbox({ image, network, memoryMb: 1024, env: { NODE_EXTRA_CA_CERTS: trusted } });
  await trust(sandbox, authority);
  return sandbox;
}

/** Node brings certificates of its own. */
const trusted = "/etc/ssl/certs/test-ca.pem";

describe("programs of the python image, unmodified", () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await ready("python");
  });

  it("curl posts and gets back what it posted", async () => {
    expect(await text(sandbox, "head -c 300000 /dev/zero | curl -sS --data-binary @- https://web.test/ | wc -c")).toBe(
      "300000",
    );
  });

  it("Python's urllib", async () => {
    const script = `import urllib.request; print(urllib.request.urlopen("https://web.test/", b"body").read())`;
    expect(await text(sandbox, `python3 -c '${script}'`)).toBe("b'body'");
  });

  it("git clone", async () => {
    expect(await text(sandbox, "git clone -q https://git.test/project.git && cat project/README", patient)).toBe(
      "from a local git server",
    );
  });

  it("pip install", async () => {
    const install = "pip install -q --no-input --index-url https://pypi.test/simple/ --target lib tiny";
    const { exitCode, stderr } = await sh(sandbox, install, patient);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(await text(sandbox, "PYTHONPATH=lib python3 -c 'import tiny; print(tiny.origin)'")).toBe("a local index");
  }, 400_000);
});

describe("programs of the node image, unmodified", () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await ready("node");
  });

  it("Node's fetch", async () => {
    const script = `fetch("https://web.test/", { method: "POST", body: "body" }).then(async (r) => console.log(await r.text()))`;
    expect((await sandbox.commands.run(["node", "-e", script], patient)).stdout).toBe("body\n");
  });

  it("npm install", async () => {
    const install = "npm install --silent --no-audit --no-fund --no-update-notifier --registry https://npm.test/ tiny";
    const { exitCode, stdout, stderr } = await sh(sandbox, install, patient);
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
    expect(await text(sandbox, `node -p 'require("tiny")'`)).toBe("a local registry");
  }, 400_000);
});
