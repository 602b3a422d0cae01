/**
 * Transcripts of kubectl, each run against a real cluster with an old and a new kubectl: the commands of `fixtures/transcripts/*.txt` in
 * order, and what Kubernetes makes them print.
 *
 * A line that begins with `$ ` is given to a shell; further lines of the command begin with `> `. What follows is its output, both
 * streams in one, and `[exit N]` when it fails. `…` stands for any text, on a line of its own for any lines; several spaces for one or more.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { binary, type KubectlVersion, kubectlVersions } from './kubectl-binary.ts';
import { hookMs, RunningCluster, run } from './running-cluster.ts';

const fixtures = join(root, 'tests/e2e/fixtures');
/** Old versions colour their output wherever it goes. */
const colour = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
const transcripts = readdirSync(join(fixtures, 'transcripts'));

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

interface Step {
  readonly command: string;
  readonly expected: string;
}

function stepsOf(text: string): readonly Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const lines = part.trimEnd().split('\n');
      const length = 1 + lines.slice(1).findIndex((line) => !line.startsWith('> '));
      const count = length === 0 ? lines.length : length;
      const command = lines.slice(0, count).map((line, index) => (index === 0 ? line : line.slice(2)));
      return { command: command.join('\n'), expected: lines.slice(count).join('\n') };
    });
}

/** The expected text as a pattern. */
function pattern(expected: string): RegExp {
  const source = expected
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/^…$\n?/gm, '(?:.*\\n)*?')
    .replaceAll('…', '.*')
    .replaceAll(/ {2,}/g, ' +');
  return new RegExp(`^${source}\\n*$`);
}

/** A folder with this kubectl in it, to be found by the shell, and a namespace and a kubeconfig of its own. */
async function guestOf(version: KubectlVersion): Promise<Readonly<Record<string, string>>> {
  const folder = join(cluster.dataDir, `guest-${version}`);
  mkdirSync(folder, { recursive: true });
  symlinkSync(binary(version, 'kubectl'), join(folder, 'kubectl'));
  const namespace = `guest-${version}`;
  const kubeconfig = join(folder, 'kubeconfig');
  const env = { ...cluster.env(), KUBECONFIG: `${kubeconfig}:${cluster.kubeconfig}` };
  await cluster.kubectl(version, ['create', 'namespace', namespace]);
  const raw = await cluster.kubectl(version, ['config', 'view', '--raw', '--flatten']);
  const copy = await run('sh', ['-c', `umask 077; cat > ${kubeconfig}`], { input: raw });
  expect(copy.code).toBe(0);
  await cluster.kubectl(version, ['config', 'set-context', '--current', `--namespace=${namespace}`], {
    env: { KUBECONFIG: kubeconfig },
  });
  const node = await cluster.kubectl(version, ['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
  return {
    ...env,
    KUBECONFIG: kubeconfig,
    PATH: `${folder}:${process.env.PATH}`,
    NS: namespace,
    NODE: node,
    SCRATCH: folder,
    LC_ALL: 'C',
    KUBE_EDITOR: 'false',
  };
}

describe.each(kubectlVersions)('kubectl 1.%s', (version) => {
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    env = await guestOf(version);
  }, hookMs);

  test.each(transcripts)('%s', async (file) => {
    const steps = stepsOf(readFileSync(join(fixtures, 'transcripts', file), 'utf8'));
    for (const { command, expected } of steps) {
      const script = `cd ${fixtures} && { ${command}\n} 2>&1`;
      const { code, stdout } = await run('sh', ['-c', script], { env });
      const output = stdout
        .replaceAll(colour, '')
        .replaceAll(/[ \t]+$/gm, '')
        .trimEnd();
      const actual = code === 0 ? output : `${output}\n[exit ${code}]`.trimStart();
      const wanted = expected.replaceAll('$NS', env.NS!).replaceAll('$NODE', env.NODE!);
      if (!pattern(wanted).test(`${actual}\n`)) expect(`$ ${command}\n${actual}`).toBe(`$ ${command}\n${wanted}`);
    }
  });
});
