/** The pipes of a process whose output nobody takes for a while. */
import { closeSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ProcessIo } from '#pkg/kubelet/runtime/container/monitor/process-io.ts';
import { noContainers } from './real-containers.ts';

const whereThereAre = noContainers === undefined ? describe : describe.skip;

whereThereAre('the pipes of a process', () => {
  test('give all of its output once, when it has ended while nobody took it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coxswain-pipes-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const taken: Buffer[] = [];
    const first = Promise.withResolvers<void>();
    const sink = (_: string, bytes: Buffer): boolean => {
      taken.push(Buffer.from(bytes));
      first.resolve();
      return false;
    };
    const io = new ProcessIo({ folder, tty: false, stdin: false, sink });
    const ends = io.open();
    const [, stdout = -1] = ends;
    writeSync(stdout, 'a'.repeat(65_536));
    await first.promise;
    // Time for it to be read, though it is not given to anybody: in pieces that wait one beside the other.
    for (const letter of ['b', 'c']) {
      writeSync(stdout, letter.repeat(30_000));
      for (let turns = 0; turns < 20; turns++) await turn();
    }
    writeSync(stdout, 'd'.repeat(1000));
    for (const end of ends) closeSync(end);
    io.finish();
    const text = Buffer.concat(taken).toString();
    expect([...new Set(text)].map((letter) => [letter, text.split(letter).length - 1])).toEqual([
      ['a', 65_536],
      ['b', 30_000],
      ['c', 30_000],
      ['d', 1000],
    ]);
  });
});
