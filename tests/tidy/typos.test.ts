/** A misspelt field in a rule, a table or an error path of a built-in kind fails the type check: copies of real files with one typo each. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './source-files.ts';

/** `[file, what is written there, the same with a typo]`. */
const typos: readonly (readonly [file: string, right: string, wrong: string])[] = [
  ['admission/limit-ranger.ts', 'item.defaultRequest', 'item.defaultRequests'],
  ['admission/node-restriction.ts', 'spec?.boundObjectRef', 'spec?.boundObjRef'],
  ['apps/deployment.ts', "'progressDeadlineSeconds'", "'progressDeadlineSecond'"],
  ['apps/deployment.ts', 'spec.strategy.rollingUpdate ??=', 'spec.strategy.rolingUpdate ??='],
  ['apps/replicas-validation.ts', "field('spec.replicas')", "field('spec.replica')"],
  ['apps/workload-tables.ts', 'updatedReplicas', 'updateReplicas'],
  ['autoscaling/converter.ts', 'target.averageUtilization', 'target.averageUtilisation'],
  ['core/event-converter.ts', 'regarding: involvedObject', 'regards: involvedObject'],
  ['core/pod-defaults.ts', 'spec.hostNetwork', 'spec.hostNetwrok'],
  ['core/pod-table.ts', 'restartCount', 'restartCounts'],
  ['core/tables.ts', 'object.status?.capacity', 'object.status?.capacities'],
  ['core/validation/containers.ts', 'container.imagePullPolicy', 'container.imagePullPolice'],
  ['core/validation/volume-source.ts', "needs('pdName')", "needs('pdNames')"],
  ['flowcontrol/bootstrap.ts', 'nominalConcurrencyShares: 0', 'nominalConcurrencyShare: 0'],
  ['networking/ingress-converter.ts', 'service: { name: serviceName, port:', 'service: { name: serviceName, ports:'],
  ['networking/network-policy-validation.ts', "child(path, 'ports')", "child(path, 'port')"],
  ['rbac/rbac-authorizer.ts', 'binding.roleRef', 'binding.rolRef'],
  ['resource/converter.ts', 'deviceClassName:', 'deviceClasName:'],
  ['storage/tables.ts', 'requiresRepublish', 'requireRepublish'],
];

test('a typo in a field fails the type check', () => {
  const folder = mkdtempSync(join(tmpdir(), 'typos-'));
  try {
    for (const name of ['pkg', 'node_modules', 'package.json']) symlinkSync(join(root, name), join(folder, name));
    for (const [index, [file, right, wrong]] of typos.entries()) {
      const text = readFileSync(join(root, 'pkg/registry', file), 'utf8');
      expect(text).toContain(right);
      const own = join('#pkg/registry', dirname(file));
      const moved = text.replaceAll(/from '(\.\.?\/[^']+)'/g, (_, path: string) => `from '${join(own, path)}'`);
      writeFileSync(join(folder, `typo-${index}.ts`), moved.replace(right, wrong));
      writeFileSync(join(folder, `right-${index}.ts`), moved);
    }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions: { types: [] }, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--noEmit', '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const failed = new Set([...stdout.matchAll(/^(\S+?)\(\d/gm)].map((match) => match[1]));
    expect(typos.filter((_, index) => !failed.has(`typo-${index}.ts`))).toEqual([]);
    expect(typos.filter((_, index) => failed.has(`right-${index}.ts`))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
