/**
 * Health of a process: named checks, and the text and JSON that report them in the form of Kubernetes' `/healthz?verbose`.
 * Checks are quick and never throw for being unhealthy: they answer with why.
 */
import { errorText } from '#pkg/base/error-text.ts';

/** Why a part is not healthy, or undefined when it is. */
export type HealthCheck = () => Promise<string | undefined> | string | undefined;

/** What one check said. */
export interface HealthResult {
  readonly name: string;
  /** Absent when the part is healthy. */
  readonly problem?: string;
}

/** Most checks that one process registers; more is a leak of registrations. */
const checksMax = 64;

/** The checks of one process. */
export class HealthChecks {
  readonly #checks = new Map<string, HealthCheck>();

  /** Adds a check, or replaces the one of that name. */
  set(name: string, check: HealthCheck): void {
    if (this.#checks.size >= checksMax && !this.#checks.has(name)) {
      throw new Error(`Cannot add health check ${name} as there are already ${checksMax}`);
    }
    this.#checks.set(name, check);
  }

  delete(name: string): void {
    this.#checks.delete(name);
  }

  /** Runs all checks, in the order they were added. A check that throws counts as unhealthy. */
  async run(): Promise<readonly HealthResult[]> {
    return Promise.all(
      [...this.#checks].map(async ([name, check]): Promise<HealthResult> => {
        try {
          const problem = await check();
          return problem === undefined ? { name } : { name, problem };
        } catch (error) {
          return { name, problem: errorText(error) };
        }
      }),
    );
  }
}

/** The body of a health endpoint: `ok`, or every check with a plus or a minus sign. */
export function healthText(results: readonly HealthResult[], options: { endpoint: string; verbose: boolean }): string {
  const failed = results.some((result) => result.problem !== undefined);
  if (!failed && !options.verbose) return 'ok';
  const lines = results.map((result) =>
    result.problem === undefined ? `[+]${result.name} ok` : `[-]${result.name} failed: ${result.problem}`,
  );
  return `${lines.join('\n')}\n${options.endpoint} check ${failed ? 'failed' : 'passed'}\n`;
}
