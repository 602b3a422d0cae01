/**
 * Transcripts of kubectl, `fixtures/transcripts/*.txt`: commands, and what Kubernetes makes them print.
 *
 * A line that begins with `$ ` is given to a shell; further lines of the command begin with `> `. What follows is its output, both
 * streams in one, and `[exit N]` when it fails. `…` stands for any text, on a line of its own for any lines; several spaces for one or more.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { type RunningCluster, run } from './running-cluster.ts';

const fixtures = join(root, 'tests/e2e/fixtures');
/** Old versions colour their output wherever it goes. */
const colour = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** The files of all transcripts. */
export const transcripts: readonly string[] = readdirSync(join(fixtures, 'transcripts'));

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

/** The environment of a guest's shell. */
export type GuestEnvironment = Readonly<Record<string, string>>;

/** A kubectl as a shell finds it: a program, or the words that run it. */
export type GuestTool = { readonly binary: string } | { readonly words: readonly string[] };

/** A folder with this kubectl in it, to be found by the shell, and a namespace and a kubeconfig of its own. */
export async function guestOf(cluster: RunningCluster, name: string, tool: GuestTool): Promise<GuestEnvironment> {
  const folder = join(cluster.dataDir, `guest-${name}`);
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'kubectl');
  if ('binary' in tool) symlinkSync(tool.binary, program);
  else {
    writeFileSync(program, `#!/bin/sh\nexec ${tool.words.map((word) => `'${word}'`).join(' ')} "$@"\n`);
    chmodSync(program, 0o755);
  }
  const namespace = `guest-${name}`;
  const kubeconfig = join(folder, 'kubeconfig');
  const env = { ...cluster.env(), KUBECONFIG: `${kubeconfig}:${cluster.kubeconfig}` };
  await cluster.kubectl('35', ['create', 'namespace', namespace]);
  const raw = await cluster.kubectl('35', ['config', 'view', '--raw', '--flatten']);
  const copy = await run('sh', ['-c', `umask 077; cat > ${kubeconfig}`], { input: raw });
  expect(copy.code).toBe(0);
  await cluster.kubectl('35', ['config', 'set-context', '--current', `--namespace=${namespace}`], {
    env: { KUBECONFIG: kubeconfig },
  });
  const node = await cluster.kubectl('35', ['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
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

/** Runs the commands of a transcript in order, but those that `leavesOut` names; fails at the first that prints something else. */
export async function runTranscript(
  file: string,
  env: GuestEnvironment,
  leavesOut: (command: string) => boolean = () => false,
): Promise<void> {
  for (const { command, expected } of stepsOf(readFileSync(join(fixtures, 'transcripts', file), 'utf8'))) {
    if (leavesOut(command)) continue;
    const script = `cd ${fixtures} && { ${command}\n} 2>&1`;
    const { code, stdout } = await run('sh', ['-c', script], { env });
    const output = stdout
      .replaceAll(colour, '')
      .replaceAll(/[ \t]+$/gm, '')
      .trimEnd();
    const actual = code === 0 ? output : `${output}\n[exit ${code}]`.trimStart();
    const wanted = expected.replaceAll('$NS', env.NS ?? '').replaceAll('$NODE', env.NODE ?? '');
    if (!pattern(wanted).test(`${actual}\n`)) expect(`$ ${command}\n${actual}`).toBe(`$ ${command}\n${wanted}`);
  }
}
