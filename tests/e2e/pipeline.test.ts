/**
 * The delivery pipeline on a real cluster with real git: a push comes to production without a failed request, what fails its acceptance test does not, what goes
 * bad there is taken back, and bad input ends with one clear reason. The application and the pipeline are those of `manifests/pipeline`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decompressed } from '#pkg/images/layers/decompress.ts';
import { ByteSource } from '#pkg/images/tar/byte-source.ts';
import { readTar } from '#pkg/images/tar/tar-reader.ts';
import { root } from '#tests/tidy/source-files.ts';
import { PushedSources, runMs } from './pushed-sources.ts';
import { eventually, freePort, hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';

let cluster: RunningCluster;
let server: ChildProcess | undefined;
let shop: PushedSources;
let url: string;

beforeAll(async () => {
  cluster = await RunningCluster.start();
  const port = await freePort();
  await serve(port);
  await cluster.kubectl(kubectl, ['apply', '-f', join(root, 'manifests/pipeline/pipeline.yaml')]);
  shop = await PushedSources.copy(cluster, join(root, 'manifests/pipeline/app'), `127.0.0.1:${port}/ci/shop.git`);
  url = await cluster.nodePortUrl('shop', 'production');
}, hookMs);
afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    server.kill();
    await new Promise((done) => server?.on('exit', done));
  }
  await cluster?.remove();
  shop?.remove();
}, hookMs);

/** Starts `coxswain pipeline serve`, and waits until it says that it listens. */
async function serve(port: number): Promise<void> {
  const main = join(root, 'cmd/coxswain/main.ts');
  const args = [main, 'pipeline', 'serve', '--port', String(port), '--data-dir', cluster.dataDir];
  server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise<void>((done, fail) => {
    server?.once('exit', (code) => fail(new Error(`The pipeline ended with ${code}`)));
    server?.stdout?.on('data', (text: Buffer) => {
      if (text.includes('Serving repositories')) done();
    });
  });
}

const all = (last: Readonly<Record<string, string>> = {}) => ({
  ...{
    checkout: 'Succeeded',
    unit: 'Succeeded',
    build: 'Succeeded',
    staging: 'Succeeded',
    acceptance: 'Succeeded',
    production: 'Succeeded',
  },
  ...last,
});

async function productionImage(): Promise<string> {
  const path = 'jsonpath={.spec.template.spec.containers[0].image}';
  return cluster.kubectl(kubectl, ['get', 'deployment', 'shop', '-n', 'production', '-o', path]);
}

interface Answer {
  readonly atMs: number;
  readonly code: number;
  readonly text: string;
}

/** Asks production again and again, several at a time, until it is told to stop. */
function load(): { readonly answers: readonly Answer[]; stop(): Promise<void> } {
  const answers: Answer[] = [];
  let isOver = false;
  const ask = async (): Promise<void> => {
    while (!isOver) {
      const answer = await fetch(url, { headers: { connection: 'close' } }).then(
        async (response) => ({ code: response.status, text: await response.text() }),
        (error: unknown) => ({ code: 0, text: String(error) }),
      );
      answers.push({ atMs: performance.now(), ...answer });
    }
  };
  const asking = Promise.all([ask(), ask(), ask(), ask()]);
  return {
    answers,
    stop: async () => {
      isOver = true;
      await asking;
    },
  };
}

test('a first push is built, tested and deployed; a change of one line follows without a failed request', async () => {
  expect(await shop.ended(await shop.push('First'))).toEqual({ phase: 'Succeeded', reason: undefined, steps: all() });
  const before = await productionImage();
  const asked = load();
  shop.edit('greeting.js', '// What', '// All that');
  const startMs = performance.now();
  const commit = await shop.push('Change a line');
  const end = await shop.ended(commit);
  const tookMs = performance.now() - startMs;
  await asked.stop();
  expect(end).toEqual({ phase: 'Succeeded', reason: undefined, steps: all() });
  const image = await productionImage();
  expect(image).not.toBe(before);
  expect(asked.answers.filter(({ code }) => code !== 200)).toEqual([]);
  expect(asked.answers.at(-1)?.text).toContain(image);
  console.log(
    `From the push to the end of the run: ${(tookMs / 1000).toFixed(1)} s, ${asked.answers.length} requests meanwhile, none failed.`,
  );
});

