import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { pullImage } from "@mvm/images";
import { median, ms, ratio } from "./stats.mjs";

const rounds = 3;
const files = 400;
const fileBytes = 250_000;

const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Median of some rounds in turn, after one that warms up. Milliseconds by name. */
async function timed(works) {
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      const begin = performance.now();
      await work();
      if (round >= 0) times[name].push(performance.now() - begin);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

/** Images of 100 MB in 400 files, from a registry on this host and from a folder. None of it needs a machine. */
export async function measureImages() {
  const home = mkdtempSync(join(tmpdir(), "mvm-bench-"));
  const newHome = () => mkdtempSync(join(home, "home-"));
  const root = join(home, "root");
  mkdirSync(root);
  for (let at = 0; at < files; at++) {
    // Half of it can be compressed, as in a distribution's programs and texts.
    const noise = randomBytes(fileBytes / 2);
    writeFileSync(join(root, `file-${at}`), Buffer.concat([noise, Buffer.alloc(fileBytes / 2, `text of ${at} `)]));
  }
  execFileSync("tar", ["-C", root, "-cf", join(home, "root.tar"), "."]);
  const tar = execFileSync("cat", [join(home, "root.tar")], { maxBuffer: 2 ** 30 });
  const layer = gzipSync(tar, { level: 1 });
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [sha256(tar)] } }),
  );
  const described = (mediaType, bytes) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: described("application/vnd.oci.image.config.v1+json", config),
      layers: [described("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    }),
  );
  const blobs = new Map([config, layer, manifest].map((bytes) => [sha256(bytes), bytes]));
  const server = createServer(({ url = "" }, response) => {
    const found = url.endsWith("/manifests/latest") ? manifest : blobs.get(url.slice(url.lastIndexOf("/") + 1));
    response.writeHead(found === undefined ? 404 : 200).end(found);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  try {
    const times = await timed({
      floor: () => [sha256(layer), sha256(gunzipSync(layer))],
      // A state root that has the image already would fetch nothing.
      pull: () => pullImage({ home: newHome(), place: `127.0.0.1:${port}/bench`, name: "bench" }),
      folder: () => pullImage({ home: newHome(), place: `rootfs:${root}`, name: "bench" }),
    });
    const against = (time) => `${ratio(time / times["floor"])} of it`;
    return [
      ["decompressing and hashing 100 MB of a layer", ms(times["floor"]), "1", "", true],
      ["pull and convert an image, per 100 MB", ms(times["pull"]), against(times["pull"]), "", true],
      ["import a root file system from a folder, per 100 MB", ms(times["folder"]), against(times["folder"]), "", true],
    ];
  } finally {
    server.close();
    rmSync(home, { recursive: true, force: true });
  }
}
