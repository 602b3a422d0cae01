/** The delivery pipeline with real containers: a push becomes an image by its Dockerfile, and runs; the same sources are the same image; a build that never ends is ended with all that it started. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { coxswainMain, processesWith, start } from '#tests/e2e/machine.ts';
import { PushedSources } from '#tests/e2e/pushed-sources.ts';
import { eventually, hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { noContainers } from './real-containers.ts';

/** Longest time for a test of several runs, on a slow machine that does much else. */
const testMs = 600_000;

/** What an endless build runs: nothing else on the machine has this in its command line. */
const endless = `sleep 7${process.pid}`;

describe.skipIf(noContainers !== undefined)('the pipeline with real containers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-site-'));
  let cluster: RunningCluster;
  let site: PushedSources | undefined;

  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
  const deployedImage = (): Promise<string> =>
    kubectl('get', 'deployment/site', '-n', 'ci', '-o', 'jsonpath={.spec.template.spec.containers[0].image}');

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags: ['--runtime', 'container,inprocess', '--addons', 'pipeline'] });
    const archive = join(folder, 'busybox.tar');
    writeBusyboxArchive(archive, 'busybox:stable');
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect([loaded.code, loaded.stderr]).toEqual([0, '']);
    await kubectl('apply', '-f', join(root, 'manifests/pipeline/site.yaml'));
    const address = 'jsonpath={.spec.clusterIP}:{.spec.ports[0].port}';
    const server = await kubectl('get', 'service/git', '-n', 'coxswain-pipeline', '-o', address);
    site = await PushedSources.copy(cluster, join(root, 'manifests/pipeline/site'), `${server}/ci/site.git`);
  }, hookMs);
  afterAll(async () => {
    site?.remove();
    await cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  const pushed = (message: string) => site!.push(message).then((commit) => site!.ended(commit));

  test(
    'a push is built by its Dockerfile and runs, and the same sources are the same image',
    async () => {
      const steps = { checkout: 'Succeeded', build: 'Succeeded', live: 'Succeeded' };
      expect(await pushed('First')).toEqual({ phase: 'Succeeded', reason: undefined, steps });
      const image = await deployedImage();
      expect(image).toMatch(/^localhost\/ci\/site:sha256-[0-9a-f]{64}$/);
      const url = await cluster.nodePortUrl('site', 'ci');
      const page = (path: string) =>
        eventually(
          () =>
            fetch(`${url}${path}`, { headers: { connection: 'close' } }).then(
              (answer) => answer.text(),
              () => '',
            ),
          (text) => text !== '',
        );
      expect(await page('/index.html')).toBe('<p>Ahoy from a container.</p>\n');
      expect(await page('/built.txt')).toBe('built by a Dockerfile\n');
      await site!.git('commit', '-q', '--allow-empty', '-m', 'Nothing');
      expect(await site!.ended(await site!.pushCommit())).toEqual({ phase: 'Succeeded', reason: undefined, steps });
      expect(await deployedImage()).toBe(image);
    },
    testMs,
  );

  test(
    'an image is published to a registry, and deployed by its name there',
    async () => {
      const registry = start(process.execPath, [
        coxswainMain,
        ...['image', 'registry', '--port', '0', '--data-dir', cluster.dataDir],
      ]);
      try {
        const host = await eventually(
          async () => /localhost:\d+/.exec(registry.stdout())?.[0] ?? '',
          (text) => text !== '',
        );
        const patch = [{ op: 'add', path: '/spec/steps/0/build/registry', value: host }];
        await kubectl('patch', 'pipeline/site', '-n', 'ci', '--type=json', '-p', JSON.stringify(patch));
        site!.edit('index.html', 'Ahoy', 'Hello');
        expect(await pushed('Publish')).toMatchObject({ phase: 'Succeeded' });
        const image = await deployedImage();
        const [, tag = ''] = image.split('site:');
        expect(image).toBe(`${host}/ci/site:${tag}`);
        const listed = await fetch(`http://${host}/v2/ci/site/tags/list`);
        expect(await listed.json()).toEqual({ name: 'ci/site', tags: [tag] });
        await kubectl(
          'patch',
          'pipeline/site',
          '-n',
          'ci',
          '--type=json',
          '-p',
          JSON.stringify([{ ...patch[0], op: 'remove' }]),
        );
      } finally {
        registry.child.kill();
        await registry.ended;
      }
    },
    testMs,
  );

  test(
    'a build that never ends is ended by its deadline or by hand, with its container, and nothing is deployed',
    async () => {
      const before = await deployedImage();
      site!.edit('Dockerfile', 'RUN echo', `RUN ${endless}; echo`);
      const commit = await site!.push('Never end');
      await eventually(
        async () => processesWith(endless),
        (commands) => commands.length > 0,
      );
      const [run] = await site!.runs(commit);
      const cancelled = await cluster.coxswain(['pipeline', 'cancel', run?.metadata?.name ?? '', '-n', 'ci']);
      expect([cancelled.code, cancelled.stderr]).toEqual([0, '']);
      const after = { checkout: 'Succeeded', live: 'Cancelled' };
      expect(await site!.ended(commit)).toMatchObject({ phase: 'Cancelled', steps: { ...after, build: 'Cancelled' } });
      await eventually(
        async () => processesWith(endless),
        (commands) => commands.length === 0,
      );
      site!.edit('index.html', 'Hello', 'Hello again');
      const steps = [{ op: 'replace', path: '/spec/steps/0/timeoutSeconds', value: 3 }];
      await kubectl('patch', 'pipeline/site', '-n', 'ci', '--type=json', '-p', JSON.stringify(steps));
      expect(await pushed('Never end again')).toEqual({
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        steps: { checkout: 'Succeeded', build: 'Failed', live: 'Skipped' },
      });
      expect(await deployedImage()).toBe(before);
    },
    testMs,
  );

  test(
    'a cluster that stops in the middle of a build ends it, and leaves nothing mounted',
    async () => {
      const steps = [{ op: 'remove', path: '/spec/steps/0/timeoutSeconds' }];
      await kubectl('patch', 'pipeline/site', '-n', 'ci', '--type=json', '-p', JSON.stringify(steps));
      site!.edit('index.html', 'again', 'once more');
      await site!.push('Never end once more');
      await eventually(
        async () => processesWith(endless),
        (commands) => commands.length > 0,
      );
      const { code } = await cluster.down();
      expect(code).toBe(0);
      expect(processesWith(endless)).toEqual([]);
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(cluster.dataDir);
    },
    testMs,
  );
});