test('what a run made is given to who may see runs, and to nobody else', async () => {
  const address = new URL(shop.remote);
  const ask = (run: string, token: string) =>
    fetch(`${address.protocol}//${address.host}/ci/${run}.artifacts.tar.gz`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const given = await ask('shop-1', decodeURIComponent(address.password));
  expect(given.headers.get('content-disposition')).toBe('attachment; filename="shop-1.artifacts.tar.gz"');
  const source = new ByteSource(decompressed(Readable.fromWeb(given.body!)));
  const found = new Map<string, string>();
  for await (const { entry, body } of readTar(source))
    found.set(entry.path, Buffer.concat(await Array.fromAsync(body())).toString());
  expect(Object.fromEntries(found)).toEqual({ 'shop-1/': '', 'shop-1/greeting.txt': expect.stringContaining('here') });
  const stranger = (await cluster.kubectl(kubectl, ['create', 'token', 'default', '-n', 'ci'])).trim();
  expect((await ask('shop-1', stranger)).status).toBe(403);
  expect((await ask('shop-1', 'none')).status).toBe(401);
  expect((await ask('shop-99', decodeURIComponent(address.password))).status).toBe(404);
});

test('the same sources are the same image, and a change that breaks its acceptance test never reaches production', async () => {
  const before = await productionImage();
  await shop.git('commit', '-q', '--allow-empty', '-m', 'Nothing');
  expect(await shop.ended(await shop.pushCommit())).toMatchObject({ phase: 'Succeeded' });
  expect(await productionImage()).toBe(before);
  shop.edit('greeting.js', 'Ahoy', 'Goodbye');
  const commit = await shop.push('Break the acceptance test');
  const steps = all({ acceptance: 'Failed', production: 'Skipped' });
  expect(await shop.ended(commit)).toEqual({ phase: 'Failed', reason: 'Error', steps });
  expect(await productionImage()).toBe(before);
  shop.edit('greeting.js', 'Goodbye', 'Ahoy');
});

test('a step that waits for somebody goes on once it is approved, by its name', async () => {
  const approval = (value: string) => {
    const patch = JSON.stringify([{ op: 'replace', path: '/spec/steps/4/deploy/approval', value }]);
    return cluster.kubectl(kubectl, ['patch', 'pipeline/shop', '-n', 'ci', '--type=json', '-p', patch]);
  };
  await approval('Manual');
  // With what breaks nothing again.
  const commit = await shop.push('Wait for somebody');
  const [waiting] = await eventually(
    () => shop.runs(commit),
    ([run]) => run?.status?.steps?.some(({ phase }) => phase === 'Approval') === true,
    runMs,
  );
  const name = waiting?.metadata?.name ?? '';
  const approve = (step: string) => cluster.coxswain(['pipeline', 'approve', name, step, '-n', 'ci']);
  expect(await approve('build')).toMatchObject({
    code: 1,
    stderr: `coxswain: the run ${name} has no step "build" that waits for an approval\n`,
  });
  expect(await approve('production')).toMatchObject({ code: 0, stdout: `production of ${name} is approved\n` });
  expect(await shop.ended(commit)).toEqual({ phase: 'Succeeded', reason: undefined, steps: all() });
  await approval('Automatic');
});

test('a version that goes bad in production only is taken back by its metric', async () => {
  const before = await productionImage();
  const asked = load();
  shop.edit('greeting.js', '  return', "  if (stage === 'production') throw new Error('out of stock');\n  return");
  const commit = await shop.push('Go bad in production');
  const end = await shop.ended(commit);
  const back = await eventually(
    async () => asked.answers.slice(-50),
    (last) => last.length === 50 && last.every(({ code }) => code === 200),
  );
  await asked.stop();
  expect(end).toEqual({ phase: 'RolledBack', reason: 'MetricExceeded', steps: all({ production: 'RolledBack' }) });
  expect(await productionImage()).toBe(before);
  expect(back.length).toBe(50);
  const bad = asked.answers.filter(({ code }) => code === 500);
  expect(bad.length).toBeGreaterThan(0);
  console.log(
    `Taken back: ${(((bad.at(-1)?.atMs ?? 0) - (bad[0]?.atMs ?? 0)) / 1000).toFixed(1)} s from the first failed request to the last.`,
  );
  shop.edit('greeting.js', "  if (stage === 'production') throw new Error('out of stock');\n", '');
});

test('bad input is refused with one reason, and nothing is run for it', async () => {
  const pipeline = (steps: readonly object[]) =>
    JSON.stringify({
      apiVersion: 'ci.coxswain.dev/v1alpha1',
      kind: 'Pipeline',
      metadata: { name: 'bad', namespace: 'ci' },
      spec: { repository: 'bad', steps },
    });
  const apply = (input: string) => cluster.tryKubectl(kubectl, ['apply', '-f', '-'], { input });
  const step = (name: string, after: readonly string[]) => ({ name, after, run: { image: 'workspace:a.js' } });
  expect((await apply(pipeline([step('a', ['b'])]))).stderr).toContain('a step waits for a step that is not there');
  expect((await apply(pipeline([step('a', ['b']), step('b', ['a'])]))).stderr).toContain('in a circle');
  const count = (await shop.runs()).length;
  const address = new URL(shop.remote);
  const plain = `${address.protocol}//${address.host}/ci/shop.git`;
  const service = `${plain}/git-receive-pack`;
  const ask = (authorization: string, body: string | Uint8Array) =>
    fetch(service, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-git-receive-pack-request' },
      body,
    });
  expect((await ask('Bearer none', '')).status).toBe(401);
  const stranger = (await cluster.kubectl(kubectl, ['create', 'token', 'default', '-n', 'ci'])).trim();
  expect((await ask(`Bearer ${stranger}`, '')).status).toBe(403);
  // A pack whose checksum is not that of its contents.
  const command = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main2\0report-status`;
  const line = `${(command.length + 4).toString(16).padStart(4, '0')}${command}0000`;
  const pack = Buffer.concat([
    Buffer.from(`${line}PACK`, 'latin1'),
    Buffer.from([0, 0, 0, 2, 0, 0, 0, 1]),
    Buffer.alloc(40, 7),
  ]);
  const answer = await (await ask(`Bearer ${decodeURIComponent(address.password)}`, pack)).text();
  expect(answer).toContain('unpack');
  expect(answer).toContain('ng refs/heads/main2');
  expect(await shop.git('ls-remote', shop.remote)).not.toContain('main2');
  expect((await shop.runs()).length).toBe(count);
});

test('a step that never ends is ended by its deadline, and a pipeline without rights deploys nothing', async () => {
  const before = await productionImage();
  const steps = [
    { name: 'build', build: { image: 'shop', entry: 'server.js' } },
    { name: 'endless', timeoutSeconds: 3, run: { image: 'workspace:server.js' } },
    {
      name: 'live',
      after: ['build'],
      deploy: { from: 'build', namespace: 'production', deployment: 'shop', container: 'shop' },
    },
  ];
  const pipeline = {
    apiVersion: 'ci.coxswain.dev/v1alpha1',
    kind: 'Pipeline',
    metadata: { name: 'endless', namespace: 'ci' },
    spec: { repository: 'shop', steps },
  };
  await cluster.kubectl(kubectl, ['apply', '-f', '-'], { input: JSON.stringify(pipeline) });
  const found = await eventually(
    async () => (await shop.runs()).find(({ spec }) => spec.pipeline === 'endless'),
    (one) => one?.status?.completionTime !== undefined,
    runMs,
  );
  const reasons = Object.fromEntries((found?.status?.steps ?? []).map(({ name, reason }) => [name, reason]));
  expect(reasons).toMatchObject({ endless: 'DeadlineExceeded', live: 'Forbidden' });
  expect(found?.status?.phase).toBe('Failed');
  await eventually(
    () =>
      cluster.tryKubectl(kubectl, [
        'get',
        'pod',
        `${found?.metadata?.name}-endless`,
        '-n',
        'ci',
        '-o',
        'jsonpath={.status.phase}',
      ]),
    ({ stdout }) => stdout !== 'Running',
  );
  expect(await productionImage()).toBe(before);
});
