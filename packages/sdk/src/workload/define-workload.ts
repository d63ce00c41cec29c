import { InvalidArgumentError, type NetworkPolicyDocument, type SecretRefDocument } from "@mvm/protocol";
import { type Declaration, lowerDeclaration } from "@mvm/protocol/declaration";
import type { NetworkPolicy } from "../network/policy.js";
import type { SecretRef } from "../secrets/secret-ref.js";

/** A workload as it is declared; see docs/workload.md for what `mvmctl compile` understands without running the module. */
export interface WorkloadDeclaration extends Omit<Declaration, "network" | "secrets"> {
  readonly network?: NetworkPolicy | NetworkPolicyDocument;
  readonly secrets?: Readonly<Record<string, SecretRef | SecretRefDocument>>;
}

/**
 * Declares a workload: returns what it is given, once it is known to be valid. Starts nothing.
 * @throws {InvalidArgumentError} a field cannot be used; the message names it
 */
export function defineWorkload<const W extends WorkloadDeclaration>(workload: W): W {
  const { problems } = lowerDeclaration(withDocuments(workload));
  const [first] = problems;
  if (first === undefined) return workload;
  const more = problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`;
  throw new InvalidArgumentError({
    message: `Cannot declare the workload: ${first.path === "" ? "" : `${first.path.slice(1)}: `}${first.detail}${more}`,
    context: { argument: first.path, problem: first.code },
  });
}

/** The declaration with the plain documents of its helpers. */
function withDocuments({ network, secrets, ...rest }: WorkloadDeclaration): object {
  return {
    ...rest,
    ...(network !== undefined && { network: documentOf(network) }),
    ...(secrets !== undefined && {
      secrets: Object.fromEntries(Object.entries(secrets).map(([variable, ref]) => [variable, documentOf(ref)])),
    }),
  };
}

function documentOf(helper: NetworkPolicy | NetworkPolicyDocument | SecretRef | SecretRefDocument): unknown {
  return "toJSON" in helper ? helper.toJSON() : helper;
}
