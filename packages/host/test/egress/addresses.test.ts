import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { classifyAddress } from "../../src/egress/addresses.js";

test.each([
  "93.184.215.14",
  "1.1.1.1",
  "172.15.255.255",
  "172.32.0.1",
  "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
  "2001:4860:4860::8888",
])("%s is public", (address) => expect(classifyAddress(address)).toBe("public"));

test.each([
  ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ...["169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.1", "198.18.0.1"],
  ...["198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"],
  ...[
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
  ],
  ...[
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fe80::1",
    "fe80::1%eth0",
  ],
  ...["fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"],
  ...["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "localhost", "", "1.2.3", "2130706433", "0x7f.0.0.1"],
])("N-04 N-08 %s is not public", (address) => {
  expect(classifyAddress(address)).not.toBe("public");
});

test("N-09 an address of this host is not public, whatever its range", () => {
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  expect(own.length).toBeGreaterThan(0);
  for (const { address } of own) expect(classifyAddress(address), address).not.toBe("public");
});
