/** Chance and comparison for tests of random migrations: what a seed picks, and whether a machine is what another one is. Deterministic. */
import { expect } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import type { Machine } from '../machine-contract.ts';
import { difference } from './test-rig.ts';

/** The numbers from 1 to `count`, or one of them alone. Default: fifty. */
export function seedsOf({
  count = '50',
  only,
}: {
  readonly count?: string;
  readonly only?: string;
}): readonly number[] {
  return only === undefined ? Array.from({ length: Number(count) }, (_, seed) => seed + 1) : [Number(only)];
}

/** What a seed picks. */
export interface Chance {
  pick<T>(values: readonly T[]): T;
  upTo(most: number): number;
  is(part: number): boolean;
}

/** The chance of a seed. */
export function chanceOf(seed: number): Chance {
  const random = new SeededRandom(seed);
  const upTo = (most: number): number => Math.floor(random.next() * most);
  return { upTo, pick: (values) => values[upTo(values.length)]!, is: (part) => random.next() < part };
}

/** Fails unless both machines are the same to their guests. */
export function expectSame(machine: Machine, twin: Machine, text: string): void {
  expect(difference(machine, twin), text).toBeUndefined();
  machine.saveState();
  const registers = ({ parts }: { readonly parts: Readonly<Record<string, unknown>> }): string =>
    JSON.stringify(parts['harts']).replace(/"(pageWalks|tlbMisses)":\d+/g, '');
  expect(registers(machine.saveState()), text).toBe(registers(twin.saveState()));
}
