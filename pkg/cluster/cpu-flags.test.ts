import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cpuFlags, cpuSettingsOf } from './cpu-flags.ts';
import { forgetCpus, reservedProblem, staticCpus, topologySettings } from './static-cpus.ts';

const cpus = [0, 1].map((id) => ({ id, core: `0/${id}`, socket: '0', numa: 'node0' }));

test('processors are reserved where flags say so', () => {
  expect(cpuSettingsOf({})).toBeUndefined();
  expect(cpuSettingsOf({ 'reserved-cpus': '0-1' })).toEqual({ isStatic: false, reserved: [0, 1], wholeCores: false });
  const values = { 'cpu-manager-policy': 'static', 'reserved-cpus': '0' };
  expect(cpuSettingsOf(values)).toEqual({ isStatic: true, reserved: [0], wholeCores: false });
  const options = { 'cpu-manager-policy-options': 'full-pcpus-only=true' };
  expect(cpuSettingsOf({ ...values, ...options })).toEqual({ isStatic: true, reserved: [0], wholeCores: true });
});

test('what does not go together is refused in one line', () => {
  expect(() => cpuSettingsOf({ 'cpu-manager-policy': 'static' })).toThrow(/^--cpu-manager-policy=static: needs/);
  expect(() => cpuSettingsOf({ 'cpu-manager-policy-options': 'full-pcpus-only=true', 'reserved-cpus': '0' })).toThrow(
    '--cpu-manager-policy-options: needs --cpu-manager-policy=static',
  );
  const parse = (name: keyof typeof cpuFlags, value: string) => cpuFlags[name].parse(value, undefined).ok;
  expect(parse('cpu-manager-policy', 'dynamic')).toBe(false);
  expect(parse('cpu-manager-policy-options', 'distribute-cpus-across-numa=true')).toBe(false);
  expect([parse('reserved-cpus', '0-'), parse('reserved-cpus', '0-1')]).toEqual([false, true]);
});

test('things are kept near each other where flags say so, on machines with few NUMA nodes', () => {
  const values = { 'topology-manager-policy': 'restricted', 'topology-manager-scope': 'pod' };
  const topology = { policy: 'restricted', isForPods: true } as const;
  expect(cpuSettingsOf(values)).toEqual({ isStatic: false, reserved: [], wholeCores: false, topology });
  expect(cpuSettingsOf({ 'topology-manager-policy': 'none' })).toBeUndefined();
  expect(cpuFlags['topology-manager-policy'].parse('strict', undefined).ok).toBe(false);
  expect(topologySettings(topology, cpus)).toEqual({ ...topology, nodes: [0] });
  const many = Array.from({ length: 9 }, (_, id) => ({ id, core: `${id}`, socket: '0', numa: `node${id}` }));
  expect(() => topologySettings(topology, many)).toThrow('is not for machines with more than 8 NUMA nodes');
});

test('what the machine has not cannot be reserved, nor all of it', () => {
  expect(reservedProblem([0], cpus)).toBeUndefined();
  expect(reservedProblem([1, 2], cpus)).toBe('the machine has no processors 2: it has 0-1');
  expect(reservedProblem([0, 1], cpus)).toBe('none would be left for pods');
});

test('a record that contradicts the machine is named, until another policy forgets it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-cpus-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'cpu_manager_state');
  const place = { cpus, folder, settings: { isStatic: true, reserved: [0], wholeCores: false } };
  for (const text of ['{', '{"policyName":"static","entries":{"a":{"app":"7"}}}']) {
    writeFileSync(path, text);
    expect(() => staticCpus(place)).toThrow(path);
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
  forgetCpus(folder);
  expect(staticCpus(place)).toBeTypeOf('function');
});
