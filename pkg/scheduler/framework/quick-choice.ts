/**
 * The quick way to the best node for a pod about which only such plugins have a say as look at the pod's signature and the node itself: by a ranking
 * where pods like it come again and again, and else by one pass over numbers in columns.
 *
 * Invariant: it finds the node that the decider finds by asking every plugin about every node, to the last bit of every score; where it cannot, or no
 * node will do, it says so and the decider goes its own way.
 */
import type { NodeTable } from '../cache/node-table.ts';
import { RoomColumns } from '../cache/room-columns.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { Checks, KeptCheck } from './checks.ts';
import type { Cycle } from './cycle.ts';
import type { KeptAnswers, Signatures } from './kept-answers.ts';
import type { NodeScore, ScorePlugin, SlotCheck, SlotScore } from './plugin.ts';
import type { Profile } from './profile.ts';
import { Rankings, refused } from './ranking.ts';
import { success } from './status.ts';

interface Scoring {
  readonly plugin: ScorePlugin;
  readonly score: NodeScore;
  readonly weight: number;
}

/** All that has a say about one pod. */
interface Say {
  readonly checks: readonly KeptCheck[];
  readonly scores: readonly Scoring[];
  /** Equal for pods about which all say the same. */
  readonly signature: string;
}

/** What is chosen by. */
export interface QuickChoiceOptions {
  readonly profile: Profile;
  readonly table: NodeTable;
  readonly kept: KeptAnswers;
}

/** The quick way of one decider. */
export class QuickChoice {
  readonly #profile: Profile;
  readonly #table: NodeTable;
  readonly #kept: KeptAnswers;
  readonly #rankings = new Rankings();
  readonly #room = new RoomColumns();

  constructor({ profile, table, kept }: QuickChoiceOptions) {
    this.#profile = profile;
    this.#table = table;
    this.#kept = kept;
  }

  /** The slot of the best node; undefined where there is none, or it is not found this way. Only while no node is promised to anybody. */
  slotOf(cycle: Cycle, checks: Checks, signs: Signatures): number | undefined {
    const say = this.#sayAbout(cycle, checks, signs);
    if (say === undefined) return undefined;
    const ranking = this.#rankings.of(say.signature);
    if (ranking === undefined) return this.#firstOfAll(cycle, say);
    return ranking.best(this.#table, (node) => (passes(say.checks, node) ? totalOf(say.scores, node) : refused));
  }

  /** Undefined where another plugin has a say. */
  #sayAbout(cycle: Cycle, { kept, fresh, signature: ofChecks }: Checks, signs: Signatures): Say | undefined {
    if (fresh.length > 0) return undefined;
    for (const plugin of this.#profile.preScore) {
      if (plugin.preScore(cycle, filtered(this.#table.slots, kept)).code === 'Error') return undefined;
    }
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
    return { checks: kept, scores, signature };
  }

  /** One pass over all nodes: what depends on nodes alone is kept for many pods, and the rest is asked of columns where it can be. */
  #firstOfAll(cycle: Cycle, { checks, scores }: Say): number | undefined {
    const { slots } = this.#table;
    const room = this.#room.refresh(this.#table);
    const ofNodes = checks.filter(({ memo }) => memo.dependsOn === 'node');
    const isRefused = this.#kept.about({
      name: 'filters of nodes',
      dependsOn: 'node',
      signature: ofNodes.map(({ plugin, signature }) => `${plugin.name} ${signature}\n`).join(''),
      answer: (node) => (passes(ofNodes, node) ? 0 : 1),
    });
    const checksOfPods = checks
      .filter(({ memo }) => memo.dependsOn === 'pods')
      .map((one): SlotCheck => one.plugin.filterByRoom?.(cycle, room) ?? slotCheck(slots, one));
    const rates = scores.map(({ plugin, score, weight }): SlotScore => {
      const rate = plugin.scoreByRoom?.(cycle, room) ?? slotScore(slots, score);
      return weight === 1 ? rate : (slot) => weight * rate(slot);
    });
    const [isFit, rate] = [allOf(checksOfPods), sumOf(rates)];
    let best: number | undefined;
    let most = refused;
    for (let slot = 0; slot < slots.length; slot++) {
      if (isRefused[slot] !== 0 || slots[slot] === undefined || !isFit(slot)) continue;
      const total = rate(slot);
      if (total <= most) continue;
      most = total;
      best = slot;
    }
    return best;
  }
}

/** One that passes what all pass; mostly there is but one. */
function allOf(checks: readonly SlotCheck[]): SlotCheck {
  const [only = () => true] = checks;
  return checks.length <= 1 ? only : (slot) => checks.every((check) => check(slot));
}

function sumOf(scores: readonly SlotScore[]): SlotScore {
  const [only = () => 0] = scores;
  return scores.length <= 1 ? only : (slot) => scores.reduce((total, score) => total + score(slot), 0);
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

function* filtered(slots: Slots, checks: readonly KeptCheck[]): IterableIterator<NodeInfo> {
  for (const node of slots) if (node !== undefined && passes(checks, node)) yield node;
}
