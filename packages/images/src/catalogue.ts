import { imageError } from "./errors.js";

/** One image this project knows how to build. */
export interface CatalogueEntry {
  name: string;
  summary: string;
  /** Debian packages beyond the essential ones (bash, coreutils, dpkg …). */
  packages: readonly string[];
  /** Directories whose Python sources are byte-compiled at build time. */
  compilePython: readonly string[];
}

const pythonLibraries = ["/usr/lib/python3", "/usr/lib/python3.*"];
const everyday = ["ca-certificates", "curl", "git", "netbase", "procps", "tzdata"];

export const catalogue: readonly CatalogueEntry[] = [
  {
    name: "minimal",
    summary: "bash, coreutils and certificate authorities",
    packages: ["ca-certificates"],
    compilePython: [],
  },
  {
    name: "python",
    summary: "Python 3 with pip and venv, git, curl",
    packages: ["python3", "python-is-python3", "python3-pip", "python3-venv", ...everyday],
    compilePython: pythonLibraries,
  },
  {
    name: "node",
    summary: "Node.js with npm, git, curl",
    packages: ["nodejs", "npm", ...everyday],
    compilePython: [],
  },
  {
    name: "builder",
    summary: "Nix, in which images of flakes are built",
    packages: ["nix-bin", "busybox-static", "ca-certificates", "git", "netbase", "xz-utils"],
    compilePython: [],
  },
];

export const defaultImage = "python";

/** Throws `AssetNotFoundError`, naming what there is. */
export function catalogueEntry(name: string): CatalogueEntry {
  const entry = catalogue.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  const known = catalogue.map((candidate) => candidate.name).join(", ");
  throw imageError("not_found", `Cannot build image "${name}": the catalogue has ${known}`, {
    hint: "Choose one of these names",
  });
}
