import type { Declaration } from "../../src/workload/index.js";

const digest = `sha256:${"5f".repeat(32)}`;

/** A workload that uses every field. */
export const full = {
  schema_version: "0.1",
  id: "etl",
  apps: [
    {
      name: "etl",
      sandbox_name: "etl-1",
      image: { kind: "oci_base", reference: "ghcr.io/acme/etl:1", digest },
      entrypoints: [
        {
          kind: "command",
          command: ["python3", "/app/main.py"],
          working_dir: "/app",
          env: { LEVEL: { kind: "literal", value: "debug" } },
          user: "root",
          timeout_ms: 60_000,
        },
      ],
      resources: { cpu_cores: 2, memory_mb: 1024, rootfs_size_mb: 4096 },
      env: {
        MODE: { kind: "literal", value: "dev" },
        API_KEY: {
          kind: "secret_ref",
          ref: {
            name: "api-key",
            mount: { kind: "env", var: "API_KEY" },
            hosts: ["api.example.com"],
            header: "authorization",
          },
        },
      },
      mounts: [{ target: "/data", source: { kind: "host_path", path: "/srv/data" }, mode: "ro" }],
      network: {
        mode: "bridge",
        ports: [{ guest: 8000, host: 0, proto: "tcp", host_address: "127.0.0.1" }],
        egress: {
          allowlist: [
            { host: "*.example.com", port: 443, protocol: "https" },
            { host: "db.example.com", port: 5432 },
          ],
        },
      },
      dependencies: null,
      threat_tier: "untrusted",
      profile: "standard",
      ttl_seconds: 1800,
      idle_seconds: 600,
      tags: { job: "etl" },
      backend: "qemu",
      accel: "auto",
      require_isolation: "hardware",
      files: [{ path: "/app/main.py", bytes_b64: "cHJpbnQoMSk=", mode: 420 }],
      operations: [
        { kind: "files_write", path: "/app/in.txt", bytes_b64: "" },
        { kind: "command_run", argv: ["true"], env: { A: { kind: "literal", value: "1" } }, timeout_ms: 1000 },
        { kind: "command_run", argv: ["false"], check: false, user: "root" },
        { kind: "command_start", shell: "sleep 1 &", working_dir: "/tmp", user: "user", stdin_b64: "YQ==" },
        { kind: "port_forward", guest: 80, host: 8080, proto: "tcp" },
      ],
    },
  ],
  volumes: [],
  extensions: { "acme.review": { by: ["a", 1.5, null, true] } },
};

/** The least a workload can be. */
export const least = {
  schema_version: "0.1",
  id: "least",
  apps: [
    {
      name: "least",
      image: { kind: "reference", reference: "python" },
      entrypoints: [{ kind: "command", command: ["true"] }],
      resources: { cpu_cores: 1, memory_mb: 512, rootfs_size_mb: 2048 },
    },
  ],
};

/** A declaration that uses every field. */
export const declaration: Declaration = {
  id: "etl",
  image: `ghcr.io/acme/etl:1@${digest}`,
  command: ["python3", "/app/main.py"],
  resources: { cpu: 2, memoryMb: 1024, diskMb: 4096 },
  files: { "/app/main.py": "print('äöü 🙂')\n" },
  env: { MODE: "dev" },
  secrets: { API_KEY: { secret: "api-key", hosts: ["API.example.com"], header: "authorization" } },
  network: { default: "deny", allow: [{ host: "API.Example.com", port: 443, protocol: "https" }] },
  ports: [{ guestPort: 8000, hostPort: 0 }],
  mounts: [{ host: "/srv/data", guest: "/data" }],
  profile: "dev",
  ttlSeconds: 1800,
  idleSeconds: 600,
  tags: { job: "etl" },
  cwd: "/app",
  user: "root",
  timeoutSeconds: 1.5,
};

export const copy = <T>(value: T): T => structuredClone(value);
