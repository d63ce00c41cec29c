import { expect, test } from "vitest";
import { covers, Placeholders, type GrantedSecret } from "../../src/secrets/placeholders.js";

const value = "sk-wert-äöü";
/** As headers hold it. */
const bytes = (text: string) => Buffer.from(text).toString("latin1");
const grant = (more: Partial<GrantedSecret> = {}): GrantedSecret => ({
  ...{ env: "API_KEY", name: "api-key", hosts: ["api.example.com", "*.wild.example"], header: null },
  ...more,
});
const made = (...secrets: GrantedSecret[]) => new Placeholders(secrets, (name) => `${value}:${name}`);

test("a placeholder is random, of one length, and the only thing the guest's environment holds", () => {
  const [one, other] = [made(grant()).env()["API_KEY"], made(grant()).env()["API_KEY"]];
  expect(one).toMatch(/^mvmsecret[0-9a-f]{40}$/);
  expect(one).not.toBe(other);
});

test("the value stands where the placeholder stood, in plain, Bearer and Basic credentials, for a bound host", () => {
  const placeholders = made(grant());
  const placeholder = placeholders.env()["API_KEY"] ?? "";
  const full = `${value}:api-key`;
  expect(placeholders.substitute("api.example.com", "authorization", `Bearer ${placeholder}`)).toEqual({
    ...{ text: `Bearer ${bytes(full)}`, sent: ["api-key"], kept: [] },
  });
  expect(placeholders.substitute("x.wild.example", "x-api-key", placeholder).text).toBe(bytes(full));
  const basic = `Basic ${Buffer.from(`us\xe9r:${placeholder}`, "latin1").toString("base64")}`;
  const { text } = placeholders.substitute("api.example.com", "authorization", basic);
  const sent = Buffer.from(text.replace("Basic ", ""), "base64");
  expect(sent).toEqual(Buffer.concat([Buffer.from("us\xe9r:", "latin1"), Buffer.from(full)]));
});

test("K-04: for every other host, header and sandbox the placeholder stays what it is, and the value is not even read", () => {
  const read: string[] = [];
  const placeholders = new Placeholders([grant({ header: "X-Key" })], (name) => (read.push(name), value));
  const placeholder = placeholders.env()["API_KEY"] ?? "";
  for (const [host, header] of [
    ["evil.example", "X-Key"],
    ["api.example.com.evil.example", "X-Key"],
    ["evilapi.example.com", "X-Key"],
    ["wild.example", "X-Key"],
    ["", "X-Key"],
    ["api.example.com", "authorization"],
  ] as const) {
    expect(placeholders.substitute(host, header, placeholder)).toEqual({
      text: placeholder,
      sent: [],
      kept: ["api-key"],
    });
  }
  const stranger = made(grant()).env()["API_KEY"] ?? "";
  expect(placeholders.substitute("api.example.com", "X-Key", stranger).text).toBe(stranger);
  const untouched = "Basic dXNlcjpwYXNz=";
  expect(placeholders.substitute("api.example.com", "X-Key", untouched).text).toBe(untouched);
  expect(read).toEqual([]);
  expect(placeholders.bound("api.example.com")).toBe(true);
  expect(placeholders.bound("evil.example")).toBe(false);
});

test("a wildcard covers what is below it, never the apex", () => {
  expect(covers("*.a.example", "b.a.example")).toBe(true);
  expect(covers("*.a.example", "c.b.a.example")).toBe(true);
  for (const host of ["a.example", ".a.example", "xa.example", "a.example.b"])
    expect(covers("*.a.example", host)).toBe(false);
});
