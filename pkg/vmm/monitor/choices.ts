/**
 * What can be chosen of a way, as it is written: `trap`, or `trap/software`, the way with what differs from how it is by default. Which of these a way has is the table here; what it has not is
 * refused.
 */
import type { Io, Paging, Way } from './contract.ts';

/** The ways in the order in which they are compared. */
export const ways = ['native', 'hardware', 'paravirtual', 'translate', 'hybrid', 'trap'] as const;

const deprivileged = ['trap', 'translate', 'hybrid'] as const;
const unmodified = [...deprivileged, 'hardware'] as const;

/** What may follow a way, and which ways have it. */
const choices = {
  software: { ways: deprivileged, what: 'a translation buffer that the monitor fills' },
  writable: { ways: ['paravirtual'], what: 'page tables that are written by plain stores' },
  passthrough: { ways: unmodified, what: 'devices of its own' },
  split: { ways: unmodified, what: 'devices over rings' },
  bare: { ways: ['trap'], what: 'a monitor that is itself a program of the machine' },
} as const satisfies Readonly<Record<string, { readonly ways: readonly Way[]; readonly what: string }>>;

type ChoiceName = keyof typeof choices;

/** A way with what was chosen of it. */
export interface Choice {
  /** As it was written. */
  readonly name: string;
  readonly way: Way;
  readonly paging: Paging;
  readonly io: Io;
  /** For ported kernels: tables by plain stores, not by lists. */
  readonly isWritable: boolean;
  /** The monitor runs on the hart itself, without a host. */
  readonly isBare: boolean;
}

/** Reads a choice; a line that says why it is none. */
export function readChoice(name: string): Choice | string {
  const [first = '', ...rest] = name.split('/');
  const way = ways.find((each) => each === first);
  if (way === undefined) return `there is no way ${JSON.stringify(first)}: the ways are ${ways.join(', ')}`;
  const names = new Set<ChoiceName>();
  for (const each of rest) {
    if (!isChoice(each))
      return `there is no choice ${JSON.stringify(each)}: they are ${Object.keys(choices).join(', ')}`;
    const having: readonly Way[] = choices[each].ways;
    if (!having.includes(way)) return `${choices[each].what} (${each}) is for ${having.join(', ')}, not for ${way}`;
    names.add(each);
  }
  if (names.has('split') && names.has('passthrough')) return `devices are split or passed through, not both: ${name}`;
  if (names.has('bare') && names.size > 1) return `a monitor without a host has no other choices: ${name}`;
  return {
    ...{ name, way },
    paging: names.has('software') ? 'software' : 'shadow',
    io: way === 'paravirtual' || names.has('split') ? 'split' : names.has('passthrough') ? 'passthrough' : 'emulated',
    isWritable: names.has('writable'),
    isBare: names.has('bare'),
  };
}

function isChoice(name: string): name is ChoiceName {
  return Object.hasOwn(choices, name);
}

/** What could be written, as one line. */
export const choicesHelp = Object.entries(choices)
  .map(([name, { ways: having, what }]) => `/${name}: ${what} (${having.join(', ')})`)
  .join('; ');
