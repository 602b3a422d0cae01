/** The units of `deploy/systemd/`: systemd finds nothing wrong with them, and the processes have the flags that they give. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { apiServerFlags } from '#cmd/apiserver/options.ts';
import { controllerManagerFlags } from '#cmd/controller-manager/options.ts';
import { proxyFlags } from '#cmd/kube-proxy/options.ts';
import { kubeletFlags } from '#cmd/kubelet/options.ts';
import { schedulerFlags } from '#cmd/scheduler/options.ts';
import { root } from '#tests/tidy/source-files.ts';

const folder = join(root, 'deploy/systemd');
const installed = '/opt/coxswain';
const flags = {
  apiserver: apiServerFlags,
  'controller-manager': controllerManagerFlags,
  'kube-proxy': proxyFlags,
  kubelet: kubeletFlags,
  scheduler: schedulerFlags,
} as const;

/** Why systemd cannot be asked here; undefined when it can. It wants no systemd that runs. */
const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? undefined : 'needs systemd-analyze';
if (noSystemd !== undefined) console.log(`skipped: checking the systemd units: ${noSystemd}`);

/** A unit's text with its lines put together. */
function unitOf(file: string): string {
  return readFileSync(join(folder, file), 'utf8').replaceAll('\\\n', '');
}

test('there is a unit for each role of a cluster on an etcd, and one for a whole cluster', () => {
  const roles = Object.keys(flags).map((role) => `coxswain-${role}.service`);
  expect(readdirSync(folder).sort()).toEqual(['cluster.env', ...roles, 'coxswain.service'].sort());
});

test.each(Object.entries(flags))(
  'the unit of the %s gives flags that it has, and variables that are said where',
  (role, table) => {
    const unit = unitOf(`coxswain-${role}.service`);
    const command = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '';
    expect(command).toContain(`cmd/common/run-process.js cmd/${role}/main.ts `);
    const given = [...command.slice(command.indexOf('main.ts')).matchAll(/--([\w-]+)=/g)].map(([, name]) => name);
    expect(given.length).toBeGreaterThan(2);
    expect(given.filter((name) => name !== undefined && !(name in table))).toEqual([]);
    const environment = readFileSync(join(folder, 'cluster.env'), 'utf8');
    for (const [, name] of command.matchAll(/\$\{(\w+)\}/g))
      expect(environment).toMatch(new RegExp(`^${name}=\\S+$`, 'm'));
  },
);

test.skipIf(noSystemd !== undefined)('systemd finds nothing wrong with them', () => {
  const copies = mkdtempSync(join(tmpdir(), 'coxswain-units-'));
  onTestFinished(() => rmSync(copies, { recursive: true, force: true }));
  const units = readdirSync(folder).filter((file) => file.endsWith('.service'));
  for (const file of units) {
    const text = readFileSync(join(folder, file), 'utf8');
    writeFileSync(join(copies, file), text.replaceAll(installed, root).replaceAll('%h/coxswain', root));
  }
  const args = ['verify', '--man=no', ...units.map((file) => join(copies, file))];
  const { stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  // What it finds wrong with the machine's own units is not looked at.
  expect(stderr.split('\n').filter((line) => line.includes(copies) || line.includes('coxswain'))).toEqual([]);
});
