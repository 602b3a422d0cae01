/**
 * The decision: which node a pod goes to, or why to none. Synchronous and pure but for what is kept between pods (columns of answers, and the
 * ranking of the nodes for pods that are alike), which changes nothing but the speed. All nodes are looked at, never a sample: with kept answers
 * that costs less than a sample would without, and packing needs the best node, not a good one.
 */

import type { NodeTable } from '../cache/node-table.ts';
import type { Nominator } from '../cache/nominator.ts';
import { RoomColumns } from '../cache/room-columns.ts';
import type { NodeInfo } from '../model/node-info.ts';
import { type Check, type Checks, checksOf, slotChecksOf } from './checks.ts';
import type { Answer } from './column.ts';
import type { Cycle } from './cycle.ts';
import type { Diagnosis } from './fit-error.ts';
import { KeptAnswers, Signatures } from './kept-answers.ts';
import type { ChangedNodes, ChangePosition } from './plugin.ts';
import type { Profile, WeightedScore } from './profile.ts';
import { type PromisedLimit, PromisedNodes } from './promised-nodes.ts';
import { QuickChoice } from './quick-choice.ts';
import { type NodeRefusal, NumberedRefusals, type Refusals, refusalsOf } from './refusals.ts';
import { allOf } from './slots.ts';
import { isRejected, type Status, success } from './status.ts';

/** Different refusals remembered by number; beyond it the kept answers start anew. Refusals are few: a plugin has a handful. */
const refusalsMax = 65_536;

/** A node, why there is none, or that a plugin failed. */
export type Decision =
  | { readonly kind: 'node'; readonly nodeName: string }
  | {
      readonly kind: 'unschedulable';
      readonly diagnosis: Diagnosis;
      /** Names of the plugins that refused the pod or a node of it. */
      readonly rejectors: ReadonlySet<string>;
      /** The nodes with their refusals, right until the cluster changes. */
      readonly refusals: Refusals;
    }
  | { readonly kind: 'error'; readonly message: string };

interface ScoreOptions {
  /** How many of `#feasible` are rated. */
  readonly count: number;
  readonly signs: Signatures;
}

/** By what is decided. */
export interface DeciderOptions {
  readonly profile: Profile;
  readonly table: NodeTable;
  readonly nominator: Nominator;
  /** Whether nodes are found the quick way where there is one, which finds the same. Default true. */
  readonly isQuick?: boolean;
}

/** Decides for one scheduler, one pod at a time. */
export class Decider {
  readonly #profile: Profile;
  readonly #table: NodeTable;
  readonly #nominator: Nominator;
  readonly #kept: KeptAnswers;
  readonly #quick: QuickChoice | undefined;
  /** Absent where nothing is quick. */
  readonly #room: RoomColumns | undefined;
  readonly #promised: PromisedNodes;
  /** Refusals by number; 0 is success. */
  #statuses: Status[] = [success];
  #numbers = new Map<string, number>();
  /** The same by identity, as a plugin mostly gives the same object again. */
  #numberOf = new WeakMap<Status, number>();
  #verdicts = new Float64Array(0);
  #scratch = new Float64Array(0);
  #totals = new Float64Array(0);
  #feasible = new Int32Array(0);

