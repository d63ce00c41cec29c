import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { canonicalName, type PackageManager, requireAllowed } from "@mvm/images";
import type { GuestCommands, GuestOutput } from "./guest-commands.js";
import type { PackageSources } from "./package-sources.js";

/** A manager that runs inside the machine, and is asked there what a package depends on. */
export type GuestManager = Exclude<PackageManager, "apt">;

export interface Installed {
  readonly manager: PackageManager;
  /** In the one spelling names are compared by. */
  readonly name: string;
  readonly version: string;
}

/** What is to be installed: the specs are checked, and their names allowed. */
export interface PackageOrder {
  readonly manager: GuestManager;
  readonly specs: readonly string[];
}

/**
 * Installs packages inside a machine. What they depend on is settled first, without running anything of theirs, and has to be
 * on the list as well. Returns every package that was settled on, with its version.
 * @throws {PackageNotAllowedError} a dependency is not on the list; nothing was installed
 * @throws {BuildError | CommandFailed} the manager says no
 */
export async function installPackages(
  machine: GuestCommands,
  { manager, specs }: PackageOrder,
  sources: PackageSources,
  onOutput?: GuestOutput,
): Promise<Installed[]> {
  const id = randomBytes(8).toString("hex");
  const env: Record<string, string> = {};
  const ca = sources.ca(manager);
  if (ca !== undefined) {
    const file = `/run/mvm-ca-${id}.pem`;
    await machine.put(file, Readable.from([Buffer.from(ca)]), 0o644);
    env[manager === "pip" ? "PIP_CERT" : "NODE_EXTRA_CA_CERTS"] = file;
  }
  const install = manager === "pip" ? installWheels : installModules;
  const order = { directory: `/tmp/mvm-packages-${id}`, index: sources.index(manager), specs, env };
  try {
    return await install(machine, order, sources, onOutput);
  } finally {
    await machine.exec({ argv: ["rm", "-rf", order.directory, ...Object.values(env)] }).catch(() => undefined);
  }
}

interface Order {
  readonly directory: string;
  readonly index: string;
  readonly specs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Wheels only: building from source would run the package's code to find out what it is. */
async function installWheels(
  machine: GuestCommands,
  { directory, index, specs, env }: Order,
  sources: PackageSources,
  onOutput?: GuestOutput,
): Promise<Installed[]> {
  // `-I`: it runs as root, so no module of the user, the environment or the directory is loaded.
  const pip = [
    "python3",
    "-I",
    "-m",
    "pip",
    "--isolated",
    "--no-input",
    "--disable-pip-version-check",
    "--no-cache-dir",
  ];
  const output = onOutput === undefined ? {} : { onOutput };
  // An option of pip's `--isolated` leaves the environment out, so the certificate is given as an option.
  const cert = env["PIP_CERT"] === undefined ? [] : ["--cert", env["PIP_CERT"]];
  const plain = index.startsWith("http:") ? ["--trusted-host", new URL(index).host] : [];
  const from = ["--index-url", index, ...cert, ...plain, "--only-binary=:all:", "--dest", directory];
  await machine.run({ argv: [...pip, "download", ...from, "--", ...specs], ...output }, "pip download");
  const files = (await machine.run({ argv: ["ls", "-1", directory] }, "listing wheels")).split("\n").filter(Boolean);
  const settled = files.map((file): Installed => {
    const [name = "", version = ""] = file.split("-");
    return { manager: "pip", name: canonicalName("pip", name), version };
  });
  requireAllowed(sources.allow, settled, "a dependency");
  const wheels = files.map((file) => `${directory}/${file}`);
  const install = [...pip, "install", "--no-index", "--no-deps", "--no-compile", "--root-user-action=ignore"];
  await machine.run({ argv: [...install, "--", ...wheels], ...output }, "pip install");
  await machine.run({ argv: ["python3", "-I", "-c", compileSite] }, "compiling");
  return settled;
}

/** Bytecode that never asks for the source's time, so that the same packages give the same bytes. */
const compileSite = `import compileall, py_compile, sysconfig
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, invalidation_mode=mode)`;

/** Without their scripts: a package runs when somebody loads it, and not before. In the user's home, as npm does it. */
async function installModules(
  machine: GuestCommands,
  { directory, index, specs, env }: Order,
  sources: PackageSources,
  onOutput?: GuestOutput,
): Promise<Installed[]> {
  const flags = [
    ...["--ignore-scripts", "--no-audit", "--no-fund", "--update-notifier=false", "--logs-max=0"],
    ...["--registry", index, "--cache", `${directory}/cache`, "--userconfig", "/dev/null"],
  ];
  const shared = { env: { HOME: directory, ...env }, user: "user", ...(onOutput && { onOutput }) };
  const home = "/home/user";
  const begin = `mkdir -p "$1/lock" && chmod 700 "$1" && cd "$2" &&
for file in package.json package-lock.json; do [ ! -f $file ] || cp $file "$1/lock/"; done`;
  await machine.run({ ...shared, argv: ["/bin/sh", "-c", begin, "npm", directory, home], cwd: "/" }, "npm");
  const cwd = `${directory}/lock`;
  await machine.run(
    { ...shared, argv: ["npm", "install", "--package-lock-only", ...flags, "--", ...specs], cwd },
    "npm",
  );
  const settled = modulesOf(await machine.run({ argv: ["cat", `${cwd}/package-lock.json`] }, "reading the lock"));
  requireAllowed(sources.allow, settled, "a dependency");
  const settle = ["/bin/sh", "-c", 'cp "$1/lock/package.json" "$1/lock/package-lock.json" .', "npm", directory];
  await machine.run({ ...shared, argv: settle, cwd: home }, "npm");
  await machine.run({ ...shared, argv: ["npm", "install", ...flags], cwd: home }, "npm install");
  return settled;
}

/** The packages of a lock file, by the name they are really published under. @throws {SandboxError} it is none */
export function modulesOf(lock: string): Installed[] {
  const { packages } = JSON.parse(lock) as { packages?: Record<string, { name?: unknown; version?: unknown }> };
  return Object.entries(packages ?? {})
    .filter(([place]) => place !== "")
    .map(([place, { name, version }]) => ({
      manager: "npm",
      name: canonicalName(
        "npm",
        typeof name === "string" ? name : place.slice(place.lastIndexOf("node_modules/") + 13),
      ),
      version: typeof version === "string" ? version : "",
    }));
}
