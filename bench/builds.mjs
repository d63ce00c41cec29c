import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "@mvm/sdk";
import { median, ms, ratio } from "./stats.mjs";

const rounds = 5;
const flake = `{ outputs = { self }: { packages.x86_64-linux.default = derivation {
  name = "root"; system = "x86_64-linux"; builder = "/bin/sh";
  args = [ "-euc" "mkdir -p $out/bin; cp /bin/sh $out/bin/sh" ];
}; }; }`;
const server = "python3 -m http.server 8000";
const ask = "curl -sf -o /dev/null http://127.0.0.1:8000/";

/** Builds as a user starts them, each once anew and once from the cache; and what a warm image saves its sandboxes. */
export async function measureBuilds({ home, mvmctl }) {
  const directory = mkdtempSync(join(tmpdir(), "mvm-bench-"));
  writeFileSync(join(directory, "flake.nix"), flake);
  const timed = (...args) => {
    const begin = performance.now();
    mvmctl("--quiet", "image", "build", ...args);
    return performance.now() - begin;
  };
  const tags = ["bench-apt", "bench-flake", "bench-warm"];
  const apt = ["--from", "python", "--apt", "jq", "--tag", "bench-apt"];
  const nix = [`nix:${directory}#default`, "--tag", "bench-flake"];
  try {
    const catalogue = timed("python");
    // The image of its machine and that one's template are there from the first build on.
    timed(...nix);
    const [aptCold, aptCached] = [timed(...apt, "--no-cache"), timed(...apt)];
    const [nixCold, nixCached] = [timed(...nix, "--no-cache"), timed(...nix)];
    const { warm, plain } = await measureWarm(home, timed);
    const of = (time, whole) => `${ratio(time / whole)} of it`;
    return [
      ["build the python image of the catalogue", ms(catalogue), "1", "", true],
      ["build python with a package of Debian", ms(aptCold), of(aptCold, catalogue), "", true],
      ["  the same from the cache", ms(aptCached), of(aptCached, aptCold), "", true],
      ["build a flake without inputs", ms(nixCold), of(nixCold, catalogue), "", true],
      ["  the same from the cache", ms(nixCached), of(nixCached, nixCold), "", true],
      ["create, start a server, first answer of it", ms(plain), "1", "", true],
      ["  of a warm image that has it running", ms(warm), of(warm, plain), "", true],
    ];
  } finally {
    for (const tag of tags) {
      try {
        mvmctl("--quiet", "image", "rm", tag);
      } catch {
        // It was not built.
      }
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureWarm(home, build) {
  build("--from", "python", "--serve", server, "--ready", ask, "--tag", "bench-warm");
  const times = { warm: [], plain: [] };
  const works = {
    warm: async (sandbox) => void (await sandbox.commands.run(["sh", "-c", ask])),
    plain: async (sandbox) => {
      const script = `${server} >/dev/null 2>&1 & until ${ask}; do sleep 0.05; done`;
      await sandbox.commands.run(["sh", "-c", script]);
    },
  };
  for (let round = -1; round < rounds; round++) {
    for (const [name, image] of [
      ["warm", "bench-warm"],
      ["plain", "python"],
    ]) {
      const begin = performance.now();
      const sandbox = await Sandbox.create({ image, home });
      await works[name](sandbox);
      if (round >= 0) times[name].push(performance.now() - begin);
      await sandbox.destroy();
    }
  }
  return { warm: median(times.warm), plain: median(times.plain) };
}
