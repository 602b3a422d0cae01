import { expect, test } from 'vitest';
import { type EvictionSignal, isMet, parseThresholds } from './thresholds.ts';

test('thresholds are read as the flag writes them, and what is none is said', () => {
  expect(parseThresholds('memory.available<100Mi,nodefs.available<10%')).toEqual([
    { signal: 'memory.available', text: '100Mi', graceMs: 0 },
    { signal: 'nodefs.available', text: '10%', graceMs: 0 },
  ]);
  expect(parseThresholds('nodefs.available<0%,pid.available<0')).toEqual([]);
  for (const [flag, why] of [
    ['memory.available', 'invalid eviction threshold syntax memory.available, expected <signal><<value>'],
    ['swap.available<1', 'unsupported eviction signal swap.available'],
    ['pid.available<1,pid.available<2', 'found duplicate eviction threshold for signal pid.available'],
    ['pid.available<-1', 'eviction threshold pid.available must be positive, not -1'],
    ['pid.available<101%', 'eviction percentage threshold pid.available must be <= 100%: 101%'],
  ] as const)
    expect(parseThresholds(flag), flag).toBe(why);
  expect(parseThresholds('memory.available<1Gi', () => undefined)).toBe(
    'missing grace period for the eviction signal memory.available',
  );
});

test('an amount and a part of the whole are met below them, and what is not known never is', () => {
  const observed = new Map([['memory.available', { available: 99, capacity: 1000 }]] as const);
  const met = (text: string, signal: EvictionSignal = 'memory.available'): boolean =>
    isMet({ signal, text, graceMs: 0 }, observed);
  expect([met('100'), met('99'), met('10%'), met('9.9%'), met('100', 'pid.available')]).toEqual([
    true,
    false,
    true,
    false,
    false,
  ]);
});
