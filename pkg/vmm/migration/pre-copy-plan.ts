/**
 * What a pre-copy does after a round. It stops and copies the rest when that fits the time in which the machine may stand still and another round would not make it much less;
 * what does not converge is slowed down, or goes over to post-copy, or is given up. Source: Clark et al., "Live Migration of Virtual Machines", NSDI 2005.
 */
import type { MigrationSettings } from './contract.ts';

/** What a guest that writes too fast is slowed down by, and to. */
const throttleStep = 0.2;
const shareMin = 0.2;
/** Rounds at the lowest share before it is given up. */
const lastRounds = 4;
/** A round that leaves less than this part of the one before is worth another one. */
const shrinks = 0.7;
/** So few pages are not worth a round. */
const fewPages = 8;

/** What is known after a round. */
export interface RoundEnd {
  readonly settings: MigrationSettings;
  /** Rounds that are over. */
  readonly rounds: number;
  readonly dirtyPages: number;
  /** What the round before this one left. */
  readonly dirtyBefore: number;
  /** How long it would take to send the rest. */
  readonly restMs: number;
  readonly share: number;
}

/** What to do. */
export type Step =
  | { readonly kind: 'stop' }
  | { readonly kind: 'round'; readonly share: number }
  | { readonly kind: 'post-copy' }
  | { readonly kind: 'give-up'; readonly reason: string };

/** The next step. */
export function nextStep({ settings, rounds, dirtyPages, dirtyBefore, restMs, share }: RoundEnd): Step {
  if (settings.mode === 'post-copy') return { kind: 'post-copy' };
  if (restMs <= settings.downtimeMs) {
    const isWorth = rounds < settings.roundsMax && dirtyPages > fewPages && dirtyPages < dirtyBefore * shrinks;
    return isWorth ? { kind: 'round', share } : { kind: 'stop' };
  }
  if (rounds < settings.roundsMax) return { kind: 'round', share };
  if (settings.mode === 'hybrid') return { kind: 'post-copy' };
  if (settings.throttle && share > shareMin) {
    return { kind: 'round', share: Math.max(shareMin, Math.round((share - throttleStep) * 10) / 10) };
  }
  if (settings.throttle && rounds < settings.roundsMax + (1 - shareMin) / throttleStep + lastRounds)
    return { kind: 'round', share };
  const rest = `after ${rounds} rounds ${dirtyPages} pages are left, which take ${Math.ceil(restMs)} ms of ${settings.downtimeMs} ms`;
  return { kind: 'give-up', reason: `the machine writes its memory faster than it can be sent: ${rest}` };
}
