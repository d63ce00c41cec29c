import { expect, test } from "vitest";
import { portBinding } from "../src/args/port-binding.js";
import { run } from "./support/cli.js";
import { json, sandboxInfo, StandingDaemon } from "./support/standing-daemon.js";

test("L-04 a binding names both ends; addresses are kept, everything else is refused", () => {
  const table: Record<string, object> = {
    "8080:80": { host_port: 8080, guest_port: 80 },
    "0:80": { host_port: 0, guest_port: 80 },
    "127.0.0.1:8080:80": { host_address: "127.0.0.1", host_port: 8080, guest_port: 80 },
    "localhost:1:65535": { host_address: "localhost", host_port: 1, guest_port: 65_535 },
    "[::1]:8080:80": { host_address: "::1", host_port: 8080, guest_port: 80 },
  };
  for (const [text, binding] of Object.entries(table)) expect(portBinding.parse(text), text).toEqual(binding);
  const bad = [
    "",
    "80",
    ":",
    "80:",
    ":80",
    "80abc:80",
    "65536:80",
    "80:0",
    "80:65536",
    "-1:80",
    "::1:80:80",
    "a:b:c:d",
  ];
  for (const text of [...bad, "1e3:80", " 80:80", "80:80 "])
    expect(() => portBinding.parse(text), text).toThrow("Cannot");
});

test("ports forward, ls and rm say what leads where; ls of sandboxes shows it as well", async () => {
  const port = { host_address: "::1", host_port: 4000, guest_port: 80 };
  const daemon = await StandingDaemon.start({
    "POST /v1/sandboxes/box/ports": json(port),
    "GET /v1/sandboxes/box/ports": json({ ports: [port] }),
    "DELETE /v1/sandboxes/box/ports/4000": json({ removed: true }),
    "GET /v1/sandboxes": json({ sandboxes: [{ ...sandboxInfo(), ports: [port] }] }),
  });
  try {
    const text = async (...args: string[]) => (await run(args, { home: daemon.home })).stdout.toString();
    expect(await text("ports", "forward", "box", "[::1]:4000:80")).toBe("[::1]:4000 leads to port 80 of box\n");
    expect(JSON.parse(await text("ports", "forward", "box", "0:80", "--json"))).toMatchObject({
      ...{ schema_version: 1, host_port: 4000, url: "http://[::1]:4000" },
    });
    expect(await text("ports", "ls", "box")).toMatch(/ADDRESS +HOST PORT +GUEST PORT\n::1 +4000 +80\n/);
    expect(await text("ports", "rm", "box", "4000")).toBe("Port 4000 no longer leads to box\n");
    expect(await text("ls")).toContain("[::1]:4000:80");
  } finally {
    await daemon.stop();
  }
});
