/** Sources of an application as its developers have them: a folder under git, pushed to the pipeline of a cluster, and what becomes of its commits there. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PipelineRun } from '#pkg/pipeline/model/types.ts';
import { eventually, type RunningCluster, run } from './running-cluster.ts';

/** Version of kubectl that is asked. */
const kubectl = '35';
/** Longest time for a run, on a slow machine that does much else. */
export const runMs = 170_000;

/** What became of a commit. */
interface RunEnd {
  readonly phase: string;
  readonly reason: string | undefined;
  readonly steps: Readonly<Record<string, string>>;
}

/** The folder, and who pushes it. */
export class PushedSources {
  readonly #cluster: RunningCluster;
  readonly #folder: string;
  /** Where commits are pushed to, with the token of who may. */
  readonly remote: string;

  private constructor(cluster: RunningCluster, folder: string, remote: string) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.remote = remote;
  }

  /** A copy of a folder, with nothing committed yet, of a repository of the namespace ci at a Git server, such as `127.0.0.1:5001/ci/shop.git`; resolves once that has the repository. */
  static async copy(cluster: RunningCluster, from: string, repository: string): Promise<PushedSources> {
    const token = (await cluster.kubectl(kubectl, ['create', 'token', 'developer', '-n', 'ci'])).trim();
    const folder = mkdtempSync(join(tmpdir(), 'coxswain-pipeline-'));
    cpSync(from, folder, { recursive: true });
    const sources = new PushedSources(cluster, folder, `http://developer:${token}@${repository}`);
    await sources.git('init', '-q', '-b', 'main');
    // The repository is made a moment after the pipeline that names it.
    await eventually(
      () => run('git', ['ls-remote', sources.remote], { cwd: folder, env: { GIT_TERMINAL_PROMPT: '0' } }),
      ({ code }) => code === 0,
    );
    return sources;
  }

  async git(...args: readonly string[]): Promise<string> {
    const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', '-c', 'commit.gpgsign=false'];
    const result = await run('git', [...who, ...args], { cwd: this.#folder, env: { GIT_TERMINAL_PROMPT: '0' } });
    if (result.code !== 0) throw new Error(`git ${args[0]}: ${result.stderr}`);
    return `${result.stdout}${result.stderr}`;
  }

  /** Replaces a text that is in a file. */
  edit(path: string, from: string, to: string): void {
    const place = join(this.#folder, path);
    const text = readFileSync(place, 'utf8');
    if (!text.includes(from)) throw new Error(`${path} has no ${JSON.stringify(from)}`);
    writeFileSync(place, text.replace(from, to));
  }

  /** Pushes what is committed; resolves to the commit. */
  async pushCommit(): Promise<string> {
    await this.git('push', '-q', this.remote, 'main');
    return (await this.git('rev-parse', 'HEAD')).trim();
  }

  /** Commits what has changed and pushes it; resolves to the commit. */
  async push(message: string): Promise<string> {
    await this.git('add', '-A');
    await this.git('commit', '-q', '-m', message);
    return this.pushCommit();
  }

  /** The runs of a commit, or of all. */
  async runs(commit?: string): Promise<readonly PipelineRun[]> {
    const text = await this.#cluster.kubectl(kubectl, ['get', 'pipelineruns', '-n', 'ci', '-o', 'json']);
    const { items } = JSON.parse(text) as { readonly items: readonly PipelineRun[] };
    return items.filter(({ spec }) => commit === undefined || spec.commit === commit);
  }

  /** The run of a commit, once it has ended. */
  async endedRun(commit: string): Promise<PipelineRun> {
    const [found] = await eventually(
      () => this.runs(commit),
      ([one]) => one?.status?.completionTime !== undefined,
      runMs,
    );
    if (found === undefined) throw new Error(`no run of ${commit} has ended`);
    return found;
  }

  /** The same: its phase, reason, and the phases of its steps. */
  async ended(commit: string): Promise<RunEnd> {
    const { status } = await this.endedRun(commit);
    const { phase = '', reason, steps = [] } = status ?? {};
    return { phase, reason, steps: Object.fromEntries(steps.map(({ name, phase: at }) => [name, at])) };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
