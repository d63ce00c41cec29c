import { command } from "../command/define.js";

const explanation = `mvmctl itself installs nothing. Setting a host up is the work of the launcher script \`./mvmctl\` at the root
of the repository: \`./mvmctl setup\` says what it is going to install, installs what is missing (QEMU,
mmdebstrap, erofs-utils, the guest agent, the base image) and can be repeated at any time.
\`mvmctl doctor\` says what this host lacks and the command that gets it.`;

export default command({
  summary: "Explain how this host is set up; `./mvmctl setup` does it",
  positionals: [],
  options: {},
  examples: [["setup", "Explains the set-up, or does it when called through ./mvmctl"]],
  run: async (_, context) => {
    await context.out.result({ explanation }, () => explanation);
  },
});
