/**
 * What compression saves of machines' memories as they are sent, without counting zero pages: a booted kernel, its key-value store filled with real text, the compute job. Prints the ratio and processor time of each class.
 */
import { globSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { expect, test } from 'vitest';
import { guestAddress, UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { PageEncoder } from '#pkg/vmm/migration/page-encoder.ts';
import { roundPagesMax } from '#pkg/vmm/migration/page-format.ts';

/** As a first round sends them, in which most are. */
const pagesOfBatch = roundPagesMax(0);
const mac = Uint8Array.of(2, 0, 0, 0, 0, 9);
const kernelOf = (name: string): Uint8Array => readFileSync(`pkg/vmm/guests/${name}/${name}.elf`);

function make(name: string): Machine {
  return createMachine({
    memory: 64 << 20,
    harts: 1,
    kernel: kernelOf(name),
    commandLine: `ip=${guestAddress}/24`,
    mac,
    engine: 'compile',
  });
}

function turn(machine: Machine, network: UserNetwork): void {
  network.tick(machine.ticks / 10_000);
  network.flush((frame) => machine.deliverFrame(frame));
  const stop = machine.run(200_000);
  for (const frame of machine.takeFrames()) network.receive(frame);
  if (stop.reason === 'idle') machine.idle(Math.min(stop.ticks ?? 10_000, 10_000));
}

function booted(): { readonly machine: Machine; readonly network: UserNetwork } {
  const machine = make('kernel');
  const network = new UserNetwork(mac);
  for (let turns = 0, text = ''; turns < 4000 && !text.includes('listens'); turns++) {
    turn(machine, network);
    text += Buffer.from(machine.takeConsole()).toString();
  }
  return { machine, network };
}

/** Puts the project's own documentation into the store. */
function store(): Machine {
  const { machine, network } = booted();
  const text = Buffer.concat(
    globSync('{*.md,docs/**/*.md,findings/*.md,node_modules/*/README.md}')
      .sort()
      .slice(0, 120)
      .map((file) => readFileSync(file)),
  );
  let answers = '';
  const connection = network.connect(8080, {
    opened: () => undefined,
    data(bytes) {
      answers += Buffer.from(bytes).toString('latin1');
      connection?.consumed(bytes.length);
    },
    ended: () => undefined,
    drained: () => undefined,
    closed: () => undefined,
  });
  const valueBytes = 1900;
  const values = Math.min(400, Math.floor(text.length / valueBytes));
  for (let value = 0; value < values; value++) {
    const bytes = text.subarray(value * valueBytes, (value + 1) * valueBytes);
    const before = answers.split('HTTP/1.1 204').length;
    connection?.write(Buffer.from(`PUT /text-${value} HTTP/1.1\r\nContent-Length: ${bytes.length}\r\n\r\n`));
    connection?.write(bytes);
    for (let turns = 0; turns < 400 && answers.split('HTTP/1.1 204').length === before; turns++) turn(machine, network);
  }
  expect(answers.split('HTTP/1.1 204').length - 1).toBe(values);
  expect(values).toBeGreaterThan(100);
  return machine;
}

function compute(): Machine {
  const machine = make('compute');
  for (let turns = 0; turns < 100 && machine.run(200_000).reason !== 'off'; turns++) machine.takeConsole();
  return machine;
}

test.each<[string, () => Machine]>([
  ['a booted kernel', () => booted().machine],
  ['a key-value store of real text', store],
  ['the compute job', compute],
])('%s takes two fifths of its memory at most', (name, makeOne) => {
  const machine = makeOne();
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const encoder = new PageEncoder({
    pages: machine.pages,
    isCompressing: true,
    dictionary: machine.config.kernel,
    cpuMs,
    read: (page) => machine.readPage(page),
  });
  const pages = Array.from({ length: machine.pages }, (_, page) => page).filter((page) => !machine.isBlank(page));
  let sentBytes = 0;
  for (let at = 0; at < pages.length; at += pagesOfBatch) {
    sentBytes += encoder.encode(pages.slice(at, at + pagesOfBatch), {
      round: 0,
      origin: 'round',
      isAlone: false,
    }).length;
  }
  const usedBytes = (pages.length - encoder.classes.zero.pages) * 4096;
  const classes = Object.entries(encoder.classes).map(
    ([kind, { pages, rawBytes, sentBytes, cpuMs }]) =>
      `${kind} ${pages} pages ${rawBytes} to ${sentBytes} in ${cpuMs.toFixed(1)} ms`,
  );
  process.stdout.write(
    `${name}: ${usedBytes} bytes to ${sentBytes}, ${((1 - sentBytes / usedBytes) * 100).toFixed(1)} % saved; ${classes.join('; ')}\n`,
  );
  expect(sentBytes / usedBytes).toBeLessThan(0.4);
});
