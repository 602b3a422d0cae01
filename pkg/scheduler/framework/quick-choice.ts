/**
 * The quick way to the best node for a pod whose scores depend on its signature and the node alone: by a ranking where pods like it come again and
 * again, and else by one pass over numbers in columns. What else has a say may only refuse nodes, by such numbers too.
 *
 * Invariant: it finds the node that the decider finds by asking every plugin about every node, to the last bit of every score; where it cannot, or no
 * node will do, it says so and the decider goes its own way.
 */
import type { NodeTable } from '../cache/node-table.ts';
import { blockSlots, idleKindsMax, type RoomColumns } from '../cache/room-columns.ts';
import type { NodeInfo } from '../model/node-info.ts';
import { type Checks, type KeptCheck, slotChecksOf } from './checks.ts';
import type { Cycle } from './cycle.ts';
import type { KeptAnswers, Signatures } from './kept-answers.ts';
import type { NodeScore, ScorePlugin, SlotCheck, SlotScore } from './plugin.ts';
import type { Profile } from './profile.ts';
import type { PromisedLimit } from './promised-nodes.ts';
import { Rankings, refused } from './ranking.ts';
import { allOf, sumOf } from './slots.ts';
import { success } from './status.ts';

interface Scoring {
  readonly plugin: ScorePlugin;
  readonly score: NodeScore;
  readonly weight: number;
}

/** All that has a say about one pod. */
interface Say {
  readonly checks: readonly KeptCheck[];
  /** By what is not kept; absent where there is nothing. */
  readonly limit: SlotCheck | undefined;
  readonly promised: PromisedLimit | undefined;
  readonly scores: readonly Scoring[];
  /** Equal for pods about which all say the same but for `limit` and `promised`. */
  readonly signature: string;
}

/** What is chosen by. */
export interface QuickChoiceOptions {
  readonly profile: Profile;
  readonly table: NodeTable;
  readonly kept: KeptAnswers;
  readonly room: RoomColumns;
}

/** Who is decided about. */
export interface QuickPod {
  readonly cycle: Cycle;
  readonly checks: Checks;
  readonly signs: Signatures;
  readonly promised: PromisedLimit | undefined;
}

/** The quick way of one decider. */
export class QuickChoice {
  readonly #profile: Profile;
  readonly #table: NodeTable;
  readonly #kept: KeptAnswers;
  readonly #rankings = new Rankings();
  readonly #room: RoomColumns;
  /** By kind of idle nodes: the last pass that has looked at one of it. */
  readonly #lookedAt = new Int32Array(idleKindsMax + 1);
  #pass = 0;

  constructor({ profile, table, kept, room }: QuickChoiceOptions) {
    this.#profile = profile;
    this.#table = table;
    this.#kept = kept;
    this.#room = room;
  }

