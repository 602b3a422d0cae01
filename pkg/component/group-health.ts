/**
 * Health of many parts of one kind, such as the nodes of one process: one check, as a thousand lines that say "ok" serve nobody. What it says
 * names the parts that are not well. Does not run the parts.
 */
import type { HealthCheck } from './health.ts';

/** Parts that a check names; of further ones it gives the number. */
const namedMax = 5;

/** The parts that have something wrong, each with what it is. */
export class GroupHealth {
  readonly #names = new Set<string>();
  /** Why a part is not well, by its name. */
  readonly #problems = new Map<string, string>();

  /** Adds a part, which is well until said otherwise. */
  add(name: string): void {
    this.#names.add(name);
  }

  fail(name: string, problem: string): void {
    this.#problems.set(name, problem);
  }

  /** The check of all parts together. */
  readonly check: HealthCheck = () => {
    if (this.#problems.size === 0) return undefined;
    const named = [...this.#problems].slice(0, namedMax).map(([name, problem]) => `${name}: ${problem}`);
    const more = this.#problems.size - named.length;
    const rest = more === 0 ? '' : ` and ${more} more`;
    return `${this.#problems.size} of ${this.#names.size} are not well: ${named.join(', ')}${rest}`;
  };
}
