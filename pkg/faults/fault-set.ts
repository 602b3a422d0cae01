/** The rules that hold, and which of them has its turn. `fault-rule.ts` has the laws. */
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import type { FaultKind, FaultPlace, FaultRule } from './fault-rule.ts';
import { FaultRuleError, readRules } from './read-rules.ts';

/** A rule that holds, and how often it has hit. */
export interface FaultState {
  readonly rule: FaultRule;
  readonly hits: number;
}

/** A rule with its durations read. */
export interface ActiveFault extends FaultState {
  readonly addedMs: number;
  readonly afterMs: number;
  readonly delayMs: number;
  readonly lifetimeMs: number;
  /** Negative: back. */
  readonly byMs: number;
}

interface Held extends ActiveFault {
  readonly forMs: number;
  readonly chance: SeededRandom;
  hits: number;
}

interface FaultSetOptions {
  readonly clock: Clock;
  /** Default 1. */
  readonly seed?: number;
  /** Where faults can act. */
  readonly places: readonly FaultPlace[];
}

/** The rules of one cluster. */
export class FaultSet {
  readonly #options: FaultSetOptions;
  readonly #held = new Map<string, Held>();
  readonly #listeners: ((fault: ActiveFault) => void)[] = [];

  constructor(options: FaultSetOptions) {
    this.#options = options;
  }

  /** Adds all rules of `data` or, where something is wrong with one, none. Throws `FaultRuleError`. */
  add(data: unknown): void {
    const rules = readRules(data, this.#options.places);
    const taken = rules.filter(({ name }) => this.#held.has(name));
    if (taken.length > 0)
      throw new FaultRuleError(taken.map(({ name }) => `there is a rule named ${JSON.stringify(name)} already`));
    const added = rules.map((rule) => this.#hold(rule));
    for (const fault of added) this.#held.set(fault.rule.name, fault);
    for (const fault of added) for (const listener of this.#listeners) listener(fault);
  }

  /** Ends a rule; returns whether there was one of that name. */
  remove(name: string): boolean {
    return this.#held.delete(name);
  }

  /** The rules in the order in which they were added. */
  list(): readonly FaultState[] {
    return [...this.#held.values()].map(({ rule, hits }) => ({ rule, hits }));
  }

  /** Calls `listener` for each rule that is added from now on. */
  onAdded(listener: (fault: ActiveFault) => void): void {
    this.#listeners.push(listener);
  }

  /** Whether a rule is there and has begun and not ended, whatever its share and times. */
  isActive({ rule: { name }, addedMs }: ActiveFault): boolean {
    const held = this.#held.get(name);
    return held !== undefined && held.addedMs === addedMs && this.#isNow(held);
  }

  /** The rules of a kind that have begun and not ended. */
  active(kind: FaultKind): readonly ActiveFault[] {
    return [...this.#held.values()].filter((fault) => fault.rule.fault === kind && this.#isNow(fault));
  }

  /** The first rule that `selects` and whose turn it is, which has then hit once more. */
  pick(selects: (rule: FaultRule) => boolean): ActiveFault | undefined {
    for (const fault of this.#held.values()) {
      const { times = Number.POSITIVE_INFINITY, share = 1 } = fault.rule;
      if (fault.hits >= times || !this.#isNow(fault) || !selects(fault.rule)) continue;
      if (share < 1 && fault.chance.next() >= share) continue;
      fault.hits++;
      return fault;
    }
    return undefined;
  }

  #isNow({ addedMs, afterMs, forMs }: Held): boolean {
    const sinceMs = this.#options.clock.monotonicMs() - addedMs;
    return sinceMs >= afterMs && sinceMs < afterMs + forMs;
  }

  #hold(rule: FaultRule): Held {
    const { clock, seed = 1 } = this.#options;
    const ms = (text: string | undefined, absent: number): number =>
      text === undefined ? absent : (parseDurationMs(text) ?? absent);
    const jump = rule.by ?? '0s';
    return {
      rule,
      hits: 0,
      addedMs: clock.monotonicMs(),
      afterMs: ms(rule.after, 0),
      forMs: ms(rule.for, Number.POSITIVE_INFINITY),
      delayMs: ms(rule.delay, 0),
      lifetimeMs: ms(rule.lifetime, 0),
      byMs: ms(jump.replace(/^-/, ''), 0) * (jump.startsWith('-') ? -1 : 1),
      chance: new SeededRandom(seed + hashOf(rule.name)),
    };
  }
}

/** A number of a text, the same everywhere. Source: FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