  /**
   * The slot of the best node; -1 where there is none, undefined where it is not found this way. For a pod that no node was promised to that takes it.
   */
  slotOf(pod: QuickPod): number | undefined {
    const say = this.#sayAbout(pod);
    return say === undefined ? undefined : (this.#bestBy(pod.cycle, say) ?? -1);
  }

  #bestBy(cycle: Cycle, say: Say): number | undefined {
    const ranking = this.#rankings.of(say.signature);
    if (ranking === undefined) return this.#firstOfAll(cycle, say);
    const rate = (node: NodeInfo): number => (passes(say.checks, node) ? totalOf(say.scores, node) : refused);
    const limits = [say.limit, say.promised?.passes].filter((limit) => limit !== undefined);
    return limits.length === 0 ? ranking.best(this.#table, rate) : ranking.bestOf(this.#table, rate, allOf(limits));
  }

  /** Undefined where another plugin has a say. */
  #sayAbout({ cycle, checks, signs, promised }: QuickPod): Say | undefined {
    const { kept, fresh, signature: ofChecks } = checks;
    for (const plugin of this.#profile.preScore) if (plugin.preScore(cycle, []).code === 'Error') return undefined;
    const scores: Scoring[] = [];
    let signature = ofChecks;
    for (const { plugin, weight } of this.#profile.score) {
      const score = plugin.score(cycle);
      if (score === undefined) continue;
      const memo = plugin.scoreMemo;
      if (memo === undefined || plugin.normalize !== undefined) return undefined;
      scores.push({ plugin, score, weight });
      signature += `score ${plugin.name} ${signs.of(memo)}\n`;
    }
    const limits = fresh.length === 0 ? [] : slotChecksOf(fresh, cycle, this.#room.refresh());
    if (limits === undefined) return undefined;
    const limit = limits.length === 0 ? undefined : allOf(limits);
    return { checks: kept, limit, promised, scores, signature };
  }

  /** One pass over all nodes: what depends on nodes alone is kept for many pods, and the rest is asked of columns where it can be. */
  #firstOfAll(cycle: Cycle, { checks, limit, promised, scores }: Say): number | undefined {
    const { slots } = this.#table;
    const room = this.#room.refresh();
    const ofNodes = checks.filter(({ memo }) => memo.dependsOn === 'node');
    const isRefused = this.#kept.about({
      name: 'filters of nodes',
      dependsOn: 'node',
      signature: ofNodes.map(({ plugin, signature }) => `${plugin.name} ${signature}\n`).join(''),
      answer: (node) => (passes(ofNodes, node) ? 0 : 1),
    });
    let isByRoom = true;
    const checksOfPods = checks
      .filter(({ memo }) => memo.dependsOn === 'pods')
      .map((one): SlotCheck => {
        const check = one.plugin.filterByRoom?.(cycle, room);
        if (check === undefined) isByRoom = false;
        return check ?? slotCheck(slots, one);
      });
    const rates = scores.map(({ plugin, score, weight }): SlotScore => {
      const byRoom = plugin.scoreByRoom?.(cycle, room);
      if (byRoom === undefined) isByRoom = false;
      const rate = byRoom ?? slotScore(slots, score);
      return weight === 1 ? rate : (slot) => weight * rate(slot);
    });
    return this.#firstBy({ isRefused, limit, promised, isFit: allOf(checksOfPods), rate: sumOf(rates), isByRoom });
  }

  #firstBy({ isRefused, limit, promised, isFit, rate, isByRoom }: Pass): number | undefined {
    const { slots } = this.#table;
    const { idleKind, idleKindOfBlock } = this.#room;
    const lookedAt = this.#lookedAt;
    const pass = ++this.#pass;
    let best: number | undefined;
    let most = refused;
    const hasBlocks = isByRoom && promised === undefined;
    for (let slot = 0; slot < slots.length; slot++) {
      if (hasBlocks && slot % blockSlots === 0) {
        const kind = idleKindOfBlock[slot / blockSlots] ?? 0;
        if (kind > 0 && lookedAt[kind] === pass) {
          slot += blockSlots - 1;
          continue;
        }
      }
      if (isRefused[slot] !== 0 || slots[slot] === undefined || limit?.(slot) === false) continue;
      const kind = isByRoom && promised?.slots.has(slot) !== true ? (idleKind[slot] ?? 0) : 0;
      if (kind > 0) {
        if (lookedAt[kind] === pass) continue;
        lookedAt[kind] = pass;
      }
      if (!isFit(slot)) continue;
      const total = rate(slot);
      if (total <= most || promised?.passes(slot) === false) continue;
      most = total;
      best = slot;
    }
    return best;
  }
}

/** One pass over all nodes. */
interface Pass {
  /** 0 for nodes that may be taken for what they say of themselves. */
  readonly isRefused: Float64Array;
  readonly limit: SlotCheck | undefined;
  readonly promised: PromisedLimit | undefined;
  readonly isFit: SlotCheck;
  readonly rate: SlotScore;
  /** Whether `isFit` and `rate` look at columns alone. Idle nodes that are the same in them come to the same then: the first stands for all. */
  readonly isByRoom: boolean;
}

type Slots = readonly (NodeInfo | undefined)[];

function passes(checks: readonly KeptCheck[], node: NodeInfo): boolean {
  for (const { check } of checks) if (check(node) !== success) return false;
  return true;
}

function totalOf(scores: readonly Scoring[], node: NodeInfo): number {
  let total = 0;
  for (const { score, weight } of scores) total += weight * score(node);
  return total;
}

function slotCheck(slots: Slots, { check }: KeptCheck): SlotCheck {
  return (slot) => {
    const node = slots[slot];
    return node !== undefined && check(node) === success;
  };
}

function slotScore(slots: Slots, score: NodeScore): SlotScore {
  return (slot) => {
    const node = slots[slot];
    return node === undefined ? 0 : score(node);
  };
}
