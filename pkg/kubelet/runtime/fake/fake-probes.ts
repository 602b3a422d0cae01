/** What probes of simulated containers find: what their pod's annotations say or, on demand, a failure. */
import type { ProbeAnswer, ProbeTarget } from '../probe-transport.ts';
import { type ContainerScript, stepAt } from './script.ts';

/** A probe that is made. */
export interface FakeProbe {
  readonly namespace: string;
  readonly pod: string;
  readonly probe: ProbeTarget['kind'];
}

/** Decides about probes: with a message one fails. */
export type DecideProbe = (probed: FakeProbe) => string | undefined;

/** Status code of HTTP probes that fail on demand. */
const failedCode = 500;

/** What a probe of a running container finds. Where somebody decides it is asked again each time, as what is decided next is not known. */
export function probeAnswer(
  probed: FakeProbe,
  container: {
    readonly script: ContainerScript;
    readonly startedAtMs: number;
    readonly nowMs: number;
    readonly message: (statusCode: number) => string;
    readonly decide: DecideProbe | undefined;
  },
): ProbeAnswer {
  const { script, startedAtMs, nowMs, message, decide } = container;
  const { step, untilMs } = stepAt(script[probed.probe], nowMs - startedAtMs);
  const { ok, statusCode } = step;
  const answer = { ok, statusCode, message: ok ? '' : message(statusCode), stableUntilMs: startedAtMs + untilMs };
  if (decide === undefined) return answer;
  const failure = decide(probed);
  if (failure === undefined) return { ...answer, stableUntilMs: nowMs };
  return { ok: false, statusCode: failedCode, message: failure, stableUntilMs: nowMs };
}
