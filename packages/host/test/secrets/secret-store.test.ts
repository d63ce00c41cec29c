import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SecretStore } from "../../src/secrets/secret-store.js";

const value = "sk-live-geheim/+ä";

function store(): { store: SecretStore; directory: string; keys: string } {
  const root = mkdtempSync(join(tmpdir(), "mvm-secrets-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const [directory, keys] = [join(root, "secrets"), join(root, "keys/secrets.json")];
  return { store: new SecretStore(directory, keys), directory, keys };
}
const onlyFile = (directory: string): string => join(directory, readdirSync(directory)[0] ?? "none");
const everything = (directory: string): string =>
  readdirSync(directory)
    .map((name) => name + readFileSync(join(directory, name), "utf8"))
    .join("");

test("K-01: what is stored says where a value may go, and holds it in no readable form", () => {
  const { store: secrets, directory, keys } = store();
  const info = secrets.put("api-key", {
    value,
    hosts: ["API.Example.com", "*.example.org", "api.example.com"],
    header: "X-Key",
  });
  expect(info).toMatchObject({ name: "api-key", hosts: ["*.example.org", "api.example.com"], header: "X-Key" });
  expect(secrets.value("api-key")).toBe(value);
  expect(JSON.stringify(secrets.list())).not.toContain("geheim");
  for (const encoding of ["utf8", "base64", "hex"] as const) {
    expect(everything(directory)).not.toContain(Buffer.from(value).toString(encoding).slice(0, 12));
  }
  expect(readdirSync(directory).join()).not.toContain("api-key");
  expect(statSync(keys).mode & 0o777).toBe(0o600);
  expect(statSync(onlyFile(directory)).mode & 0o777).toBe(0o600);
});

test("storing again replaces the value and keeps the day it was made; removing forgets it", () => {
  const { store: secrets, directory } = store();
  const first = secrets.put("a", { value, hosts: ["a.example"] });
  const second = secrets.put("a", { value: `${value}2`, hosts: [] });
  expect(second.created_at).toBe(first.created_at);
  expect(secrets.find("a")?.hosts).toEqual([]);
  expect(secrets.value("a")).toBe(`${value}2`);
  secrets.put("A", { value });
  expect(secrets.list().map(({ name }) => name)).toEqual(["A", "a"]);
  expect(secrets.remove("a")).toBe(true);
  expect(secrets.remove("a")).toBe(false);
  expect(readdirSync(directory)).toHaveLength(1);
  expect(() => secrets.value("a")).toThrow("missing");
});

test.each<[string, string, string]>([
  ["a name that is a path", "../x", value],
  ["a name that is a value", "sk live", value],
  ["a value that redaction could not find", "a", "1234567"],
  ["a value with a line break", "a", `${value}\r\nX-Admin: 1`],
  ["a value with NUL", "a", `${value}\0`],
  ["a value that is not Unicode", "a", `${value}\ud800`],
])("K-08, K-13: %s is refused, and no message repeats it", (_what, name, text) => {
  const { store: secrets } = store();
  const error: unknown = (() => {
    try {
      return secrets.put(name, { value: text });
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toMatchObject({ name: "InvalidArgumentError" });
  expect(String(error)).not.toContain("geheim");
  expect(secrets.list()).toEqual([]);
});

test("a record that was changed in any field, or put under another name, gives no value", () => {
  const { store: secrets, directory } = store();
  secrets.put("a", { value, hosts: ["a.example"] });
  const path = onlyFile(directory);
  const text = readFileSync(path, "utf8");
  const record = JSON.parse(text) as Record<string, unknown>;
  const flip = (encoded: unknown): string => {
    const bytes = Buffer.from(String(encoded), "base64");
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    return bytes.toString("base64");
  };
  const changes: Record<string, unknown>[] = [
    { hosts: ["evil.example"] },
    { hosts: ["a.example", "evil.example"] },
    { header: "x" },
    { created_at: "2020-01-01T00:00:00.000Z" },
    ...["nonce", "ciphertext", "tag"].map((field) => ({ [field]: flip(record[field]) })),
    { tag: String(Buffer.from(String(record["tag"]), "base64").subarray(0, 4).toString("base64")) },
    { key_id: "0000" },
    { name: "b" },
  ];
  for (const change of changes) {
    writeFileSync(path, JSON.stringify({ ...record, ...change }));
    expect(() => secrets.value("a"), JSON.stringify(change)).toThrow(/Cannot use secret "a"/);
  }
  writeFileSync(path, text);
  expect(secrets.value("a")).toBe(value);
});

test("rotation gives every secret a new key, and the old one is gone", () => {
  const { store: secrets, directory, keys } = store();
  for (let n = 0; n < 5; n++) secrets.put(`s${n}`, { value: `${value}${n}`, hosts: ["a.example"] });
  const old = readFileSync(keys, "utf8");
  const before = everything(directory);
  expect(secrets.rotate()).toBe(5);
  expect(secrets.list().map(({ name }) => secrets.value(name))).toEqual([0, 1, 2, 3, 4].map((n) => `${value}${n}`));
  const { current } = JSON.parse(old) as { current: string };
  expect(readFileSync(keys, "utf8")).not.toContain(current);
  expect(everything(directory)).not.toContain(current);
  // A crash before the last secret was encrypted anew: both keys are known, so nothing is lost.
  const half = JSON.parse(readFileSync(keys, "utf8")) as { keys: Record<string, string> };
  writeFileSync(keys, JSON.stringify({ ...half, keys: { ...half.keys, ...(JSON.parse(old) as typeof half).keys } }));
  writeFileSync(onlyFile(directory), before.slice(before.indexOf("{"), before.indexOf("}") + 1));
  expect(secrets.list()).toHaveLength(5);
  for (const { name } of secrets.list()) expect(secrets.value(name)).toContain(value);
});

test("a key that others could have read is refused", () => {
  const { store: secrets, keys } = store();
  secrets.put("a", { value });
  chmodSync(keys, 0o644);
  expect(() => secrets.put("b", { value })).toThrow("private");
});
