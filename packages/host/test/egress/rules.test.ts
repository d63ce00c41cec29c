import type { NetworkRule } from "@mvm/protocol";
import { validateHost } from "@mvm/protocol";
import { expect, test } from "vitest";
import { compileRules } from "../../src/egress/rules.js";
import { randomOf, seed } from "../../../protocol/test/support/seed.js";

const rule = (host: string, port = 443, protocol: NetworkRule["protocol"] = "https"): NetworkRule => ({
  ...{ host, port, protocol },
});
const compile = (...allow: NetworkRule[]) => compileRules({ default: "deny", allow });

test("N-02 an empty list allows nothing", () => {
  expect(compile().match("example.com", 443)).toBeUndefined();
  expect(compile().guest).toEqual([]);
});

test("N-03 a name is that name and no other", () => {
  const rules = compile(rule("example.com"));
  expect(rules.match("example.com", 443)).toBeDefined();
  for (const other of [
    "notexample.com",
    "example.com.evil",
    "sub.example.com",
    "example.co",
    "example.com.",
    "EXAMPLE.com",
    "",
  ]) {
    expect(rules.match(other, 443), other).toBeUndefined();
  }
  expect(rules.match("example.com", 80)).toBeUndefined();
});

test("N-03 a wildcard is one label or more, never the apex", () => {
  const rules = compile(rule("*.example.com"));
  for (const below of ["a.example.com", "a.b.example.com"]) expect(rules.match(below, 443), below).toBeDefined();
  for (const other of ["example.com", "xexample.com", ".example.com", "a.example.com.evil"]) {
    expect(rules.match(other, 443), other).toBeUndefined();
  }
});

test("N-03 rules are written in one way, whatever was typed", () => {
  expect(validateHost("API.Example.COM.")).toBe("api.example.com");
  expect(validateHost("*.Bücher.example")).toBe("*.xn--bcher-kva.example");
  expect(validateHost("example。com")).toBe("example.com");
  // Cyrillic а: another name, and visibly so.
  expect(validateHost("ex\u0430mple.com")).toBe("xn--exmple-4nf.com");
  for (const spelling of [
    ...["", ".", "*", "*.", "**.a", "a.*.b", "*a.b", "a..b", "a b", "a/b", "a:1", "u@a", "a#b", "a?b", "a%41", "a\0b"],
    ...[
      "127.1",
      "0x7f.0.0.1",
      "2130706433",
      "017700000001",
      "0",
      "127.0.0.1.",
      "127.0.0.01",
      "*.127.0.0.1",
      "１２７.0.0.1",
    ],
    ...["::1", "[::1]", "fe80::1%eth0", "::ffff:127.0.0.1", "a".repeat(64), `${"a.".repeat(130)}a`, 7, null],
  ]) {
    expect(() => validateHost(spelling), String(spelling)).toThrow();
  }
});

test("tcp wins, then the exact name, then the first", () => {
  const rules = compile(rule("*.a.test"), rule("b.a.test", 443, "http"), rule("*.test", 443, "tcp"));
  expect(rules.match("b.a.test", 443)?.protocol).toBe("tcp");
  expect(compile(rule("*.a.test"), rule("b.a.test", 443, "http")).match("b.a.test", 443)?.protocol).toBe("http");
});

test("an address is named by a rule of its own, for its port", () => {
  const rules = compile(rule("10.0.0.5", 5432, "tcp"), rule("*.0.0.5", 80, "tcp"));
  expect(rules.namesAddress("10.0.0.5", 5432)).toBe(true);
  expect(rules.namesAddress("10.0.0.5", 80)).toBe(false);
  expect(rules.match("10.0.0.5", 80)).toBeUndefined();
});

/** The same question asked rule by rule, in as few words as possible. */
function reference(allow: readonly NetworkRule[], host: string, port: number): boolean {
  return allow.some((one) => {
    if (one.port !== port) return false;
    if (!one.host.startsWith("*.")) return one.host === host;
    const suffix = one.host.slice(1);
    return host.endsWith(suffix) && host.length > suffix.length && !host.startsWith(".");
  });
}

test(`N-19 a hundred thousand random questions get the reference's answer (seed ${seed})`, () => {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const name = (): string =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(["a", "b", "aa", "test"])).join(".");
  for (let n = 0; n < 20_000; n++) {
    const allow = Array.from({ length: Math.floor(random() * 5) }, () =>
      rule(random() < 0.4 ? `*.${name()}` : name(), pick([80, 443]), pick(["https", "http", "tcp"])),
    );
    const rules = compile(...allow);
    for (let asked = 0; asked < 5; asked++) {
      const [host, port] = [name(), pick([80, 443])];
      expect(rules.match(host, port) !== undefined, JSON.stringify({ allow, host, port })).toBe(
        reference(allow, host, port),
      );
    }
  }
});
