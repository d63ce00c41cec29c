import { type CreateOptions, NetworkPolicy, Sandbox, SecretRef } from "@mvm/sdk";

const options: CreateOptions = {
  workloadId: "service",
  name: "web-1",
  profile: "standard",
  cpu: 2,
  memoryMb: 1024,
  diskMb: 4096,
  ttlSeconds: 600,
  idleSeconds: 300,
  env: { MODE: "weekly", EMPTY: "" },
  secrets: { API_KEY: SecretRef.from("api-key", { hosts: ["API.example.com"], header: "Authorization" }) },
  network: NetworkPolicy.denyByDefault()
    .allowHttps("api.example.com")
    .allowHttps("*.Example.org", 8443)
    .allowHttp("example.com")
    .allowTcp("192.0.2.7", 5432)
    .allowHttps("api.example.com"),
  tags: { team: "zürich 🏔", a: "" },
  backend: "qemu",
  accel: "auto",
  mounts: [{ host: "/srv/data", guest: "/data" }],
};
await using sandbox = await Sandbox.create("python", options);
await sandbox.files.write("/home/user/server.py", "print('served')\n");
await sandbox.commands.start(["python3", "server.py"], { env: { PORT: "8000" }, stdin: "none" });
const port = await sandbox.ports.forward({ hostPort: 18_080, guestPort: 8000, hostAddress: "127.0.0.1" });
await sandbox.ports.forward({ hostPort: 0, guestPort: 8001 });
console.log("the service will be at", port.url);
await port.close();
