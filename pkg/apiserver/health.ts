/** `/livez`, `/readyz` and `/healthz`: named checks, one by one or together. Source: apiserver `server/healthz/healthz.go`. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { HealthMetrics } from '#pkg/component/health-metrics.ts';
import { pageNotFound, textResponse } from './responses.ts';

/** One check by name. */
export interface HealthCheck {
  readonly name: string;
  /** Resolves with true when all is well. A rejection counts as false. */
  check(): Promise<boolean> | boolean;
}

/** A request for one of the paths. */
export interface HealthQuestion {
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  /** Those of this path, in order. */
  readonly checks: readonly HealthCheck[];
  /** Where results are counted. */
  readonly counts: HealthMetrics;
}

/** Answers `/<path>` and `/<path>/<name>`. */
export async function answerHealth({ parts, query, checks, counts }: HealthQuestion): Promise<ApiResponse> {
  const [path = '', ...names] = parts;
  const passes = async (check: HealthCheck): Promise<boolean> => {
    const isGood = await isPassed(check);
    counts.observe(path, check.name, isGood);
    return isGood;
  };
  const name = names.join('/');
  if (name !== '') {
    const one = checks.find((candidate) => candidate.name === name);
    if (one === undefined) return pageNotFound();
    return (await passes(one))
      ? textResponse(200, 'ok')
      : textResponse(500, 'internal server error: reason withheld\n');
  }
  const excluded = new Set(query.getAll('exclude').filter((text) => text !== ''));
  let text = '';
  let good = true;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      text += `[+]${check.name} excluded: ok\n`;
    } else if (await passes(check)) {
      text += `[+]${check.name} ok\n`;
    } else {
      good = false;
      text += `[-]${check.name} failed: reason withheld\n`;
    }
  }
  if (excluded.size > 0) {
    const names = [...excluded].sort().map((one) => JSON.stringify(one));
    text += `warn: some health checks cannot be excluded: no matches for ${names.join(', ')}\n`;
  }
  if (!good) return textResponse(500, `${text}${path} check failed\n`);
  return textResponse(200, query.has('verbose') ? `${text}${path} check passed\n` : 'ok');
}

async function isPassed(check: HealthCheck): Promise<boolean> {
  try {
    return await check.check();
  } catch {
    return false;
  }
}
