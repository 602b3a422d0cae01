/** Tells the webhook of a run each phase that it comes to: at least once, with the last one for certain unless the webhook refuses it again and again. */
import { objectKey } from '#pkg/apimachinery/object.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { type PipelineRun, pipelineRuns } from '../model/types.ts';

const workers = 4;
const answerMs = 5_000;
/** A phase that was refused so often is given up. */
const triesMax = 8;

/** What a webhook is sent, as JSON. */
function message({ metadata, spec, status }: PipelineRun): string {
  const { pipeline, repository, ref, commit, author } = spec;
  const { phase, reason, message: said, completionTime } = status ?? {};
  const steps = status?.steps.map(({ name, phase: at, reason: why }) => ({ name, phase: at, reason: why }));
  return JSON.stringify({
    namespace: metadata?.namespace,
    run: metadata?.name,
    pipeline,
    repository,
    ref,
    commit,
    author,
    phase,
    reason,
    message: said,
    completionTime,
    steps,
  });
}

/** The controller of webhooks. */
export function createWebhookController({ client, informers, clock, log, metrics }: ComponentDeps): Component {
  const runs = informers.informer(pipelineRuns);
  const queue = createWorkQueue({ name: 'pipeline-webhook', clock, metrics });

  const reconcile = async (key: string): Promise<undefined> => {
    const run = runs.lister.get(key);
    const { webhook } = run?.spec ?? {};
    if (run?.status === undefined || webhook === undefined || run.status.notified === run.status.phase)
      return undefined;
    const { phase } = run.status;
    try {
      await tell(webhook, message(run));
    } catch (error) {
      if (queue.retries(key) < triesMax) throw error;
      log.warn('Giving up on a webhook', { run: key, phase, error });
    }
    await client
      .resource(pipelineRuns)
      .patch(
        run.metadata?.name ?? '',
        { status: { notified: phase } },
        { namespace: run.metadata?.namespace ?? '', type: 'merge', subresource: 'status' },
      );
    return undefined;
  };

  const enqueue = (run: PipelineRun): void => {
    if (run.spec.webhook !== undefined) queue.add(objectKey(run));
  };
  runs.addHandler({ added: enqueue, updated: (_, run) => enqueue(run) });
  return {
    run: (signal) =>
      runReconcileLoop({ name: 'pipeline-webhook', queue, workers, reconcile, log, clock, metrics }, signal),
  };
}

async function tell(webhook: string, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(webhook, {
    method: 'POST',
    headers,
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(answerMs),
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`Cannot tell ${webhook} as it answers ${answer.status}`);
}
