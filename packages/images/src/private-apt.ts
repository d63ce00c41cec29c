import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "./child.js";
import type { DebianSource } from "./debian-source.js";
import { AssetDownloadError, BuildError, type SandboxError } from "@mvm/protocol/errors";
import { imageError } from "./errors.js";
import type { BuildControl } from "./progress.js";

/**
 * An apt of its own: one source, an empty package state, nothing shared with the host but its download settings
 * (proxy, retries) and its trusted keys. Needs no privileges and changes nothing on the host.
 */
export class PrivateApt {
  private constructor(
    private readonly root: string,
    private readonly suite: string,
    private readonly log: string,
    private readonly control: BuildControl,
  ) {}

  /** Opens the first source the archive carries; throws what the last one gave when none does. */
  static async openFirst(
    root: string,
    sources: readonly DebianSource[],
    log: string,
    control: BuildControl,
  ): Promise<{ apt: PrivateApt; source: DebianSource }> {
    let last: SandboxError | undefined;
    for (const source of sources) {
      control.onProgress?.({ phase: "archive", detail: source.suite });
      try {
        return { apt: await PrivateApt.open(join(root, source.suite), source, log, control), source };
      } catch (error) {
        if (!(error instanceof AssetDownloadError)) throw error;
        last = error;
      }
    }
    throw last ?? imageError("dependency", "Cannot find a Debian archive");
  }

  /** Throws `AssetDownloadError` when the archive cannot be reached or its signature does not check. */
  static async open(root: string, source: DebianSource, log: string, control: BuildControl): Promise<PrivateApt> {
    for (const part of ["lists/partial", "cache/archives/partial", "preferences.d", "sources.d"]) {
      await mkdir(join(root, part), { recursive: true });
    }
    await writeFile(join(root, "status"), "");
    await writeFile(join(root, "sources.list"), `${sourceLine(source)}\n`);
    const apt = new PrivateApt(root, source.suite, log, control);
    await apt.run("apt-get", ["-o", "APT::Update::Error-Mode=any", "update"], 180_000);
    return apt;
  }

  /** The control fields of the newest version of a package, as `apt-cache show` prints them. */
  async show(name: string): Promise<string> {
    const text = await this.run("apt-cache", ["show", "--no-all-versions", name], 30_000);
    if (text.trim() === "") throw imageError("download", `Cannot find package ${name} in the Debian archive`);
    return text;
  }

  /** Downloads one package, checked against the signed index, into `directory`; returns the file's path. */
  async download(name: string, directory: string): Promise<string> {
    await mkdir(directory, { recursive: true });
    const before = new Set(await readdir(directory));
    await this.run("apt-get", ["download", name], 600_000, directory);
    const file = (await readdir(directory)).find((entry) => !before.has(entry) && entry.endsWith(".deb"));
    if (file === undefined) throw imageError("download", `Cannot download ${name}: apt left no file`);
    return join(directory, file);
  }

  /** The control fields of every version of some packages; nothing of those that the archive does not have. */
  async showAll(names: readonly string[]): Promise<string> {
    return names.length === 0 ? "" : await this.run("apt-cache", ["show", "--all-versions", "--", ...names], 60_000);
  }

  /** Says what is installed where packages are to go: text of dpkg's status file. Default: nothing. */
  async installed(status: string): Promise<void> {
    await writeFile(join(this.root, "status"), status);
  }

  /**
   * Downloads packages with all that they need and is not installed, checked against the signed index.
   * @throws {BuildError} there is no such package or version, or it does not go together with what is installed
   */
  async downloadWithNeeds(specs: readonly string[], directory: string): Promise<void> {
    await mkdir(join(directory, "partial"), { recursive: true });
    const how = ["--yes", "--no-install-recommends", "--download-only", "-o", "Debug::NoLocking=1"];
    const where = ["-o", `Dir::Cache::archives=${directory}`];
    try {
      await this.run("apt-get", [...how, ...where, "install", "--", ...specs], 1_200_000);
    } catch (error) {
      const said = error instanceof AssetDownloadError ? error.message : "";
      const why = said.split("\n").filter((line) => /^(?:E: |N: | \S+ : | +Depends: )/.test(line));
      if (!/Unable to locate|was not found|no installation candidate|unmet dependencies|held broken/.test(said))
        throw error;
      throw imageError("build", [`Cannot install ${specs.join(", ")} from Debian ${this.suite}`, ...why].join("\n"), {
        hint: `Look for names and versions with \`apt-cache policy NAME\` on a host of that release`,
        cause: error,
      });
    }
  }

  private async run(tool: string, args: readonly string[], timeoutMs: number, cwd?: string): Promise<string> {
    const settings = {
      "Dir::Etc::SourceList": join(this.root, "sources.list"),
      "Dir::Etc::SourceParts": join(this.root, "sources.d"),
      "Dir::Etc::Preferences": "/dev/null",
      "Dir::Etc::PreferencesParts": join(this.root, "preferences.d"),
      "Dir::State::Lists": join(this.root, "lists"),
      "Dir::State::Status": join(this.root, "status"),
      "Dir::Cache": join(this.root, "cache"),
      "APT::Architecture": "amd64",
      "APT::Architectures": "amd64",
      // apt's own download user cannot enter a private state root.
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      "Acquire::Retries": "3",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    try {
      const where = cwd === undefined ? {} : { cwd };
      return await runChild(tool, [...options, ...args], {
        log: this.log,
        timeoutMs,
        signal: this.control.signal,
        ...where,
      });
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      throw imageError("download", `Cannot read the Debian archive for ${this.suite}\n${error.message}`, {
        hint: "Check the network and `apt-get update` on this host",
        cause: error,
      });
    }
  }
}

/** The one-line form apt and mmdebstrap both read. */
export function sourceLine(source: DebianSource): string {
  const signed = source.keyring === undefined ? "" : `[signed-by=${source.keyring}] `;
  return `deb ${signed}${source.uri} ${source.suite} ${source.component}`;
}
