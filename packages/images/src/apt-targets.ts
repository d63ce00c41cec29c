/** One index apt knows about, as `apt-get indextargets` prints it. */
export interface AptTarget {
  uri: string;
  codename: string;
  suite: string;
  component: string;
  origin: string;
  architecture: string;
  /** File and, for deb822 files, stanza or, for one-line files, line number: `/etc/apt/…/debian.sources:1`. */
  entry: string;
}

const fields = ["REPO_URI", "CODENAME", "SUITE", "COMPONENT", "ORIGIN", "ARCHITECTURE", "SOURCESENTRY"] as const;

/** Arguments that make apt print what `parseAptTargets` reads. */
export const aptTargetArgs: readonly string[] = [
  "indextargets",
  "--format",
  fields.map((field) => `$(${field})`).join("\t"),
  "Created-By: Packages",
];

/** Reads the table; a field apt does not know keeps its `$(NAME)` and is taken as empty. */
export function parseAptTargets(text: string): AptTarget[] {
  return text
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => {
      const [uri = "", codename = "", suite = "", component = "", origin = "", architecture = "", entry = ""] = line
        .split("\t")
        .map((field) => (/^\$\([A-Z_]+\)$/.test(field) ? "" : field));
      return { uri, codename, suite, component, origin, architecture, entry };
    });
}

/**
 * Finds the archive that carries a Debian release itself, not its security, updates or backports companion:
 * those have a codename of their own.
 */
export function pickDebianTarget(targets: readonly AptTarget[]): AptTarget | undefined {
  return targets.find(
    (target) => target.origin === "Debian" && target.component === "main" && /^[a-z]+$/.test(target.codename),
  );
}

/** The `Signed-By` of the entry a target came from, when that names a file; inline keys give undefined. */
export function signedByOf(entry: string, fileContent: string): string | undefined {
  const number = Number(entry.slice(entry.lastIndexOf(":") + 1));
  if (entry.includes(".sources:")) {
    const stanzas = fileContent.split(/\n\s*\n/).filter((stanza) => /^Types:/im.test(stanza));
    return /^Signed-By:[ \t]*(\/\S+)[ \t]*$/im.exec(stanzas[number - 1] ?? "")?.[1];
  }
  return /\[[^\]]*signed-by=(\/[^\s\]]+)/i.exec(fileContent.split("\n")[number - 1] ?? "")?.[1];
}
