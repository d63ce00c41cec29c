import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "@mvm/sdk";
import { median, ms, p95, ratio } from "./stats.mjs";

const rounds = 20;
const keys = 50;
/** Between two measurements, so that what one leaves to be done does not count for the next. Milliseconds. */
const pause = 200;

/** Code in a context that was never used and in one that was, each in turn with what it is measured against. */
export async function measureCode() {
  const sandbox = await Sandbox.create("python");
  const works = {
    command: () => sandbox.commands.run(["true"]),
    python: () => sandbox.commands.run(["python3", "-c", "pass"]),
    used: () => sandbox.runCode("python", "1 + 1"),
    fresh: (round) => sandbox.runCode("python", "1 + 1", { context: `fresh-${round}` }),
  };
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (const work of Object.values(works)) await work("warm");
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      await sleep(pause);
      const begin = performance.now();
      await work(round);
      times[name].push(performance.now() - begin);
    }
  }
  const echo = await echoTimes(sandbox);
  await sandbox.destroy();
  const { command, python, used, fresh } = times;
  const against = (values, floor) => median(values) / median(floor);
  return [
    row(
      "runCode, fresh context",
      fresh,
      `${ratio(against(fresh, python))} of \`python3 -c pass\``,
      0.5,
      against(fresh, python),
    ),
    row(
      "runCode, used context",
      used,
      `${ratio(against(used, command))} of a hot \`true\``,
      1.5,
      against(used, command),
    ),
    row("PTY: key to echo", echo, `${ratio(against(echo, command))} of a hot \`true\``, 1, against(echo, command)),
  ];
}

function row(what, values, against, goal, reached) {
  return [what, `${ms(median(values))} (p95 ${ms(p95(values))})`, against, `≤ ${goal} ×`, reached <= goal];
}

/** From a key that is sent to its echo from the terminal in the guest. */
async function echoTimes(sandbox) {
  const shell = await sandbox.commands.start(["cat"], { pty: { rows: 24, cols: 80 } });
  const events = shell.logs({ from: 0 });
  const times = [];
  for (let key = 0; key < keys; key++) {
    const begin = performance.now();
    await Promise.all([shell.writeStdin("k"), events.next()]);
    times.push(performance.now() - begin);
  }
  await events.return();
  await shell.kill("SIGKILL");
  return times;
}
