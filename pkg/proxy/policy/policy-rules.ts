/**
 * The kernel's side of network policies. Invariant: after `apply` has resolved the table is what the state says; where it rejects, what the kernel had
 * stays, and the next one makes all anew.
 */
import { ElementTable } from '#pkg/network/nft/element-table.ts';
import type { NftTransactions } from '#pkg/network/nft/nft-session.ts';
import {
  emptyPolicyTable,
  noPolicies,
  type PolicyState,
  type PolicyTableOptions,
  policyCommands,
  policyTable,
} from './policy-table.ts';

/** Where the rules are. */
export interface PolicyRulesOptions extends PolicyTableOptions {
  /** Of the node's network namespace; closed by whoever made it, or by the enforcer that was given it. */
  readonly session: NftTransactions;
}

/** The rules of one node. */
export class PolicyRules {
  readonly #options: PolicyRulesOptions;
  #elements = new ElementTable({ table: policyTable });
  /** What the kernel has; undefined while it is not known. */
  #state: PolicyState | undefined;

  constructor(options: PolicyRulesOptions) {
    this.#options = options;
  }

  /** Rejects where the kernel does not take it. */
  async apply(state: PolicyState): Promise<void> {
    const before = this.#state ?? noPolicies;
    const start: string[] = [];
    if (this.#state === undefined) {
      this.#elements = new ElementTable({ table: policyTable });
      start.push(emptyPolicyTable(this.#options));
    }
    const now = new Set(state.elements.map(({ owner }) => owner));
    const gone = before.elements.filter(({ owner }) => !now.has(owner));
    const { commands } = this.#elements.change([
      ...gone.map(({ owner }) => ({ owner, elements: [] })),
      ...state.elements,
    ]);
    this.#state = undefined;
    await this.#options.session.commit([...start, ...policyCommands(before, state, commands)]);
    this.#state = state;
  }
}
