import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import type { TemplateFacts } from "@mvm/protocol";
import type { Accelerator, MovableTemplate, TemplateMoves } from "../backend.js";
import { keptTemplates } from "./kept.js";
import { templateFiles } from "./paths.js";
import { factsOf, requireSameFacts } from "./template-facts.js";
import { type TemplateHost, templateInputs, type TemplateShape } from "./template-inputs.js";
import type { TemplateInputs } from "./template-key.js";
import type { TemplateStore } from "./template-store.js";
import { bootTscKhz } from "./tsc.js";

const { ram, state, disk, overlay } = templateFiles("");
const parts = [ram, state, disk, overlay].map((path) => basename(path));

/** Templates of QEMU's machines, from this host and to it. */
export class QemuTemplateMoves implements TemplateMoves {
  readonly parts = parts;

  /**
   * @param home the state root
   * @param host what decides about templates here; with an accelerator it rejects where that cannot be used
   */
  constructor(
    private readonly home: string,
    private readonly store: TemplateStore,
    private readonly host: (accel?: Accelerator) => Promise<TemplateHost>,
  ) {}

  async list(image: TemplateShape["image"]): Promise<readonly MovableTemplate[]> {
    const host = await this.host();
    const found: MovableTemplate[] = [];
    for (const { key, path, inputs } of await keptTemplates(this.home)) {
      if (inputs?.imageDigest !== image.digest) continue;
      const here = templateInputs({ ...inputs, image }, host);
      if ((await this.store.find(here))?.key !== key) continue;
      found.push({ key, directory: path, facts: await tell(here, host) });
    }
    return found;
  }

  async receive(
    image: TemplateShape["image"],
    theirs: TemplateFacts,
    fill: (directory: string) => Promise<void>,
  ): Promise<string> {
    const { accel, cpu: cpus, memory_mb: memoryMb, disk_mb: diskMb } = theirs;
    const host = await this.host(accel);
    const here = templateInputs({ accel, cpus, memoryMb, diskMb, image }, host);
    requireSameFacts(theirs, await tell(here, host));
    const { key } = await this.store.replace(here, async (files) => {
      await fill(files.directory);
      // As one that is made here: machines get them bound read-only, under users of their own.
      for (const path of [files.ram, files.state, files.disk, files.overlay]) await chmod(path, 0o444);
    });
    return key;
  }
}

async function tell(inputs: TemplateInputs, { qemu, boot }: TemplateHost): Promise<TemplateFacts> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(qemu.path), hash);
  return factsOf(inputs, { qemuSha256: hash.digest("hex"), tscKhz: await bootTscKhz(inputs.accel, boot.agent) });
}
