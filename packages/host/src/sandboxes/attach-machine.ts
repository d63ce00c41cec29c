import { constants } from "node:os";
import { deadline } from "@mvm/protocol";
import { openAgentSession } from "../agent/session.js";
import type { ResumeFields } from "../agent/types.js";
import type { Machine } from "../backends/backend.js";
import { Egress } from "../egress/egress.js";
import { imageConfigOf } from "../images/image-config.js";
import { failSandbox } from "./fail.js";
import { oomKillsSeen } from "./oom.js";
import type { Live, Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/**
 * How the agent is greeted: a guest that still boots is given longer, one that ran all along keeps its name and environment, and
 * one that is paused is greeted when it runs again.
 */
export type Greeting = "boot" | "restore" | "adopted" | "paused";

/**
 * Connects a sandbox with its machine: console into the log, session with the agent, and whatever ends either of them
 * ends the sandbox. The session takes requests at once; they are pipelined behind the greeting.
 */
export function attachMachine(
  services: Services,
  sandbox: Sandbox,
  machine: Machine,
  greeting: Greeting,
  env: Readonly<Record<string, string>>,
): Live {
  machine.channel.on("error", () => undefined);
  sandbox.logs.drain(machine.console);
  sandbox.defaults = imageConfigOf(services.home.root, sandbox.image.digest);
  const adopted = greeting === "adopted" || greeting === "paused";
  const session = openAgentSession(machine.channel, {
    accel: machine.identity.accel,
    helloDeadline: adopted ? "hello" : greeting,
    paused: greeting === "paused",
    machineExited: machine.exited,
    resume: { ...resumeFieldsOf(sandbox, env), adopted },
  });
  const wayOut = services.evidence.wayOut(sandbox);
  const egress = new Egress({
    host: services.egress,
    session,
    accel: machine.identity.accel,
    policy: sandbox.network,
    substitution: () => sandbox.secrets ?? undefined,
    mayUse: (secret, to) => wayOut.use(secret, to),
    onDecision: (made) => {
      const { decision, ...facts } = made;
      sandbox.logs.event(`egress.${decision}`, facts);
      wayOut.decided(made);
    },
  });
  const live = { machine, session, egress };
  sandbox.live = live;
  sandbox.identity = machine.identity;
  // An adopted machine was confined by the daemon that started it; that one wrote down how.
  if (!adopted) sandbox.confinement = machine.confinement;

  const oomBefore = oomKillsSeen();
  void machine.exited.then((exit) => {
    if (exit.by === "kill" || sandbox.live !== live) return;
    // bubblewrap reports the signal that ended QEMU as a shell does.
    const killed = exit.signal === "SIGKILL" || exit.code === 128 + constants.signals.SIGKILL;
    const oom = exit.oom === true || (killed && oomKillsSeen() > oomBefore);
    void failSandbox(
      services,
      sandbox,
      oom ? "oom" : "crashed",
      `machine ended: ${exit.signal ?? exit.code ?? "unknown"}`,
    );
  });
  void session.closed.then(({ reason, detail }) => {
    if (sandbox.live !== live) return;
    void failSandbox(
      services,
      sandbox,
      "crashed",
      reason === "protocol_violation" ? `protocol.violation: ${detail}` : detail,
    );
  });
  return live;
}

/** What makes a machine this sandbox and no other. */
export function resumeFieldsOf(sandbox: Sandbox, env: Readonly<Record<string, string>>): ResumeFields {
  const { machineId, secrets, defaults } = sandbox;
  const all = { ...defaults.env, ...env };
  const fields = { hostname: hostname(sandbox), machineId };
  if (secrets === null) return { ...fields, env: all };
  return { ...fields, env: secrets.env(all), authority: secrets.certificate };
}

/** Longest time from the greeting to the agent's answer. Milliseconds. */
export function readyDeadlineMs(machine: Machine): number {
  return deadline(machine.start === "cold" ? "boot" : "restore", machine.identity.accel);
}

/** A valid host name whatever the sandbox is called: names may hold dots and underscores. */
function hostname(sandbox: Sandbox): string {
  const base = (sandbox.plan.name ?? sandbox.id).toLowerCase().replace(/[^a-z0-9-]+/g, "-");
  return base.replace(/^-+|-+$/g, "").slice(0, 63) || "sandbox";
}
