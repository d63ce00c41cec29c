import type { PackageRecord } from "@mvm/images";
import type { BuildMachine } from "./machine.js";

/** Most packages one image is said to have; a machine can claim anything. */
const most = 20_000;

/**
 * What is installed in the machine, as its own databases say: it may have been told wrong by the build's own commands, and
 * never decides anything.
 */
export async function installedPackages(machine: BuildMachine): Promise<PackageRecord[]> {
  const { stdout } = await machine.exec({ argv: ["/bin/sh", "-c", script] });
  const records = stdout.split("\n").flatMap((line): PackageRecord[] => {
    const [manager, name = "", version = "", arch = ""] = line.split("\t");
    if (!isWord(name) || !isWord(version)) return [];
    if (manager === "deb") return [{ name, version, arch: isWord(arch) ? arch : "" }];
    return manager === "pip" || manager === "npm" ? [{ name, version, arch: "all", manager }] : [];
  });
  const unique = new Map(records.map((record) => [`${record.manager ?? ""} ${record.name} ${record.version}`, record]));
  return [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).slice(0, most);
}

function isWord(text: string): boolean {
  return /^[\x21-\x7e]{1,256}$/.test(text);
}

const script = `
if command -v dpkg-query >/dev/null; then dpkg-query --show --showformat='deb\\t\${Package}\\t\${Version}\\t\${Architecture}\\n'; fi
if command -v python3 >/dev/null; then python3 -I - <<'END'
import glob, sys
for place in glob.glob("/usr/local/lib/python3*/*-packages/*.dist-info/METADATA"):
    fields = dict(line.rstrip("\\n").split(": ", 1) for line in open(place, errors="replace") if line.startswith(("Name: ", "Version: ")))
    print("pip", fields.get("Name", ""), fields.get("Version", ""), "", sep="\\t")
END
fi
if command -v node >/dev/null && [ -f /home/user/node_modules/.package-lock.json ]; then node -e '
const { packages } = JSON.parse(require("fs").readFileSync("/home/user/node_modules/.package-lock.json", "utf8"));
for (const [place, { name, version }] of Object.entries(packages))
  console.log(["npm", name ?? place.slice(place.lastIndexOf("node_modules/") + 13), version, ""].join("\\t"));
'
fi
exit 0`;
