/** What flags say of memory, and what of it the machine has. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { machineMemory } from '#pkg/kubelet/memory/machine-memory.ts';
import { memoryFlags, memorySettingsOf } from './memory-flags.ts';
import { nodeMemory, reservedMemoryProblem, staticMemory } from './node-memory.ts';

const mi = 1024 ** 2;

function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-memory-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('memory is reserved where flags say so', () => {
  expect(memorySettingsOf({})).toBeUndefined();
  expect(memorySettingsOf({ 'memory-manager-policy': 'None', 'reserved-memory': '' })).toBeUndefined();
  const reserved = '0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=512Mi';
  expect(memorySettingsOf({ 'memory-manager-policy': 'Static', 'reserved-memory': reserved })).toEqual({
    isStatic: true,
    reserved: new Map([
      [0, { memory: 1024 * mi, 'hugepages-2Mi': 64 * mi }],
      [1, { memory: 512 * mi }],
    ]),
  });
  expect(() => memorySettingsOf({ 'memory-manager-policy': 'Static' })).toThrow(
    /^--memory-manager-policy=Static: needs/,
  );
});

test.each([
  ['1Gi', 'names no NUMA node'],
  ['0:cpu=1', 'the limit type "cpu" for NUMA node 0 is not supported'],
  ['0:memory=0', 'reserved memory may not be zero for NUMA node 0 and resource "memory"'],
  ['0:memory=1Gi;0:memory=1Gi', 'the reserved memory has a duplicate value for NUMA node 0 and resource "memory"'],
])('%s is refused', (text, why) => {
  expect(memoryFlags['reserved-memory'].parse(text, undefined)).toMatchObject({
    ok: false,
    message: expect.stringContaining(why),
  });
});

test('the machine says what each of its nodes has', () => {
  const folder = testFolder();
  for (const id of [1, 0]) {
    mkdirSync(join(folder, `node${id}/hugepages/hugepages-2048kB`), { recursive: true });
    writeFileSync(
      join(folder, `node${id}/meminfo`),
      `Node ${id} MemTotal:  ${1024 * (id + 1)} kB\nNode ${id} MemFree: 1 kB\n`,
    );
    writeFileSync(join(folder, `node${id}/hugepages/hugepages-2048kB/nr_hugepages`), `${id}\n`);
  }
  mkdirSync(join(folder, 'power'));
  expect(machineMemory(folder)).toEqual([
    { id: 0, total: { memory: mi, 'hugepages-2Mi': 0 } },
    { id: 1, total: { memory: 2 * mi, 'hugepages-2Mi': 2 * mi } },
  ]);
  expect(machineMemory(join(folder, 'power'))).toMatchObject([{ id: 0 }]);
});

test('what the machine has not cannot be reserved', () => {
  const nodes = [{ id: 0, total: { memory: 10 * mi }, reserved: { memory: 10 * mi } }];
  expect(reservedMemoryProblem(new Map([[1, { memory: mi }]]), nodes)).toBe(
    'the reserved memory configuration references a NUMA node 1 that does not exist on this machine',
  );
  expect(reservedMemoryProblem(new Map([[0, { 'hugepages-2Mi': mi }]]), nodes)).toBe(
    'NUMA node 0 has no hugepages-2Mi',
  );
  expect(reservedMemoryProblem(new Map([[0, { memory: 10 * mi }]]), nodes)).toBe(
    'NUMA node 0 has no more memory than is reserved',
  );
});

test('a node offers as much less, and a record that contradicts the machine is named', () => {
  const folder = testFolder();
  const place = { nodeName: 'n1', folder, nodesOnMachine: 1 };
  const [{ id = 0 } = {}] = machineMemory();
  const settings = { isStatic: true, reserved: new Map([[id, { memory: 64 * mi }]]) };
  const amounts = { cpu: '2', memory: '1Gi' };
  expect(nodeMemory(settings, amounts, place)).toMatchObject({
    allocatable: { cpu: '2', memory: `${960 * mi}` },
    memory: expect.any(Function),
  });
  expect(() => nodeMemory(settings, amounts, { ...place, nodesOnMachine: 2 })).toThrow('several nodes of one machine');
  const path = join(folder, 'memory_manager_state');
  writeFileSync(path, '{');
  expect(() => nodeMemory(settings, amounts, place)).toThrow(path);
  expect(readFileSync(path, 'utf8')).toBe('{');
  expect(nodeMemory({ ...settings, isStatic: false }, amounts, place)).toMatchObject({
    allocatable: { memory: `${960 * mi}` },
  });
  expect(staticMemory([], path)).toBeTypeOf('function');
});
