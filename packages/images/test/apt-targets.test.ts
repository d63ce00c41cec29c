import { expect, test } from "vitest";
import { parseAptTargets, pickDebianTarget, signedByOf } from "../src/apt-targets.js";
import { withoutCredentials } from "../src/debian-source.js";
import { downloadOptions } from "../src/host-apt-options.js";

const row = (...fields: string[]): string => fields.join("\t");
const table = [
  row(
    "http://security.test/debian-security/",
    "bookworm-security",
    "oldstable",
    "main",
    "Debian",
    "amd64",
    "/s.sources:2",
  ),
  row("http://other.test/", "bookworm", "$(SUITE)", "main", "Other", "amd64", "/o.list:1"),
  row("http://mirror.test/debian/", "bookworm", "oldstable", "contrib", "Debian", "amd64", "/s.sources:1"),
  row("http://mirror.test/debian/", "bookworm", "oldstable", "main", "Debian", "amd64", "/s.sources:1"),
].join("\n");

test("the release itself is picked, not its security archive, another vendor's or another component", () => {
  expect(pickDebianTarget(parseAptTargets(table))).toMatchObject({
    uri: "http://mirror.test/debian/",
    codename: "bookworm",
    entry: "/s.sources:1",
  });
  expect(parseAptTargets(table)[1]?.suite).toBe("");
  expect(pickDebianTarget(parseAptTargets(""))).toBeUndefined();
});

test("the key file comes from the stanza or the line of that entry", () => {
  const stanzas =
    "# note\n\nTypes: deb\nURIs: a\nSigned-By: /keys/one.gpg\n\nTypes: deb\nURIs: b\nSigned-By: /keys/two.gpg\n";
  expect(signedByOf("/etc/apt/x.sources:1", stanzas)).toBe("/keys/one.gpg");
  expect(signedByOf("/etc/apt/x.sources:2", stanzas)).toBe("/keys/two.gpg");
  const lines = "# first\ndeb [arch=amd64 signed-by=/keys/l.gpg] http://mirror.test bookworm main\ndeb http://b c d\n";
  expect(signedByOf("/etc/apt/x.list:2", lines)).toBe("/keys/l.gpg");
  expect(signedByOf("/etc/apt/x.list:3", lines)).toBeUndefined();
});

test("an inline key is not taken for a file", () => {
  expect(signedByOf("/x.sources:1", "Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n")).toBeUndefined();
});

test("records never hold the credentials of a mirror", () => {
  expect(withoutCredentials("https://user:pass@mirror.test/debian?token=1")).toBe("https://mirror.test/debian");
});

test("proxy, certificate and date settings are inherited, the rest is not", () => {
  const dump = [
    'Acquire::http::Proxy "http://proxy.test:3128";',
    'Acquire::http::Timeout "";',
    'Acquire::Check-Valid-Until "false";',
    'APT::Architecture "amd64";',
    'Acquire::Languages "none";',
  ].join("\n");
  expect(downloadOptions(dump)).toEqual([
    'Acquire::http::Proxy "http://proxy.test:3128"',
    'Acquire::Check-Valid-Until "false"',
  ]);
});
