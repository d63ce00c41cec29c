import { loadCedar } from "../admission/cedar.js";
import type { Ceilings } from "../admission/ceilings.js";
import type { PolicyProblem, PolicySource } from "../admission/policy-source.js";
import { brokenPolicy, Policy } from "../admission/policy.js";
import type { Logger } from "../observe/log.js";
import { readBuiltIn } from "./built-in.js";
import { fingerprint, readOperatorFiles } from "./operator-files.js";

/** The policy that is in force, or what is wrong with its files. */
export interface PolicyState {
  readonly policy: Policy | null;
  readonly problems: readonly PolicyProblem[];
  /** The operator's files that were read. */
  readonly files: readonly PolicySource[];
}

export interface PolicyStoreOptions {
  /** Directories of the operator's files. */
  readonly directories: readonly string[];
  readonly host: Ceilings;
  readonly log: Logger;
}

/** Holds the policy in force. Its files are looked at again whenever it is asked for, so a change counts for the next request. */
export class PolicyStore {
  private builtIn: ReturnType<typeof readBuiltIn> | undefined;
  private held: { readonly mark: string; readonly state: Promise<PolicyState> } | undefined;

  constructor(private readonly options: PolicyStoreOptions) {}

  get directories(): readonly string[] {
    return this.options.directories;
  }

  /** @throws {PolicyDenied} code POLICY_BROKEN: nothing is admitted until the files are mended */
  async current(): Promise<Policy> {
    const { policy, problems } = await this.state();
    if (policy === null) throw brokenPolicy(problems);
    return policy;
  }

  /** As {@link current}, for those who show the problems instead of refusing. */
  state(): Promise<PolicyState> {
    const mark = fingerprint(this.options.directories);
    if (this.held?.mark !== mark) this.held = { mark, state: this.read() };
    return this.held.state;
  }

  private async read(): Promise<PolicyState> {
    const { directories, host, log } = this.options;
    this.builtIn ??= readBuiltIn();
    const [cedar, { schema, builtIn }] = await Promise.all([loadCedar(), this.builtIn]);
    const operator = readOperatorFiles(directories);
    const files = [...operator.cedar, ...operator.limits];
    const sources = { schema, builtIn, operator: operator.cedar, limits: operator.limits, host };
    const compiled = Policy.compile(cedar, sources);
    const policy = compiled instanceof Policy && operator.problems.length === 0 ? compiled : null;
    const problems = [...operator.problems, ...(compiled instanceof Policy ? [] : compiled)];
    if (policy === null)
      log.error({ problems: problems.length, first: problems[0] }, "policy is broken: nothing is admitted");
    else log.info({ sha256: policy.sha256, files: files.length, rules: policy.rules.length }, "policy in force");
    return { policy, problems, files };
  }
}
