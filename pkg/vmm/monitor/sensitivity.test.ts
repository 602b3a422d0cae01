/** Popek and Goldberg's first theorem on our hart, and on the variant where it does not hold: found by execution, and shown by a guest. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMonitor } from './monitor.ts';
import { examine, instructionWords, violations } from './sensitivity.ts';

const guest = readFileSync(join(import.meta.dirname, '../guests/pages/pages.elf'));

test('every sensitive instruction of the hart is privileged, and of the variant all but those of sstatus', () => {
  const strict = examine(instructionWords(), false);
  expect(violations(strict)).toEqual([]);
  const sensitive = new Set(strict.filter((finding) => finding.sensitive).map(({ name }) => name));
  for (const name of ['sret', 'wfi', 'csrrw 0x100', 'csrrs 0x141', 'csrrw 0x180']) expect(sensitive).toContain(name);
  for (const name of ['addi', 'add', 'mul', 'fence']) expect(sensitive).not.toContain(name);
  const lenient = violations(examine(instructionWords(), true));
  expect(lenient.map(({ name }) => name).toSorted()).toEqual([
    'csrrc 0x100',
    'csrrci 0x100',
    'csrrs 0x100',
    'csrrsi 0x100',
    'csrrw 0x100',
    'csrrwi 0x100',
  ]);
});

test('on the variant a guest fails under trap-and-emulate, and not under the other two', () => {
  const run = (way: 'native' | 'trap' | 'translate' | 'hardware') => {
    const monitor = createMonitor({
      way,
      io: 'emulated',
      guest,
      memory: 4 << 20,
      parameters: [8, 8, 8, 3],
      ignoresStatus: true,
    });
    return { outcome: monitor.run(1_000_000), output: monitor.console };
  };
  const expected = run('native');
  expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
  expect(run('translate')).toEqual(expected);
  expect(run('hardware')).toEqual(expected);
  // What its kernel writes into its status is lost without a trap.
  expect(expected.output).toContain('status 1\n');
  expect(run('trap').output).toBe(expected.output.replace('status 1', 'status 0'));
});
