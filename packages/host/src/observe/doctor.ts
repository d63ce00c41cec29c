import { lstatSync, readdirSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Check, DoctorReport } from "@mvm/protocol";
import { catalogue } from "@mvm/images";
import type { BackendReport } from "../backends/backend.js";
import { availableMb } from "../sandboxes/host-memory.js";
import type { Services } from "../sandboxes/services.js";
import { listQuarantined } from "../store/quarantine.js";

import { auditCheck, receiptCheck } from "./evidence-checks.js";

/** Free space below which sandboxes will soon fail. Bytes. */
const lowDiskBytes = 2 * 1024 ** 3;
const oldestNode = 20;

/** What this host has, what it lacks, and the command that gets it. Changes nothing. */
export async function doctor(services: Services, refresh: boolean): Promise<DoctorReport> {
  const reports = await Promise.all(services.backends.map((backend) => backend.probe({ refresh })));
  const checks = [
    nodeCheck(),
    ...reports.flatMap(backendChecks),
    await imageCheck(services),
    homeCheck(services),
    diskCheck(services.home.root),
    memoryCheck(),
    await policyCheck(services),
    await auditCheck(services),
    receiptCheck(services),
    ...keyChecks(services),
    quarantineCheck(services.home.quarantine),
  ];
  return {
    schema_version: 1,
    ok: checks.every(({ status }) => status !== "fail"),
    time: new Date().toISOString(),
    checks,
  };
}

function check(name: string, status: Check["status"], detail: string, fix: string | null = null): Check {
  return { name, status, detail, fix };
}

function nodeCheck(): Check {
  const version = process.versions.node;
  return Number(version.split(".")[0]) >= oldestNode
    ? check("node", "ok", version)
    : check("node", "fail", `${version} is older than ${oldestNode}`, "Install Node.js 20 or newer");
}

function backendChecks(report: BackendReport): Check[] {
  const facts = Object.entries(report.facts)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(", ");
  const [problem = "", ...rest] = report.problems;
  const { kvm, tcg } = report.accelerators;
  return [
    report.available
      ? check(`backend.${report.name}`, "ok", facts || "available")
      : check(`backend.${report.name}`, "fail", problem || "not available", "Run `./mvmctl setup`"),
    // Why KVM is not used has a check of its own below.
    ...(report.available ? report.problems : rest)
      .filter((text) => !text.includes(kvm.reason))
      .map((text, at) => check(`backend.${report.name}.note${at + 1}`, "warn", text)),
    kvm.usable
      ? check("accel.kvm", "ok", kvm.reason)
      : check(
          "accel.kvm",
          "warn",
          `${kvm.reason}; machines are emulated, which QEMU does not promise to be an isolation`,
        ),
    tcg.usable ? check("accel.tcg", "ok", tcg.reason) : check("accel.tcg", kvm.usable ? "warn" : "fail", tcg.reason),
    ...report.confinement.map(({ layer, active, reason }) =>
      check(`confinement.${layer}`, active ? "ok" : "warn", reason),
    ),
  ];
}

async function imageCheck({ images }: Services): Promise<Check> {
  const names = (await images.list()).flatMap(({ refs }) => refs);
  if (names.length > 0) return check("images", "ok", names.join(", "));
  const first = catalogue[1]?.name ?? "python";
  return check("images", "warn", "none is built yet", `Run \`mvmctl image build ${first}\``);
}

function homeCheck({ home, registry }: Services): Check {
  return check("home", "ok", `${home.root}, ${registry.size} sandboxes`);
}

function diskCheck(root: string): Check {
  const { bavail, bsize } = statfsSync(root);
  const free = bavail * bsize;
  const text = `${Math.floor(free / 1024 ** 2)} MiB free`;
  return free >= lowDiskBytes
    ? check("disk", "ok", text)
    : check("disk", "warn", text, "Run `mvmctl gc`, or free space on that file system");
}

function memoryCheck(): Check {
  const mb = availableMb();
  return check(
    "memory",
    mb >= 1024 ? "ok" : "warn",
    `${mb} MiB available`,
    mb >= 1024 ? null : "Destroy a sandbox, or end other programs",
  );
}

async function policyCheck({ policy }: Services): Promise<Check> {
  const { policy: inForce, problems, files } = await policy.state();
  const [first] = problems;
  if (inForce === null) {
    const at =
      first === undefined ? "" : `${first.file}${first.line === null ? "" : `:${first.line}`}: ${first.problem}`;
    return check(
      "policy",
      "fail",
      `nothing is admitted: ${at}`,
      "Mend the file; `mvmctl policy show` lists every problem",
    );
  }
  return check("policy", "ok", `${files.length} operator files, sha256 ${inForce.sha256}`);
}

/** Private keys of the state root: each is used only while nobody else can read it. */
function keyChecks({ home }: Services): Check[] {
  const directory = dirname(home.secretKeys);
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => !name.endsWith(".pub"));
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => {
    const at = lstatSync(join(directory, name), { throwIfNoEntry: false });
    if (at?.isFile() !== true) return [];
    const mode = (at.mode & 0o7777).toString(8).padStart(4, "0");
    const mine = (at.mode & 0o077) === 0 && at.uid === process.geteuid?.();
    const fix = `Make it a file of this user with mode 0600, and a new key if others could have read it`;
    return [check(`key.${name}`, mine ? "ok" : "fail", `mode ${mode}, user ${at.uid}`, mine ? null : fix)];
  });
}

function quarantineCheck(root: string): Check {
  const found = listQuarantined(root);
  if (found.length === 0) return check("quarantine", "ok", "empty");
  const detail = found.map(({ id, problem, path }) => `${id}: ${problem} (${path})`).join("; ");
  return check(
    "quarantine",
    "warn",
    detail.slice(0, 4096),
    "Save what you need of them, then remove the directories or run `mvmctl gc`",
  );
}
