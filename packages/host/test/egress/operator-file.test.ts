import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OperatorFile, parseOperatorNetwork } from "../../src/egress/operator-file.js";
import { createLog } from "../../src/observe/log.js";
import { temporaryHome } from "../fixture/daemon.js";

const log = createLog({ write: () => undefined });
const parse = (document: unknown) => parseOperatorNetwork(Buffer.from(JSON.stringify(document)));

test("names lead where the operator says, for one port or all", () => {
  const network = parse({
    overrides: {
      "API.test": "192.0.2.7",
      "db.test:5432": "127.0.0.1:15432",
      "six.test": "[2001:db8::1]:1",
      "v6.test": "::1",
    },
    resolvers: ["192.0.2.53", "127.0.0.1:5353", "::1"],
  });
  expect(network.override("api.test", 443)).toEqual({ address: "192.0.2.7", port: undefined });
  expect(network.override("db.test", 5432)).toEqual({ address: "127.0.0.1", port: 15432 });
  expect(network.override("db.test", 1)).toBeUndefined();
  expect(network.override("six.test", 9)).toEqual({ address: "2001:db8::1", port: 1 });
  expect(network.override("v6.test", 9)).toEqual({ address: "::1", port: undefined });
  expect(network.resolvers).toHaveLength(3);
});

test.each([
  [[]],
  [{ other: 1 }],
  [{ overrides: [] }],
  [{ overrides: { "a.test": "b.test" } }],
  [{ overrides: { "a.test": "127.1" } }],
  [{ overrides: { "*.test": "192.0.2.1" } }],
  [{ overrides: { "a.test:0": "192.0.2.1" } }],
  [{ overrides: { "a.test": 7 } }],
  [{ resolvers: ["dns.test"] }],
  [{ resolvers: "192.0.2.53" }],
])("refuses %j", (document) => {
  expect(() => parse(document)).toThrow();
});

test("a file is read again when it changes, and allows nothing while it is broken or not the operator's", () => {
  const home = temporaryHome();
  const path = join(home, "policy", "network.json");
  const file = new OperatorFile(home, log, join(home, "etc"));
  expect(file.current()?.override("a.test", 1)).toBeUndefined();
  mkdirSync(join(home, "policy"));
  const write = (text: string): void => {
    rmSync(path, { force: true });
    writeFileSync(path, text, { mode: 0o600 });
  };
  write('{"overrides":{"a.test":"192.0.2.1"}}');
  expect(file.current()?.override("a.test", 1)?.address).toBe("192.0.2.1");
  write('{"overrides":{"a.test":"192.0.2.1"}');
  expect(file.current()).toBeUndefined();
  write('{"overrides":{"a.test":"192.0.2.2"}}');
  expect(file.current()?.override("a.test", 1)?.address).toBe("192.0.2.2");
  chmodSync(path, 0o622);
  expect(file.current()).toBeUndefined();
  rmSync(path);
  symlinkSync("/dev/null", path);
  expect(file.current()).toBeUndefined();
  rmSync(path);
  mkdirSync(join(home, "etc"));
  writeFileSync(join(home, "etc", "network.json"), '{"overrides":{"a.test":"192.0.2.3"}}', { mode: 0o600 });
  expect(file.current()?.override("a.test", 1)?.address).toBe("192.0.2.3");
});
