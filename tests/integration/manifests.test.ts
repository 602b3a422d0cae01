/** Every manifest is accepted with strict checking, applied again changes nothing, and its pods come up as its comment says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gatewayDefinitions } from '#pkg/addons/gateway/crds.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { digText } from '#pkg/kubectl/api.ts';
import { parseDocuments } from '#pkg/kubectl/files.ts';
import { pipelineDefinitions } from '#pkg/pipeline/crds.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { runKubectl } from '#pkg/testing/kubectl.ts';
import { root } from '#tests/tidy/source-files.ts';

const folder = join(root, 'manifests');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  // Rules of faults are no objects; `docs` tests read them.
  .filter((file) => file.endsWith('.yaml') && !file.startsWith('examples/faults/'))
  .sort();

/** Definitions that a file's objects are of: of an addon, of the pipeline, or of another file. */
const definitions: Readonly<Record<string, () => readonly KubeObject[]>> = {
  'addons/gateway.yaml': gatewayDefinitions,
  'pipeline/pipeline.yaml': pipelineDefinitions,
  'pipeline/site.yaml': pipelineDefinitions,
  'course/voyage.yaml': () =>
    parseDocuments(readFileSync(join(folder, 'course/voyages.yaml'), 'utf8'), 'voyages.yaml').map(
      ({ document }) => document as KubeObject,
    ),
};

const run = (cluster: TestCluster, ...args: readonly string[]) => runKubectl(cluster, args);

test('there is a guestbook and an example per feature', () => {
  expect(files).toContain('guestbook.yaml');
  expect(files.length).toBeGreaterThan(15);
});

test.each(files)('%s is accepted strictly and applying it again changes nothing', async (file) => {
  const cluster = await startTestCluster();
  const path = join(folder, file);
  await cluster.apply(...(definitions[file]?.() ?? []));
  const count = parseDocuments(readFileSync(path, 'utf8'), path).length;
  const first = await run(cluster, 'apply', '-f', path, '--validate=strict');
  expect(first).toMatchObject({ code: 0, err: '' });
  expect(
    first.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').at(-1)),
  ).toEqual(Array(count).fill('created'));
  // Until the controllers have written what they write beside it: a node, a volume, a revision.
  await cluster.advance(20_000);
  const specs = await specsOf(cluster, path);
  const second = await run(cluster, 'apply', '-f', path);
  expect(second).toMatchObject({ code: 0, err: '' });
  // Kubectl itself says `configured` of what the server keeps in other words: `stringData`, `cpu: "4000"`, tolerations that it adds to.
  expect(second.out.trimEnd().split('\n')).toEqual(
    Array(count).fill(expect.stringMatching(/ (unchanged|configured)$/)),
  );
  expect(await specsOf(cluster, path)).toEqual(specs);
  await cluster.stop();
});

/** What the server counts and reports, and what controllers note on an object while the commands run. */
const reported: ReadonlySet<string> = new Set(['status', 'resourceVersion', 'deployment.kubernetes.io/revision']);

/** The objects of a file without that. */
async function specsOf(cluster: TestCluster, path: string): Promise<string> {
  const { code, out } = await run(cluster, 'get', '-f', path, '-o', 'json');
  expect(code).toBe(0);
  return JSON.stringify(JSON.parse(out), (key, value) => (reported.has(key) ? undefined : value));
}

test('the guestbook rolls out', async () => {
  const cluster = await startTestCluster();
  await run(cluster, 'apply', '-f', join(folder, 'guestbook.yaml'));
  await cluster.until(
    () => cluster.pods().length === 4 && cluster.pods().every((pod) => pod.status?.phase === 'Running'),
  );
  expect(
    cluster
      .pods()
      .map((pod) => digText(pod, 'metadata', 'labels', 'tier'))
      .sort(),
  ).toEqual(['frontend', 'frontend', 'frontend', 'store']);
  await cluster.stop();
});

test('a pod without a node for it stays Pending and says why', async () => {
  const cluster = await startTestCluster();
  await run(cluster, 'apply', '-f', join(folder, 'examples/node-selection.yaml'));
  await cluster.advance(2_000);
  expect(cluster.pods().map((pod) => pod.status?.phase)).toEqual(['Pending']);
  const shown = await run(cluster, 'describe', 'pod', 'picky');
  expect(shown.out).toContain('FailedScheduling');
  expect(shown.out).toContain("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
  await cluster.stop();
});
