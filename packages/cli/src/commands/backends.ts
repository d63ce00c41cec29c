import type { BackendInfo } from "@mvm/protocol";
import { command } from "../command/define.js";
import { facts } from "../render/facts.js";

export default command({
  summary: "Show the backends and what each can do on this host",
  positionals: [],
  options: {},
  examples: [["backends", "Shows every backend with its accelerators and features"]],
  run: async (_, context) => {
    const daemon = await context.daemon();
    const { backends } = await daemon.call<{ backends: BackendInfo[] }>({
      method: "GET",
      path: "/backends",
      operation: "backends.list",
    });
    await context.out.result({ backends }, () =>
      backends.map(({ name, ...rest }) => facts({ [name]: rest }, context.out.stdout.columns)).join("\n"),
    );
  },
});
