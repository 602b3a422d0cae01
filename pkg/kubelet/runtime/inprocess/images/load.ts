/**
 * `coxswain.dev/load`: asks `URL` `RATE` (10) times a second until it is asked to end or `REQUESTS` are done, and prints every ten seconds
 * how many succeeded and how long they took.
 */
import { sleep } from '#pkg/base/async.ts';
import { get } from '#pkg/serving/node-http.ts';
import type { Program, ProgramContext } from '../program.ts';

const reportMs = 10_000;
const timeoutMs = 5_000;
/** What programs exit with that do not understand their arguments. */
const usageExitCode = 2;

/** The image's program. */
export const program: Program = {
  async main(context) {
    const url = context.args[0] ?? context.env.URL;
    if (url === undefined) {
      context.error('no URL: set the variable URL or give it as an argument');
      return usageExitCode;
    }
    // A Service that was not there when the pod was made leaves its variables unexpanded.
    if (URL.parse(url)?.protocol !== 'http:' || url.includes('$(')) {
      context.error(`Cannot ask ${url} as it is not an http URL`);
      return usageExitCode;
    }
    const rate = Number(context.env.RATE ?? 10);
    const requests = Number(context.env.REQUESTS ?? Number.POSITIVE_INFINITY);
    if (!(rate > 0) || !(requests >= 0)) {
      context.error('Cannot work with RATE and REQUESTS that are not positive numbers');
      return usageExitCode;
    }
    const tally = { sent: 0, succeeded: 0, failed: 0, totalMs: 0 };
    let reportAtMs = context.clock.monotonicMs() + reportMs;
    const pending = new Set<Promise<void>>();
    while (tally.sent < requests) {
      tally.sent++;
      const one: Promise<void> = send(context, url, tally).finally(() => pending.delete(one));
      pending.add(one);
      if (context.clock.monotonicMs() >= reportAtMs) {
        report(context, tally);
        reportAtMs += reportMs;
      }
      if (!(await sleep(context.clock, 1000 / rate, context.signal))) break;
    }
    await Promise.all(pending);
    report(context, tally);
    return tally.failed > 0 && tally.succeeded === 0 ? 1 : 0;
  },
};

interface Tally {
  sent: number;
  succeeded: number;
  failed: number;
  totalMs: number;
}

function report(context: ProgramContext, tally: Tally): void {
  const meanMs = tally.succeeded === 0 ? 0 : tally.totalMs / tally.succeeded;
  context.log(`${tally.succeeded} succeeded, ${tally.failed} failed, mean ${meanMs.toFixed(1)} ms`);
}

function send(context: ProgramContext, url: string, tally: Tally): Promise<void> {
  const startMs = context.clock.monotonicMs();
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 400) {
          tally.succeeded++;
          tally.totalMs += context.clock.monotonicMs() - startMs;
        } else tally.failed++;
        resolve();
      });
      // Cut off in the middle of its body.
      response.on('error', () => {
        tally.failed++;
        resolve();
      });
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', () => {
      tally.failed++;
      resolve();
    });
  });
}
