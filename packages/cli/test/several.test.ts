import { afterEach, expect, test } from "vitest";
import { documentOf, run } from "./support/cli.js";
import { failure, json, sandboxInfo, StandingDaemon } from "./support/standing-daemon.js";

let daemon: StandingDaemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});

const gone = failure("SandboxUnavailable", "SANDBOX_NOT_FOUND", 404);
const invalid = failure("InvalidArgumentError", "INVALID_ARGUMENT", 400);
const verbs = [
  ["destroy", "sandboxes", (ref: string) => `DELETE /v1/sandboxes/${ref}`, { destroyed: true, guarantee: "gone" }],
  ["stop", "sandboxes", (ref: string) => `POST /v1/sandboxes/${ref}/stop`, sandboxInfo({ state: "stopped" })],
  ["snapshot rm", "snapshots", (ref: string) => `DELETE /v1/snapshots/${ref}`, { removed: true }],
] as const;

test.each(verbs)("%s does every name, says what became of each, and exits as the first that failed", async (...row) => {
  const [verb, field, path, answer] = row;
  daemon = await StandingDaemon.start({
    [path("a")]: gone,
    [path("b")]: json(answer),
    [path("c")]: invalid,
    [path("d")]: json(answer),
  });
  const { home } = daemon;
  const argv = [...verb.split(" "), "a", "b", "c", "d"];
  const plain = await run(argv, { home });
  expect(plain.code).toBe(69);
  expect(plain.stderr.match(/\[\w+\]/g)).toEqual(["[SANDBOX_NOT_FOUND]", "[INVALID_ARGUMENT]"]);
  const said = plain.stdout.toString().trimEnd().split("\n");
  expect(said.length).toBe(verb === "destroy" ? 3 : 2);
  expect(said.filter((line) => line === "gone").length).toBe(verb === "destroy" ? 1 : 0);
  const ran = await run([...argv, "--json"], { home });
  expect(ran.code).toBe(69);
  expect(documentOf(ran)).toMatchObject({
    schema_version: 1,
    [field]: [
      { ref: "a", error: { code: "SANDBOX_NOT_FOUND" } },
      answer,
      { ref: "c", error: { code: "INVALID_ARGUMENT" } },
      answer,
    ],
  });
});

test.each(verbs)("%s of one name prints its document alone, and its failure as the error document", async (...row) => {
  const [verb, , path, answer] = row;
  daemon = await StandingDaemon.start({ [path("a")]: gone, [path("b")]: json(answer) });
  const { home } = daemon;
  expect(documentOf(await run([...verb.split(" "), "b", "--json"], { home }))).toMatchObject(answer);
  const failed = await run([...verb.split(" "), "a", "--json"], { home });
  expect([failed.code, documentOf(failed).error?.code]).toEqual([69, "SANDBOX_NOT_FOUND"]);
});
