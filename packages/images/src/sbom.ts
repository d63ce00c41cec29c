import type { ImageRecord, PackageRecord } from "./manifest.js";

/** Names of the CycloneDX document and of what it holds, as they are published (CycloneDX 1.6, JSON). */
export const sbomType = "application/vnd.cyclonedx+json; version=1.6";

/**
 * What is in an image, as a CycloneDX document. Pure, and without a time or a random serial number: the same image has the same
 * bytes. It lists what package managers know of; for an image whose other content nobody has listed, `compositions` says that
 * the list is not complete.
 */
export function sbomOf(record: ImageRecord): object {
  const reference = `image:${record.digest}`;
  const components = record.packages.map((found) => componentOf(found, record.suite)).sort(byReference);
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "container",
        "bom-ref": reference,
        name: record.name,
        version: record.digest,
        hashes: [{ alg: "SHA-256", content: record.digest.replace(/^sha256:/, "") }],
        properties: propertiesOf(record),
      },
    },
    components,
    compositions: [{ aggregate: aggregateOf(record), assemblies: [reference] }],
  };
}

/** The document as it is sent, and as its digest is signed. */
export function sbomText(record: ImageRecord): string {
  return JSON.stringify(sbomOf(record));
}

interface Component {
  readonly type: "library";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

function componentOf({ name, version, arch, manager }: PackageRecord, suite: string): Component {
  const purl = packageUrl({ name, version, arch, manager }, suite);
  return { type: "library", "bom-ref": purl, name, version, purl };
}

/** https://github.com/package-url/purl-spec: names in the case of their kind, everything else percent-encoded. */
function packageUrl(
  { name, version, arch, manager }: Omit<PackageRecord, "manager"> & { manager: PackageRecord["manager"] },
  suite: string,
): string {
  const at = `@${encodeURIComponent(version)}`;
  if (manager === "pip") return `pkg:pypi/${encodeURIComponent(name.toLowerCase().replaceAll("_", "-"))}${at}`;
  if (manager === "nix") return `pkg:nix/${encodeURIComponent(name)}${at}`;
  if (manager === "npm") return `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}${at}`;
  return `pkg:deb/debian/${encodeURIComponent(name)}${at}?arch=${encodeURIComponent(arch)}&distro=${encodeURIComponent(suite)}`;
}

/** Whether the list is all there is: only of an image that Debian packages alone were put into. */
function aggregateOf({ build, origin }: ImageRecord): "complete" | "incomplete" | "unknown" {
  if (origin !== undefined) return "unknown";
  return build === undefined ? "complete" : "incomplete";
}

function propertiesOf({ architecture, suite, build, origin, sources }: ImageRecord): { name: string; value: string }[] {
  const given: readonly (readonly [string, string | undefined])[] = [
    ["mvm:architecture", architecture],
    ["mvm:suite", suite === "" ? undefined : suite],
    ["mvm:base", build?.base],
    ["mvm:recipe", build?.recipe],
    ["mvm:origin", origin?.reference],
    ["mvm:origin:digest", origin?.digest],
    ...sources.map(({ uri, suite: from, component }) => ["mvm:source", `${uri} ${from} ${component}`] as const),
  ];
  return given.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

function byReference(a: Component, b: Component): number {
  return a["bom-ref"] < b["bom-ref"] ? -1 : 1;
}
