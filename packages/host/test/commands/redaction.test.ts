import { expect, test } from "vitest";
import { redacted } from "../../src/logs/redact.js";
import { testDaemon } from "../fixture/daemon.js";
import type { Loose } from "../fixture/api-client.js";

const secret = 'sk-live-"geheim"/42';

async function box() {
  const made = await testDaemon();
  const lease = await made.api.stream("POST", "/v1/sandboxes", { name: "box" });
  await lease.until("created");
  const sandbox = made.daemon.services.registry.get("box", "test");
  sandbox.logs.redactor.protect([secret]);
  const run = (command: object): Promise<Loose[]> => made.api.lines("POST", "/v1/sandboxes/box/processes", command);
  return { ...made, sandbox, run };
}

test("K-12: results and streams hold no secret, raw or encoded, however the guest cuts its writes", async () => {
  const { run } = await box();
  const shell =
    'for p in "sk-l" "ive-\\"geh" "eim\\"/4" "2 end"; do printf %s "$p"; sleep 0.05; done; printf %s "$S" | base64 >&2';
  const lines = await run({ shell, env: { S: secret }, stream: true });
  expect(JSON.stringify(lines)).not.toContain("geheim");
  const result = lines.at(-1).result;
  expect(result).toMatchObject({ stdout: `${redacted} end`, exit_code: 0 });
  expect(Buffer.from(result.stderr, "base64").toString()).not.toContain("geheim");
  const streamed = lines.filter(({ event }) => event === "stdout").map(({ data }) => Buffer.from(data, "base64"));
  expect(Buffer.concat(streamed).toString()).toBe(`${redacted} end`);
  // What could have been the beginning of a value comes when the command ends.
  expect((await run({ shell: "printf sk-live" })).at(-1).result.stdout).toBe("sk-live");
  // As does everything of a flood that holds none.
  const flood = (await run({ shell: "yes sk-li | head -c 300000" })).at(-1).result;
  expect(flood).toMatchObject({ stdout_bytes: 300_000, stdout: "sk-li\n".repeat(50_000) });
});

test("K-12: a redactor that fails withholds the output and is an error, never a pass-through", async () => {
  const { sandbox, run } = await box();
  Object.defineProperty(sandbox.logs.redactor, "stream", {
    value: () => ({
      push: () => {
        throw new Error("broken");
      },
      flush: () => Buffer.alloc(0),
    }),
  });
  const lines = await run({ shell: `printf %s '${secret}'; sleep 600`, stream: true });
  expect(lines.at(-1)).toMatchObject({ event: "error", error: { code: "REDACTION_FAILED", outcome: "unknown" } });
  expect(JSON.stringify(lines)).not.toContain("geheim");
});
