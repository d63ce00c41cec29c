/** What the audit log says about one call of the API. */
export type CallRow =
  /** `<event>.begin` is durable before the handler runs, `<event>.end` follows the answer. */
  | {
      readonly event: string;
      /** It ends something or gives room back: a full disk does not refuse it. */
      readonly frees?: true;
    }
  /** Written by the verb itself, which knows more. */
  | { readonly recordedBy: "run" }
  /** Changes nothing, although it is no GET. */
  | { readonly readsOnly: string };

/**
 * Every call of the API that is no GET. A call that is missing here is recorded as `call.other`, so that none is forgotten;
 * a test asks for its row.
 */
export const recordedCalls: Readonly<Record<string, CallRow>> = {
  "POST /v1/runs": { event: "sandbox.create" },
  "POST /v1/sandboxes": { event: "sandbox.create" },
  "DELETE /v1/sandboxes/:ref": { event: "sandbox.destroy", frees: true },
  "POST /v1/sandboxes/:ref/stop": { event: "sandbox.stop", frees: true },
  "POST /v1/sandboxes/:ref/start": { event: "sandbox.start" },
  "POST /v1/sandboxes/:ref/pause": { event: "sandbox.pause" },
  "POST /v1/sandboxes/:ref/resume": { event: "sandbox.resume" },
  "POST /v1/sandboxes/:ref/cold": { event: "sandbox.cold" },
  "POST /v1/sandboxes/:ref/detach": { event: "sandbox.detach" },
  "POST /v1/sandboxes/:ref/lease": { event: "sandbox.lease" },
  "POST /v1/sandboxes/:ref/fork": { event: "sandbox.fork" },
  "POST /v1/sandboxes/:ref/resize": { event: "sandbox.resize" },
  "PUT /v1/sandboxes/:ref/ttl": { event: "sandbox.ttl" },
  "PUT /v1/sandboxes/:ref/network": { event: "sandbox.network" },

  "POST /v1/sandboxes/:ref/processes": { recordedBy: "run" },
  "POST /v1/sandboxes/:ref/processes/:pid/signal": { event: "process.signal", frees: true },
  "POST /v1/sandboxes/:ref/processes/:pid/resize": { event: "process.resize" },
  "POST /v1/sandboxes/:ref/processes/:pid/stdin": { event: "process.stdin" },
  "POST /v1/runs/:run_id/stdin": { event: "process.stdin" },

  "POST /v1/sandboxes/:ref/code": { recordedBy: "run" },
  "POST /v1/sandboxes/:ref/code/contexts": { event: "code.context.create" },
  "DELETE /v1/sandboxes/:ref/code/contexts/:language/:context": { event: "code.context.remove", frees: true },

  "POST /v1/sandboxes/:ref/packages": { event: "packages.install" },

  "PUT /v1/sandboxes/:ref/files/content": { event: "file.write" },
  "DELETE /v1/sandboxes/:ref/files": { event: "file.remove", frees: true },
  "POST /v1/sandboxes/:ref/files/mkdir": { event: "file.mkdir" },
  "POST /v1/sandboxes/:ref/files/rename": { event: "file.rename" },
  "POST /v1/sandboxes/:ref/files/symlink": { event: "file.symlink" },
  "POST /v1/sandboxes/:ref/files/chmod": { event: "file.chmod" },

  "POST /v1/sandboxes/:ref/ports": { event: "port.forward" },
  "DELETE /v1/sandboxes/:ref/ports/:host_port": { event: "port.remove", frees: true },

  "POST /v1/sandboxes/:ref/snapshots": { event: "snapshot.save" },
  "POST /v1/snapshots/:ref/restore": { event: "snapshot.restore" },
  "POST /v1/snapshots/:ref/verify": { readsOnly: "compares a snapshot with its seal" },
  "DELETE /v1/snapshots/:ref": { event: "snapshot.remove", frees: true },
  "POST /v1/snapshots/prune": { event: "snapshot.prune", frees: true },
  "POST /v1/snapshots/import": { event: "snapshot.import" },
  "POST /v1/templates/import": { event: "template.import" },

  "POST /v1/policy/check": { readsOnly: "decides and starts nothing" },
  "PUT /v1/secrets/:name": { event: "secret.put" },
  "DELETE /v1/secrets/:name": { event: "secret.remove", frees: true },
  "POST /v1/secrets/rotate": { event: "secret.rotate" },
  "POST /v1/pools": { event: "host.pools" },
  "POST /v1/images": { event: "image.build" },
  "POST /v1/images/pull": { event: "image.pull" },
  "DELETE /v1/images/:ref": { event: "image.remove", frees: true },

  "POST /v1/gc": { event: "host.gc", frees: true },
  "POST /v1/daemon/stop": { event: "daemon.stop", frees: true },
};
