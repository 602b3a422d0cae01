/** A cluster that may have 300 descriptors, and 400 clients that say nothing (fault 55). */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { hookMs, RunningCluster, run } from '../running-cluster.ts';

const main = join(root, 'cmd/coxswain/main.ts');

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.prepare();
  const flags = ['--detach', '--data-dir', cluster.dataDir, '--kubeconfig', cluster.kubeconfig, '--wait', '100s'];
  const command = [process.execPath, main, 'up', ...flags, '--api-port', String(cluster.apiPort)];
  const up = await run('/bin/sh', ['-c', `ulimit -n 300; exec "$@"`, 'sh', ...command]);
  expect(up.code, up.stderr).toBe(0);
}, hookMs);

afterAll(() => cluster?.remove(), hookMs);

async function processes(): Promise<readonly { readonly pid: number; readonly health: string }[]> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  return (JSON.parse(stdout) as { processes: readonly { readonly pid: number; readonly health: string }[] }).processes;
}

test('the process lives, others are served, and one line says why some are not', async () => {
  const before = await processes();
  const silent: Socket[] = [];
  let closed = 0;
  for (let i = 0; i < 400; i++) {
    const socket = connect({ host: '127.0.0.1', port: cluster.apiPort });
    socket.on('error', () => {});
    socket.on('close', () => closed++);
    silent.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  }
  for (let i = 0; i < 5; i++) {
    const { code, stderr } = await run(process.execPath, [
      main,
      'kubectl',
      'get',
      'nodes',
      '--kubeconfig',
      cluster.kubeconfig,
    ]);
    expect(code, stderr).toBe(0);
  }
  expect(await processes()).toEqual(before);
  // Of those that nobody knows, 37 may stay.
  expect(closed).toBeGreaterThanOrEqual(400 - 37);
  const log = readFileSync(join(cluster.dataDir, 'logs', 'coxswain.log'), 'utf8');
  expect(log.match(/Connections are at their limit/g)).toHaveLength(1);
  // Silent connections hold nothing up.
  expect((await cluster.down()).code).toBe(0);
  for (const socket of silent) socket.destroy();
});
