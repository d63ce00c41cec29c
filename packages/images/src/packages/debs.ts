import { appendFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { debianSources, type DebianSourceOptions } from "../debian-source.js";
import type { PackageRecord } from "../manifest.js";
import { PrivateApt } from "../private-apt.js";
import type { BuildControl } from "../progress.js";
import { packArchive } from "../recipe/archive.js";

export interface DebOrder extends BuildControl, Pick<DebianSourceOptions, "mirror" | "keyring"> {
  /** `NAME` or `NAME=VERSION`, checked. */
  readonly specs: readonly string[];
  /** What the image has already, as its record says. */
  readonly installed: readonly PackageRecord[];
  /** Release of Debian that it is made of. */
  readonly suite: string;
  readonly directory: string;
  readonly log: string;
}

/**
 * Chooses Debian packages and all that they need and an image lacks, downloads them, checked against the archive's signature,
 * and packs them into one tar, `0/dir/NAME.deb`; null: the image has all of it. Nothing of them runs, and nothing is unpacked.
 * @throws {AssetDownloadError | BuildError} there is no archive, no such package, or the image cannot have it
 */
export async function fetchDebs(order: DebOrder): Promise<{ archive: string } | null> {
  const { specs, installed, directory, log, signal } = order;
  const sources = await debianSources(order, log);
  const { apt } = await PrivateApt.openFirst(join(directory, "apt"), sources, log, order);
  const own = installed.filter(isDeb);
  const known = relationsOf(await apt.showAll(own.map(({ name }) => name)));
  await apt.installed(own.map((found) => stanza(found, known)).join(""));
  const debs = join(directory, "debs");
  await apt.downloadWithNeeds(specs, debs);
  const files = (await readdir(debs)).filter((name) => name.endsWith(".deb")).sort();
  await appendFile(log, files.length === 0 ? "# nothing is missing\n" : files.map((file) => `# ${file}\n`).join(""));
  if (files.length === 0) return null;
  const names = [".", ...files.map((file) => `./${file}`)];
  const place = { directory: join(directory, "debs-archive"), log, signal };
  return await packArchive([{ root: debs, names, kind: "dir" }], join(directory, "debs.tar"), place);
}

/** deb-control(5). What a machine has said of itself is in no list of apt's arguments or stanzas but in these forms. */
function isDeb({ name, version, arch, manager }: PackageRecord): boolean {
  const known = /^[a-z0-9][a-z0-9+.-]+$/.test(name) && /^[0-9A-Za-z][0-9A-Za-z.+:~-]*$/.test(version);
  return manager === undefined && known && /^[a-z0-9-]+$/.test(arch);
}

/** What apt tells two builds of one version apart by is among them: else it would take the archive's for another one. */
const relations = [
  ...["Multi-Arch", "Installed-Size", "Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks", "Replaces"],
] as const;

/** What packages need and provide, by `NAME VERSION`, of the text of `apt-cache show`. */
export function relationsOf(shown: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const text of shown.split(/\n\n+/)) {
    const fields = new Map(
      text.split("\n").flatMap((line): [string, string][] => {
        const [, name, value] = /^([A-Za-z-]+): (.*)$/.exec(line) ?? [];
        return name === undefined || value === undefined ? [] : [[name, value]];
      }),
    );
    const lines = relations.flatMap((name) => (fields.has(name) ? [`${name}: ${fields.get(name)}\n`] : []));
    found.set(`${fields.get("Package")} ${fields.get("Version")}`, lines.join(""));
  }
  return found;
}

/** An installed package as dpkg's status file has it (deb-control(5)). A version the archive no longer has needs nothing. */
function stanza({ name, version, arch }: PackageRecord, known: ReadonlyMap<string, string>): string {
  const head = `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\nArchitecture: ${arch}\n`;
  return `${head}${known.get(`${name} ${version}`) ?? ""}Maintainer: -\nDescription: -\n\n`;
}
