import { limits, type PoolInfo } from "@mvm/protocol";
import { imageRef } from "../../args/image-ref.js";
import { integer } from "../../args/integer.js";
import { disk, memory } from "../../args/size.js";
import { command, option, word } from "../../command/define.js";
import { table } from "../../render/table.js";
import { poolColumns } from "../../pool/columns.js";

export default command({
  summary: "Set how many started machines of an image wait",
  description: [
    "A sandbox of the same image and sizes begins as one of them, which is used once and replaced. They are given up while the host is short of memory. 0 ends the pool.",
  ],
  positionals: [
    word("IMAGE", imageRef, "Image of the machines"),
    word("SIZE", integer("SIZE", 0, limits.poolSize), "How many wait"),
  ],
  options: {
    cpus: option(integer("N", limits.cpuMin, limits.cpuMax), "Virtual CPUs", {
      defaultText: String(limits.cpuDefault),
    }),
    memory: option(memory, "Memory, such as 512M", { defaultText: `${limits.memoryDefaultMb}M` }),
    disk: option(disk, "Writable disk, such as 2G", { defaultText: `${limits.diskDefaultMb / 1024}G` }),
  },
  examples: [
    ["pool set python 4", "Keeps four python machines waiting"],
    ["pool set python 0", "Ends that pool"],
  ],
  run: async ({ words: [image, size], options }, context) => {
    const daemon = await context.daemon();
    const pool = await daemon.call<PoolInfo>({
      method: "POST",
      path: "/pools",
      operation: "pools.set",
      json: {
        image,
        size,
        ...(options.cpus === undefined ? {} : { cpu: options.cpus }),
        ...(options.memory === undefined ? {} : { memory_mb: options.memory }),
        ...(options.disk === undefined ? {} : { disk_mb: options.disk }),
      },
    });
    await context.out.result(pool, () => table([pool], poolColumns, context.out.stdout.columns));
  },
});
