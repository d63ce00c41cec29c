import { readTar } from "./tar-reader.js";
import { OpenFile } from "./byte-source.js";

/**
 * What a tar is, told by the one file that its format has at its top; a root file system has neither.
 * @throws {BuildError} it is no whole tar
 */
export async function archiveKind(path: string): Promise<"docker-archive" | "oci-archive" | "rootfs"> {
  const archive = await OpenFile.open(path);
  try {
    let layout = false;
    for await (const entry of readTar(archive, path)) {
      const name = entry.path.replace(/^\.\//, "");
      // Newer archives have both: the names are in this one.
      if (entry.type === "file" && name === "manifest.json") return "docker-archive";
      if (entry.type === "file" && name === "oci-layout") layout = true;
    }
    return layout ? "oci-archive" : "rootfs";
  } finally {
    await archive.close();
  }
}