  constructor(options: DeciderOptions) {
    this.#profile = options.profile;
    this.#nominator = options.nominator;
    this.#table = options.table;
    this.#kept = new KeptAnswers(options.table);
    this.#promised = new PromisedNodes(options);
    this.#room = options.isQuick === false ? undefined : new RoomColumns(options.table);
    if (this.#room === undefined) return;
    this.#quick = new QuickChoice({ ...options, kept: this.#kept, room: this.#room });
  }

  /** Decides for the pod of `cycle`. */
  decide(cycle: Cycle): Decision {
    if (this.#statuses.length > refusalsMax) this.#forgetAnswers();
    let nodeNames: ReadonlySet<string> | undefined;
    const limiting: string[] = [];
    for (const plugin of this.#profile.preFilter) {
      const result = plugin.preFilter(cycle);
      if (isRejected(result.status)) return this.#refusedWhole(result.status, plugin.name);
      if (result.status.code === 'Error') return { kind: 'error', message: result.status.reasons.join(', ') };
      if (result.nodeNames === undefined) continue;
      limiting.push(plugin.name);
      nodeNames = nodeNames === undefined ? result.nodeNames : nodeNames.intersection(result.nodeNames);
    }
    if (nodeNames !== undefined) return this.#decideAmong(cycle, nodeNames, limiting);
    return this.#decideAll(cycle);
  }

  /** What the filters say of a node that may not be as it is, with the pods counted in that were promised it. */
  check(cycle: Cycle, node: NodeInfo): Status {
    return this.#promised.check(cycle, node);
  }

  /** Equal for pods to which `check` says the same of a node that was promised to the same pods; undefined where it looks at other nodes too. */
  signatureOf(cycle: Cycle): string | undefined {
    const { fresh, signature } = checksOf(this.#profile, cycle, new Signatures(cycle.pod));
    return fresh.length === 0 ? signature : undefined;
  }

  /** Where `check` may say something else than at a position; see `PostFilterContext`. */
  changedSince(position: ChangePosition | undefined): ChangedNodes {
    const { podChanges, slots } = this.#table;
    const at = { pods: podChanges.head, promises: this.#nominator.changes.head };
    const nodes = new Set<NodeInfo>();
    const note = (node: NodeInfo | undefined): void => {
      if (node !== undefined) nodes.add(node);
    };
    const isKnown =
      position !== undefined &&
      at.pods - position.pods <= slots.length &&
      podChanges.since(position.pods, (slot) => note(slots[slot])) &&
      this.#nominator.changes.since(position.promises, (name) => note(this.#table.node(name)));
    return { at, nodes: isKnown ? nodes : undefined };
  }

  /** All nodes, with kept answers. */
  #decideAll(cycle: Cycle): Decision {
    const { slots } = this.#table;
    const own = this.#ownNode(cycle);
    if (own !== undefined) return { kind: 'node', nodeName: own.name };
    const signs = new Signatures(cycle.pod);
    const checks = checksOf(this.#profile, cycle, signs);
    const promised = this.#promised.limit(cycle, checks);
    const quick = this.#quick?.slotOf({ cycle, checks, signs, promised });
    const node = quick === undefined || quick < 0 ? undefined : slots[quick];
    if (node !== undefined) return { kind: 'node', nodeName: node.name };
    if (this.#feasible.length < slots.length) this.#grow(slots.length * 2);
    const passing = quick === undefined ? this.#passingByRoom(cycle, checks, promised) : 0;
    if (passing > 0) return this.#best(cycle, passing, signs);
    const verdicts = this.#verdictsOfAll(checks, promised);
    const feasible = this.#feasible;
    let count = 0;
    for (let slot = 0; slot < slots.length; slot++) {
      if (verdicts[slot] === 0 && slots[slot] !== undefined) feasible[count++] = slot;
    }
    if (count > 0) return this.#best(cycle, count, signs);
    return this.#unschedulableBy(verdicts);
  }

  /** The node that was promised to the pod, where it takes it; what is not quick finds the same in the end. */
  #ownNode(cycle: Cycle): NodeInfo | undefined {
    const name = this.#quick === undefined ? undefined : this.#nominator.nodeOf(cycle.pod.uid);
    const node = name === undefined ? undefined : this.#table.node(name);
    return node !== undefined && this.check(cycle, node) === success ? node : undefined;
  }

  /** Where it can be found without a word why nodes are refused: how many pass, whose slots are then the first of `#feasible`. Else 0. */
  #passingByRoom(cycle: Cycle, checks: Checks, promised: PromisedLimit | undefined): number {
    const { slots } = this.#table;
    if (this.#room === undefined || (checks.fresh.length === 0 && promised === undefined)) return 0;
    const limits = slotChecksOf(checks.fresh, cycle, this.#room.refresh());
    if (limits === undefined) return 0;
    const passes = allOf(promised === undefined ? limits : [...limits, promised.passes]);
    const common = this.#keptVerdicts(checks);
    const feasible = this.#feasible;
    let count = 0;
    for (let slot = 0; slot < slots.length; slot++)
      if (common[slot] === 0 && slots[slot] !== undefined && passes(slot)) feasible[count++] = slot;
    return count;
  }

  #answerOf({ plugin, check }: Check): Answer {
    const { name } = plugin;
    return (node) => this.#number(name, check(node));
  }

  /** As `#verdictsOfAll`, of those filters whose answers are kept. */
  #keptVerdicts({ kept, signature }: Checks): Float64Array {
    const columns = kept.map((one) => {
      const name = `filter ${one.plugin.name}`;
      const { dependsOn } = one.memo;
      return this.#kept.about({ name, dependsOn, signature: one.signature, answer: this.#answerOf(one) });
    });
    const firstRefusal: Answer = (_node, slot) => {
      for (const values of columns) if (values[slot] !== 0) return values[slot]!;
      return 0;
    };
    return this.#kept.about({ name: 'filters', dependsOn: 'pods', signature, answer: firstRefusal });
  }

  /** By slot the number of the first refusal, 0 where every plugin passes the node; meaningless where the slot is free. */
  #verdictsOfAll(checks: Checks, promised: PromisedLimit | undefined): Float64Array {
    const { slots } = this.#table;
    const common = this.#keptVerdicts(checks);
    const fresh = checks.fresh.map((one) => this.#answerOf(one));
    if (fresh.length === 0 && promised === undefined) return common;
    const verdicts = this.#verdicts;
    verdicts.set(common.subarray(0, slots.length));
    for (const answer of fresh) {
      for (let slot = 0; slot < slots.length; slot++) {
        const node = slots[slot];
        if (verdicts[slot] === 0 && node !== undefined) verdicts[slot] = answer(node, slot);
      }
    }
    for (const slot of promised?.slots ?? []) {
      if (verdicts[slot] !== 0) continue;
      const status = promised?.statusOf(slot) ?? success;
      verdicts[slot] = status === success ? 0 : this.#number(status.plugin ?? '', status);
    }
    return verdicts;
  }

  /** The few nodes that a pre-filter left, asked directly: keeping answers for such pods would only push out others. */
  #decideAmong(cycle: Cycle, names: ReadonlySet<string>, limiting: readonly string[]): Decision {
    const slots: number[] = [];
    const refusals: NodeRefusal[] = [];
    for (const name of names) {
      const slot = this.#table.slotOf(name);
      if (slot === undefined) continue;
      const node = this.#table.slots[slot]!;
      const status = this.check(cycle, node);
      if (status === success) slots.push(slot);
      else refusals.push({ node, status });
    }
    if (slots.length > 0) {
      if (this.#feasible.length < slots.length) this.#grow(slots.length * 2);
      this.#feasible.set(slots.sort((a, b) => a - b));
      return this.#best(cycle, slots.length, new Signatures(cycle.pod));
    }
    return this.#unschedulable(refusals, limiting);
  }

  #number(plugin: string, status: Status): number {
    if (status === success) return 0;
    const known = this.#numberOf.get(status);
    if (known !== undefined) return known;
    const key = `${plugin}\n${status.code}\n${status.reasons.join('\n')}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#statuses.push({ ...status, plugin }) - 1;
      this.#numbers.set(key, number);
    }
    this.#numberOf.set(status, number);
    return number;
  }

  /** The best of the first `count` of `#feasible`; of equals the one in the lowest slot, so that nodes fill one after the other. */
  #best(cycle: Cycle, count: number, signs: Signatures): Decision {
    const { slots } = this.#table;
    const nodeNameAt = (index: number): string => slots[this.#feasible[index]!]!.name;
    if (count === 1) return { kind: 'node', nodeName: nodeNameAt(0) };
    const promised = this.#table.slotOf(this.#nominator.nodeOf(cycle.pod.uid) ?? '');
    if (promised !== undefined && this.#feasible.subarray(0, count).includes(promised)) {
      return { kind: 'node', nodeName: slots[promised]!.name };
    }
    for (const plugin of this.#profile.preScore) {
      const slotsLeft = this.#feasible.subarray(0, count);
      const status =
        this.#room === undefined || plugin.preScoreByRoom === undefined
          ? plugin.preScore(cycle, this.#firstFeasible(count))
          : plugin.preScoreByRoom(cycle, slotsLeft, this.#room.refresh());
      if (status.code === 'Error') return { kind: 'error', message: status.reasons.join(', ') };
    }
    const totals = this.#totals.fill(0, 0, count);
    for (const weighted of this.#profile.score) this.#addScores(cycle, weighted, { count, signs });
    let best = 0;
    for (let index = 1; index < count; index++) if (totals[index]! > totals[best]!) best = index;
    return { kind: 'node', nodeName: nodeNameAt(best) };
  }

  *#firstFeasible(count: number): IterableIterator<NodeInfo> {
    for (let index = 0; index < count; index++) yield this.#table.slots[this.#feasible[index]!]!;
  }

  #addScores(cycle: Cycle, { plugin, weight }: WeightedScore, { count, signs }: ScoreOptions): void {
    const score = plugin.score(cycle);
    if (score === undefined) return;
    const { slots } = this.#table;
    const feasible = this.#feasible;
    const totals = this.#totals;
    const scratch = this.#scratch.subarray(0, count);
    const memo = plugin.scoreMemo;
    const bySlot = memo === undefined && this.#room ? plugin.scoreByRoom?.(cycle, this.#room.refresh()) : undefined;
    if (bySlot !== undefined) {
      for (let index = 0; index < count; index++) scratch[index] = bySlot(feasible[index] ?? 0);
    } else if (memo === undefined) {
      for (let index = 0; index < count; index++) scratch[index] = score(slots[feasible[index]!]!);
    } else {
      const { dependsOn } = memo;
      const name = `score ${plugin.name}`;
      const values = this.#kept.about({ name, dependsOn, signature: signs.of(memo), answer: score });
      for (let index = 0; index < count; index++) scratch[index] = values[feasible[index]!]!;
    }
    plugin.normalize?.(scratch, cycle);
    for (let index = 0; index < count; index++) totals[index]! += weight * scratch[index]!;
  }

  #refusedWhole(status: Status, plugin: string): Decision {
    return {
      kind: 'unschedulable',
      diagnosis: {
        nodeCount: this.#table.nodeCount,
        preFilterMessage: status.reasons.join(', '),
        reasonCounts: new Map(),
      },
      rejectors: new Set([plugin]),
      refusals: refusalsOf(Array.from(this.#table.nodes(), (node) => ({ node, status: { ...status, plugin } }))),
    };
  }

  #unschedulableBy(verdicts: Float64Array): Decision {
    const refusals = new NumberedRefusals(this.#table.slots, { numbers: verdicts, statuses: this.#statuses });
    const reasons = new Reasons();
    for (const { status, count } of refusals.counts) reasons.add(status, count);
    return reasons.decision(this.#table.nodeCount, refusals);
  }

  /** Of the nodes that pre-filters left, where these plugins did not leave all. */
  #unschedulable(refusals: readonly NodeRefusal[], limiting: readonly string[]): Decision {
    const { nodeCount } = this.#table;
    const reasons = new Reasons();
    for (const { status } of refusals) reasons.add(status, 1);
    const left = nodeCount - refusals.length;
    if (left > 0) reasons.addLimiting(limiting, left);
    return reasons.decision(nodeCount, refusalsOf(refusals));
  }

  #grow(capacity: number): void {
    this.#feasible = new Int32Array(capacity);
    this.#verdicts = new Float64Array(capacity);
    this.#scratch = new Float64Array(capacity);
    this.#totals = new Float64Array(capacity);
  }

  #forgetAnswers(): void {
    this.#statuses = [success];
    this.#numbers = new Map();
    this.#numberOf = new WeakMap();
    this.#kept.clear();
  }
}

/** Why nodes were refused, summed up. */
class Reasons {
  readonly #counts = new Map<string, number>();
  readonly #rejectors = new Set<string>();

  /** `times` nodes were refused so. */
  add({ plugin, reasons }: Status, times: number): void {
    if (plugin !== undefined) this.#rejectors.add(plugin);
    for (const reason of reasons) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + times);
  }

  /** So many were not even looked at, for the sake of these plugins. */
  addLimiting(plugins: readonly string[], times: number): void {
    for (const plugin of plugins) this.#rejectors.add(plugin);
    this.#counts.set(`node(s) didn't satisfy plugin(s) [${plugins.join(' ')}]`, times);
  }

  decision(nodeCount: number, refusals: Refusals): Decision {
    const diagnosis = { nodeCount, reasonCounts: this.#counts };
    return { kind: 'unschedulable', diagnosis, rejectors: this.#rejectors, refusals };
  }
}
