/** Popek and Goldberg's first and third theorems on our hart, and on variants where one or both do not hold: found by execution, and shown by guests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMonitor } from './monitor.ts';
import { examine, type Finding, instructionWords, userViolations, violations } from './sensitivity.ts';
import { judge } from './theorems.ts';

const guestAt = (name: string): Uint8Array => readFileSync(join(import.meta.dirname, `../guests/${name}.elf`));
const ofStatus = [
  'csrrc sstatus',
  'csrrci sstatus',
  'csrrs sstatus',
  'csrrsi sstatus',
  'csrrw sstatus',
  'csrrwi sstatus',
];

test('every sensitive instruction of the hart is privileged', () => {
  const strict = examine(instructionWords(), 'trapped');
  expect([violations(strict), userViolations(strict)]).toEqual([[], []]);
  const sensitive = new Set(strict.filter((finding) => finding.sensitive).map(({ name }) => name));
  for (const name of ['sret', 'wfi', 'csrrw sstatus', 'csrrs sepc', 'csrrw satp']) expect(sensitive).toContain(name);
  for (const name of ['addi', 'add', 'mul', 'fence']) expect(sensitive).not.toContain(name);
});

test.each(['shown', 'hidden'] as const)(
  'where sstatus is %s a guest fails under trap-and-emulate, and under no other',
  (userStatus) => {
    const run = (way: 'native' | 'trap' | 'translate' | 'hybrid' | 'hardware') => {
      const monitor = createMonitor({
        ...{
          way,
          io: 'emulated',
          guest: guestAt('pages/pages'),
          memory: 4 << 20,
          parameters: [8, 8, 8, 3],
          userStatus,
        },
      });
      return { outcome: monitor.run(1_000_000), output: monitor.console };
    };
    const expected = run('native');
    expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
    for (const way of ['translate', 'hybrid', 'hardware'] as const) expect(run(way)).toEqual(expected);
    // What its kernel writes into its status is lost without a trap.
    expect(expected.output).toContain('status 1\n');
    expect(run('trap').output).toBe(expected.output.replace('status 1', 'status 0'));
  },
);

test('a guest whose program looks too is the same wherever a theorem promises it, and differs where none does', () => {
  const verdicts = (['trapped', 'shown', 'hidden'] as const).map((variant) => judge(variant, guestAt('probe/status')));
  for (const { userStatus, trials } of verdicts) {
    for (const { way, isPromised, isSame } of trials) {
      expect({ userStatus, way, isSame }).toEqual({ userStatus, way, isSame: isPromised });
    }
  }
  // Of the variants those of sstatus do not trap; they are user-sensitive where mode U sees what it may not write, and not where it sees nothing.
  const names = (findings: readonly Finding[]): readonly string[] => findings.map(({ name }) => name).toSorted();
  expect(verdicts.map(({ untrapped }) => names(untrapped))).toEqual([[], ofStatus, ofStatus]);
  expect(verdicts.map(({ userUntrapped }) => names(userUntrapped))).toEqual([[], ofStatus, []]);
  expect(verdicts.map(({ trials }) => trials.map(({ isPromised }) => isPromised))).toEqual([
    [true, true, true, true],
    [false, false, false, true],
    [false, true, true, true],
  ]);
});
