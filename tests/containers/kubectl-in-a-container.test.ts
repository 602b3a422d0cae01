/** A client from outside: kubectl in a container, with nothing but a kubeconfig and the host's network, against a running cluster. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary } from '#tests/e2e/kubectl-binary.ts';
import { hookMs, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { engine, noEngine } from './engine.ts';

describe.skipIf(noEngine !== undefined)('kubectl in a container', () => {
  const image = `coxswain-test-kubectl-${process.pid}:latest`;
  let cluster: RunningCluster;
  let folder: string;

  beforeAll(async () => {
    // The engine is all that is needed: no helper container that would have to be downloaded.
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
    folder = mkdtempSync(join(tmpdir(), 'coxswain-image-'));
    copyFileSync(binary('35', 'kubectl'), join(folder, 'kubectl'));
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY kubectl /kubectl\nENTRYPOINT ["/kubectl"]\n');
    await engine('docker', ['build', '--quiet', '--tag', image, folder]);
    cluster = await RunningCluster.start();
  }, hookMs);

  afterAll(async () => {
    await cluster?.remove();
    await run('docker', ['image', 'rm', '--force', image]);
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  /** Runs kubectl in a container to its end and gives what it wrote. */
  const inContainer = async (...args: string[]): Promise<string> => {
    const container: StartedTestContainer = await new GenericContainer(image)
      .withNetworkMode('host')
      .withCopyContentToContainer([{ content: readFileSync(cluster.kubeconfig), target: '/config' }])
      .withCommand(['--kubeconfig', '/config', ...args])
      .withWaitStrategy(Wait.forOneShotStartup())
      .withStartupTimeout(120_000)
      .start();
    try {
      const chunks: string[] = [];
      for await (const chunk of await container.logs()) chunks.push(String(chunk));
      return chunks.join('');
    } finally {
      await container.stop();
    }
  };

  test('sees the nodes, and makes an object that is seen outside', async () => {
    expect(await inContainer('get', 'nodes')).toMatch(/^dev-node-1 +Ready +.* v1\.36\./m);
    expect(await inContainer('create', 'configmap', 'from-a-container')).toContain(
      'configmap/from-a-container created',
    );
    const name = await cluster.kubectl('35', ['get', 'configmap', 'from-a-container', '-o', 'name']);
    expect(name).toBe('configmap/from-a-container\n');
  });
});
