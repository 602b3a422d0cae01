/** Flow schemas as the server works with them, and the flows that each divides its requests into. */
import { createHash } from 'node:crypto';
import type { FlowSchema } from '#pkg/api/types/flowcontrol-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { dealHand } from '#pkg/apiserver/flow/dealer.ts';
import type { Flow } from '#pkg/apiserver/flow/flow-control.ts';
import type { RequestInfo } from '#pkg/apiserver/request-info.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { FairnessMetrics, SchemaCounts } from './fairness-metrics.ts';
import { matcherFor, type RequestMatcher } from './matching.ts';
import type { PriorityLevel } from './priority-level.ts';

/** Flows of one schema that are remembered; with one more all are forgotten, and worked out again when they come. */
const flowsMax = 4_096;

/** The requests of one user, or one namespace, under one schema. */
export interface FairFlow extends Flow {
  readonly schema: UsedSchema;
  readonly level: PriorityLevel;
  /** The user or the namespace; empty where the schema does not divide. */
  readonly distinguisher: string;
  /** Queues of the level that it may use. */
  readonly hand: readonly number[];
}

/** A schema whose level is there. */
export class UsedSchema {
  readonly name: string;
  readonly precedence: number;
  readonly level: PriorityLevel;
  readonly counts: SchemaCounts;
  readonly #object: Given<FlowSchema>;
  readonly #uids: { readonly schema: string; readonly level: string };
  readonly #flows = new Map<string, FairFlow>();

  constructor(object: Given<FlowSchema>, level: PriorityLevel, metrics: FairnessMetrics) {
    this.#object = object;
    this.name = object.metadata?.name ?? '';
    this.precedence = object.spec?.matchingPrecedence ?? 0;
    this.level = level;
    this.counts = metrics.of(level.spec.name, this.name);
    this.#uids = { schema: object.metadata?.uid ?? '', level: level.spec.uid };
  }

  /** Which requests of a user it means; undefined for none. */
  matcherFor(user: UserInfo): RequestMatcher | undefined {
    return matcherFor(this.#object, user);
  }

  /** The flow of a request that it matches. */
  flowOf(user: UserInfo, info: RequestInfo): FairFlow {
    const distinguisher = this.#distinguisherOf(user, info);
    let flow = this.#flows.get(distinguisher);
    if (flow === undefined) {
      if (this.#flows.size >= flowsMax) this.#flows.clear();
      flow = {
        schema: this,
        level: this.level,
        uids: this.#uids,
        distinguisher,
        hand: this.#handOf(distinguisher),
      };
      this.#flows.set(distinguisher, flow);
    }
    return flow;
  }

  #distinguisherOf({ name }: UserInfo, { namespace }: RequestInfo): string {
    const { waiting } = this.level.spec;
    // With a single queue there is nothing to divide.
    if (typeof waiting === 'string' || waiting.queues <= 1) return '';
    switch (this.#object.spec?.distinguisherMethod?.type) {
      case 'ByUser':
        return name;
      case 'ByNamespace':
        return namespace;
      default:
        return '';
    }
  }

  #handOf(distinguisher: string): readonly number[] {
    const { waiting, handSize } = this.level.spec;
    if (typeof waiting === 'string') return [];
    const digest = createHash('sha256').update(`${this.name}\0${distinguisher}`).digest();
    return dealHand(digest.readBigUInt64LE(0), waiting.queues, handSize);
  }
}
