/** The reference, read from the code: flags as the programs print them, metrics as a cluster shows them, events and errors as they are written down where they are recorded and made. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemErrors } from '#cmd/common/system-errors.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const root = join(import.meta.dirname, '..', '..');
const execute = promisify(execFile);

/** Programs that are started at the same time. */
const atOnce = 2;

/** A page that is made. */
export interface ReferencePage {
  readonly name: string;
  readonly title: string;
  /** Markdown. */
  readonly text: string;
}

/** All pages. Rejects when a program of the project does not start. */
export async function referencePages(): Promise<readonly ReferencePage[]> {
  return [
    { name: 'coxswain', title: 'The command', text: await commandPage() },
    { name: 'components', title: 'Flags of components', text: await componentPage() },
    { name: 'metrics', title: 'Metrics', text: await metricsPage() },
    { name: 'events', title: 'Events', text: eventsPage() },
    { name: 'errors', title: 'Errors', text: errorsPage() },
  ];
}

async function help(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(process.execPath, [...args, '--help'], { cwd: root });
  return `\`\`\`\n${stdout.trimEnd()}\n\`\`\`\n`;
}

async function sections(titles: readonly string[], show: (title: string) => Promise<string>): Promise<string> {
  const texts: string[] = [];
  for (let at = 0; at < titles.length; at += atOnce)
    texts.push(...(await Promise.all(titles.slice(at, at + atOnce).map(show))));
  return titles.map((title, index) => `## ${title}\n\n${texts[index]}`).join('\n');
}

async function commandPage(): Promise<string> {
  const main = 'cmd/coxswain/main.ts';
  const overview = await help(main);
  const withOwn = async (name: string): Promise<string> => {
    const own = await help(main, name);
    const texts = [own];
    for (const sub of commandsIn(own)) texts.push(`### ${name} ${sub}\n\n${await help(main, name, sub)}`);
    return texts.join('\n');
  };
  return `# The command\n\n${overview}\n${await sections(commandsIn(overview), withOwn)}`;
}

/** What the text of a command lists as its commands. */
function commandsIn(text: string): readonly string[] {
  const at = text.indexOf('\nCommands:\n');
  if (at === -1) return [];
  return [...text.slice(at).matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, name = '']) => name);
}

async function componentPage(): Promise<string> {
  const names = readdirSync(join(root, 'cmd')).filter((name) => name !== 'common' && name !== 'coxswain');
  return `# Flags of components\n\n${await sections(names, (name) => help(`cmd/${name}/main.ts`))}`;
}

/** Name, type and meaning of what the API server and the other components show of a cluster that has had a workload. */
async function metricsPage(): Promise<string> {
  const cluster = await startTestCluster();
  await cluster.apply(makeDeployment('web', { replicas: 2 }));
  await cluster.until(() => cluster.pods().length === 2);
  const { signal } = new AbortController();
  const request: ApiRequest = {
    method: 'GET',
    path: '/metrics',
    query: '',
    headers: {},
    peer: { address: '' },
    signal,
  };
  const { body } = await cluster.client.transport.request(request);
  if (body.kind !== 'bytes') throw new Error('the metrics are no text');
  const text = `${new TextDecoder().decode(body.bytes)}\n${(await renderMetrics(cluster.metrics.families())).text}`;
  await cluster.stop();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const rows = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', means = '']) => [name, means]));
  const lines = [...rows]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, means]) => `| \`${name}\` | ${types.get(name) ?? ''} | ${means.replaceAll('|', '\\|')} |`);
  return `# Metrics\n\n| metric | type | what it counts |\n|---|---|---|\n${lines.join('\n')}\n`;
}

interface Source {
  /** Below `pkg`. */
  readonly path: string;
  readonly text: string;
}

/** What the components are made of. */
function* sources(): Generator<Source> {
  for (const path of readdirSync(join(root, 'pkg'), { recursive: true, encoding: 'utf8' }))
    if (path.endsWith('.ts') && !path.endsWith('.test.ts'))
      yield { path, text: readFileSync(join(root, 'pkg', path), 'utf8') };
}

/** The folder that people know a part by. */
function partOf(path: string): string {
  const folders = path.startsWith('controllers/') ? 2 : 1;
  return path.split('/').slice(0, folders).join('/');
}

/** Reasons that are written where an event is recorded, and by which part. */
function eventsPage(): string {
  const found = new Map<string, { readonly type: string; readonly parts: Set<string> }>();
  for (const { path, text } of sources()) {
    for (const [, type = '', reason = ''] of text.matchAll(/\btype: '(Normal|Warning)',\s*reason: '(\w+)'/g)) {
      const entry = found.get(reason) ?? { type, parts: new Set<string>() };
      entry.parts.add(partOf(path));
      found.set(reason, entry);
    }
  }
  const lines = [...found]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([reason, { type, parts }]) => `| \`${reason}\` | ${type} | ${[...parts].sort().join(', ')} |`);
  return `# Events\n\nThose whose reason is a word of the code; others carry the reason of what they are about.\n\n| reason | type | recorded by |\n|---|---|---|\n${lines.join('\n')}\n`;
}

/** What the API answers with, by status code, reason and part, and what commands say of the machine. */
function errorsPage(): string {
  const found = new Map<string, { readonly code: string; readonly reason: string; readonly parts: Set<string> }>();
  for (const { path, text } of sources()) {
    for (const [, code = '', reason = ''] of text.matchAll(/\bcode: (\d{3}),\s*reason: '(\w+)'/g)) {
      const entry = found.get(`${code} ${reason}`) ?? { code, reason, parts: new Set<string>() };
      entry.parts.add(partOf(path));
      found.set(`${code} ${reason}`, entry);
    }
  }
  const answers = [...found]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([, { code, reason, parts }]) => `| ${code} | \`${reason}\` | ${[...parts].sort().join(', ')} |`);
  const lines = Object.entries(systemErrors).map(([key, line]) => {
    const [code = ''] = key.split(' ');
    return `| \`${key}\` | ${line({ port: 'PORT', path: 'PATH', code })} |`;
  });
  return [
    '# Errors\n\n## Answers of the API\n\n| code | reason | made by |\n|---|---|---|\n',
    `${answers.join('\n')}\n\n`,
    '## What commands say of the machine\n\nBy the code of the system, and its call where the line is for that alone.\n\n',
    `| code | line |\n|---|---|\n${lines.join('\n')}\n`,
  ].join('');
}
