/**
 * Makes a run for each push that a pipeline wants, and takes away old ones. A run is named for the push, so a push is run once however often it is looked at; of
 * pushes that followed each other while nobody looked the last one of each reference is run. The run of the last push of a reference is kept.
 */
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { Push, Repositories } from '../git/repositories.ts';
import { type Pipeline, type PipelineRun, pipelineRuns, pipelines } from '../model/types.ts';

const keepDefault = 10;
const workers = 4;

/** The controller, and what tells it of pushes. */
export interface PushController extends Component {
  pushed(namespace: string, repository: string): void;
}

/** The controller of pipelines. */
export function createPushController(deps: ComponentDeps, repositories: Repositories): PushController {
  const { client, informers, clock, log, metrics } = deps;
  const all = informers.informer(pipelines);
  const runs = informers.informer(pipelineRuns);
  const queue = createWorkQueue({ name: 'pipeline', clock, metrics });

  const reconcile = async (key: string): Promise<undefined> => {
    const pipeline = all.lister.get(key);
    if (pipeline === undefined || pipeline.metadata?.deletionTimestamp !== undefined) return undefined;
    const { namespace = '' } = pipeline.metadata ?? {};
    await repositories.ensure(namespace, pipeline.spec.repository);
    const pushes = (await repositories.look(namespace, pipeline.spec.repository)).filter((push) =>
      isWanted(pipeline, push),
    );
    for (const push of pushes) {
      const name = runName(pipeline, push);
      if (runs.lister.get(`${namespace}/${name}`) !== undefined) continue;
      const author = await repositories.author(namespace, {
        repository: pipeline.spec.repository,
        commit: push.commit,
      });
      log.info('Starting a run', { pipeline: key, ref: push.ref, commit: push.commit });
      try {
        await client.resource(pipelineRuns).create(runOf(pipeline, push, author));
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    }
    await prune(pipeline, new Set(pushes.map((push) => runName(pipeline, push))));
    return undefined;
  };

  const prune = async ({ metadata, spec }: Pipeline, heads: ReadonlySet<string>): Promise<void> => {
    const { namespace = '', name } = metadata ?? {};
    const ended = runs.lister
      .list(namespace)
      .filter((run) => run.spec.pipeline === name && run.status?.completionTime !== undefined)
      .toSorted((a, b) => b.spec.sequence - a.spec.sequence);
    for (const run of ended.slice(spec.keep ?? keepDefault)) {
      const { name: old = '' } = run.metadata ?? {};
      if (heads.has(old)) continue;
      try {
        await client.resource(pipelineRuns).delete(old, { namespace, propagationPolicy: 'Background' });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };

  const enqueue = (pipeline: Pipeline): void => queue.add(objectKey(pipeline));
  all.addHandler({ added: enqueue, updated: (_, pipeline) => enqueue(pipeline) });
  runs.addHandler({
    updated: (_, { metadata, spec, status }) => {
      if (status?.completionTime !== undefined) queue.add(`${metadata?.namespace}/${spec.pipeline}`);
    },
  });
  return {
    pushed: (namespace, repository) => {
      for (const pipeline of all.lister.list(namespace)) if (pipeline.spec.repository === repository) enqueue(pipeline);
    },
    run: (signal) => runReconcileLoop({ name: 'pipeline', queue, workers, reconcile, log, clock, metrics }, signal),
  };
}

function runName({ metadata }: Pipeline, { sequence }: Push): string {
  return `${metadata?.name}-${sequence}`;
}

/** Without a word on branches and tags, `main` is run. */
function isWanted({ spec }: Pipeline, { ref, commit }: Push): boolean {
  if (commit === '') return false;
  const { branches = spec.tags === undefined ? ['main'] : [], tags = [] } = spec;
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
  return (kind === 'heads' ? branches : tags).some((pattern) => matches(pattern, name));
}

/** `*` stands for any text: found from left to right, each part as early as it can be. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  const last = rest.pop() ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

function runOf(pipeline: Pipeline, push: Push, author: string): PipelineRun {
  const { metadata, spec } = pipeline;
  const { repository, serviceAccountName, webhook, steps } = spec;
  const { sequence, ref, commit } = push;
  return {
    metadata: { name: runName(pipeline, push), namespace: metadata?.namespace ?? '' },
    spec: {
      pipeline: metadata?.name ?? '',
      repository,
      ref,
      commit,
      sequence,
      author,
      ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
      ...(webhook === undefined ? {} : { webhook }),
      steps,
    },
  };
}
