import { pointer, type WorkloadProblem } from "./codes.js";
import { rules, type Report } from "./rules.js";
import { type App, type EnvValue, type Operation, type Workload, WorkloadSchema } from "./schema.js";
import { type Shape, Structure } from "./structure.js";

/** What other tools put into a workload and mvm would lose. */
const refused = {
  source: "There is no tree of sources: put what the command needs into `files`, or build it into the image",
  hooks: "There are no hooks: put what runs before the command into `operations`",
  addons: "There are no add-ons: give each service a workload of its own",
  peers: "Sandboxes do not reach each other",
  dns: "Names are resolved outside of the sandbox: leave it out",
} as const;

const shape = WorkloadSchema as unknown as Shape;

/**
 * Everything that is wrong with a workload, at most 100 problems; none means that it can be used. Every reader of a
 * workload calls it. Accepts any value; never throws.
 */
export function validateWorkload(value: unknown): WorkloadProblem[] {
  const structure = new Structure(refused);
  const version = versionProblem(value);
  if (version !== null) return [version];
  structure.check(value, shape, "");
  // Rules read fields that the structure has vouched for.
  if (structure.problems.length === 0) checkWorkload(value as Workload, (...problem) => structure.add(...problem));
  return structure.problems;
}

/** A document of another version is not held against this one's fields. */
function versionProblem(value: unknown): WorkloadProblem | null {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "schema_version")) return null;
  const version = (value as Record<string, unknown>)["schema_version"];
  const match = typeof version === "string" ? /^(\d{1,9})\.(\d{1,9})$/.exec(version) : null;
  const problem = (code: WorkloadProblem["code"], detail: string) => ({ code, path: "/schema_version", detail });
  if (match === null) return problem("E_MALFORMED_VERSION", 'Write "0.1"');
  if (Number(match[1]) !== 0) return problem("E_UNSUPPORTED_MAJOR", 'This version reads "0.1"');
  if (Number(match[2]) > 1) return problem("E_MINOR_TOO_HIGH", 'This version reads "0.1": use a newer mvm');
  return null;
}

function checkWorkload(workload: Workload, report: Report): void {
  const { apps } = workload;
  if (apps.length === 0) report("E_EMPTY_APPS", "/apps", "Add the app that is to run");
  if (apps.length > 1) report("E_MULTI_APP_DEFERRED", "/apps", "Give each app a workload of its own");
  apps.forEach((app, at) => checkApp(app, `/apps/${at}`, report));
}

function checkApp(app: App, path: string, report: Report): void {
  const { entrypoints, operations = [], files = [] } = app;
  rules.image(report, `${path}/image/reference`, app.image.reference);
  if (entrypoints.length > 1) {
    report("E_MULTIPLE_ENTRYPOINTS", `${path}/entrypoints`, "Keep one: others go into `operations`");
  }
  if (entrypoints.length === 0 && operations.length === 0) {
    report("E_NO_ENTRYPOINT", `${path}/entrypoints`, "Say which command runs");
  }
  entrypoints.forEach((entry, at) => {
    const place = `${path}/entrypoints/${at}`;
    rules.argv(report, `${place}/command`, entry.command);
    checkSurroundings(entry, place, report);
  });
  checkEnv(app.env ?? {}, `${path}/env`, report);
  rules.tags(report, `${path}/tags`, app.tags ?? {});
  app.mounts?.forEach(({ target, source }, at) => {
    rules.path(report, `${path}/mounts/${at}/target`, target);
    rules.path(report, `${path}/mounts/${at}/source/path`, source.path);
  });
  files.forEach((file, at) => checkFile(file, `${path}/files/${at}`, report));
  rules.unique(
    report,
    "E_DUPLICATE_FILE",
    "The path",
    files.map((file, at) => [`${path}/files/${at}/path`, file.path] as const),
  );
  operations.forEach((operation, at) => checkOperation(operation, `${path}/operations/${at}`, report));
  checkNetwork(app, path, report);
}

function checkFile(file: { path: string; bytes_b64: string }, path: string, report: Report): void {
  rules.path(report, `${path}/path`, file.path);
  rules.bytes(report, `${path}/bytes_b64`, file.bytes_b64);
}

function checkSurroundings(
  command: { working_dir?: string; user?: string; env?: Readonly<Record<string, { value: string }>> },
  path: string,
  report: Report,
): void {
  if (command.working_dir !== undefined) rules.path(report, `${path}/working_dir`, command.working_dir);
  if (command.user !== undefined) rules.user(report, `${path}/user`, command.user);
  const values = Object.entries(command.env ?? {}).map(([name, { value }]) => [name, value] as const);
  rules.env(report, `${path}/env`, Object.fromEntries(values));
}

function checkEnv(env: Readonly<Record<string, EnvValue>>, path: string, report: Report): void {
  const values: [string, string][] = [];
  for (const [name, value] of Object.entries(env)) {
    // A secret's placeholder is short; its name is held to the same rule.
    values.push([name, value.kind === "literal" ? value.value : ""]);
    if (value.kind === "literal") continue;
    const place = `${pointer(path, name)}/ref`;
    rules.secret(report, place, value.ref);
    if (value.ref.mount.var !== name) {
      report("E_SECRET_VARIABLE", `${place}/mount/var`, `It stands under ${JSON.stringify(name)}: write that`);
    }
  }
  rules.env(report, path, Object.fromEntries(values));
}

function checkOperation(operation: Operation, path: string, report: Report): void {
  if (operation.kind === "files_write") return checkFile(operation, path, report);
  if (operation.kind === "port_forward") return;
  const { argv, shell, stdin_b64: stdin } = operation;
  if ((argv === undefined) === (shell === undefined)) {
    report("E_INVALID_COMMAND", path, "A command has either `argv` or `shell`");
  }
  if (argv !== undefined) rules.argv(report, `${path}/argv`, argv);
  if (shell !== undefined) rules.shell(report, `${path}/shell`, shell);
  if (stdin !== undefined) rules.bytes(report, `${path}/stdin_b64`, stdin);
  checkSurroundings(operation, path, report);
}

function checkNetwork({ network, operations = [] }: App, path: string, report: Report): void {
  const allowed = network?.egress?.allowlist ?? [];
  if (network?.mode === "none" && allowed.length > 0) {
    report("E_NETWORK_EGRESS_WITH_NONE", `${path}/network/mode`, 'Write "bridge", or remove the rules');
  }
  allowed.forEach(({ host }, at) => rules.host(report, `${path}/network/egress/allowlist/${at}/host`, host));
  const ports = [
    ...(network?.ports ?? []).map((port, at) => [`${path}/network/ports/${at}`, port] as const),
    ...operations.flatMap((each, at) =>
      each.kind === "port_forward" ? [[`${path}/operations/${at}`, each] as const] : [],
    ),
  ];
  const fixed = ports.filter(([, { host }]) => host !== 0);
  rules.unique(
    report,
    "E_DUPLICATE_PORT",
    "The port of the host",
    fixed.map(([place, port]) => [`${place}/host`, `${port.host_address ?? "127.0.0.1"} ${port.host}`] as const),
  );
}
