/** Brings runs on: looks at the world, decides (`model/run.ts`), writes what is known, then acts. Whatever it breaks off at, the next turn goes on from what is. */
import { rm } from 'node:fs/promises';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey, splitKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { decideRun } from '../model/run.ts';
import type { Act, Decision, PodFacts, TargetFacts } from '../model/step-view.ts';
import { type PipelineRun, pipelineRuns, type RunStatus } from '../model/types.ts';
import { podFacts, podName, runLabel, type StepSettings, stepPod } from './step-pod.ts';
import { actOnTarget, readTarget, type Target, type TargetDeps } from './targets.ts';

/** Runs worked on at the same time. */
const workers = 8;

/** What stands for a Deployment until it was read: nothing is decided on it. */
const unread: TargetFacts = { state: 'present', image: '', holder: 'other', isLater: false, rollout: 'progressing' };

/** The controller of runs. */
export function createRunController(deps: ComponentDeps, settings: StepSettings): Component {
  const { clock, log, metrics, informers } = deps;
  const name = 'pipeline-run';
  const queue = createWorkQueue({ name, clock, metrics });
  const controller = new RunController(deps, settings);
  const enqueue = (run: PipelineRun): void => queue.add(objectKey(run));
  informers.informer(pipelineRuns).addHandler({ added: enqueue, updated: (_, run) => enqueue(run), deleted: enqueue });
  const enqueueOwner = ({ metadata }: Pod): void => {
    const run = metadata?.labels?.[runLabel];
    if (run !== undefined) queue.add(`${metadata?.namespace}/${run}`);
  };
  informers
    .informer(pods)
    .addHandler({ added: enqueueOwner, updated: (_, pod) => enqueueOwner(pod), deleted: enqueueOwner });
  const reconcile = (key: string): Promise<ReconcileResult> => controller.reconcile(key);
  return { run: (signal) => runReconcileLoop({ name, queue, workers, reconcile, log, clock, metrics }, signal) };
}

class RunController {
  readonly #deps: ComponentDeps;
  readonly #settings: StepSettings;
  readonly #runs: Lister<PipelineRun>;
  readonly #pods: Lister<Pod>;
  readonly #targetDeps: TargetDeps;

  constructor(deps: ComponentDeps, settings: StepSettings) {
    this.#deps = deps;
    this.#settings = settings;
    this.#runs = deps.informers.informer(pipelineRuns).lister;
    this.#pods = deps.informers.informer(pods).lister;
    this.#targetDeps = {
      client: deps.client,
      isOpen: ({ run, uid }) => {
        const found = this.#runs.get(run);
        return found?.metadata?.uid === uid && found.status?.completionTime === undefined;
      },
      pods: (namespace) => this.#pods.list(namespace),
    };
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const { client, clock } = this.#deps;
    const run = this.#runs.get(key);
    if (run === undefined) {
      const { namespace = '', name } = splitKey(key);
      await rm(this.#settings.places.run({ metadata: { namespace, name } }), { recursive: true, force: true });
      return undefined;
    }
    const targets = new Map<string, Target>();
    const { status, acts, wakeMs } = await this.#decide(run, targets);
    if (!deepEqual(status, run.status))
      await client.resource(pipelineRuns).update({ ...run, status }, { subresource: 'status' });
    for (const act of acts) await this.#perform({ ...run, status }, act, targets);
    return wakeMs === undefined ? undefined : { requeueAfterMs: Math.max(0, wakeMs - clock.nowMs()) };
  }

  /** Reads the Deployments that the decision depends on, and no others: those of steps that have begun. */
  async #decide(run: PipelineRun, targets: Map<string, Target>): Promise<Decision<RunStatus>> {
    const { namespace = '' } = run.metadata ?? {};
    const { spec, status } = run;
    for (;;) {
      const missing = new Set<string>();
      const pod = (step: string): PodFacts => podFacts(run, this.#pods.get(`${namespace}/${podName(run, step)}`));
      const target = (step: string): TargetFacts => {
        const known = targets.get(step);
        if (known === undefined) missing.add(step);
        return known?.facts ?? unread;
      };
      const decided = decideRun({ spec, status, nowMs: this.#deps.clock.nowMs(), world: { pod, target } });
      if (missing.size === 0) return decided;
      for (const step of missing) {
        const { deploy } = spec.steps.find(({ name }) => name === step) ?? {};
        if (deploy !== undefined) targets.set(step, await readTarget(this.#targetDeps, run, { step, deploy }));
      }
    }
  }

  async #perform(run: PipelineRun, act: Act, targets: ReadonlyMap<string, Target>): Promise<void> {
    const { client, log } = this.#deps;
    const step = run.spec.steps.find(({ name }) => name === act.step) ?? { name: act.step };
    const { namespace = '' } = run.metadata ?? {};
    log.info('Acting for a run', { run: objectKey(run), act: act.type, step: act.step });
    switch (act.type) {
      case 'createPod':
        await unless(isAlreadyExists, client.resource(pods).create(stepPod(run, step, this.#settings)));
        return;
      case 'deletePod':
        await unless(isNotFound, client.resource(pods).delete(podName(run, act.step), { namespace }));
        return;
      case 'promote':
      case 'release':
      case 'rollBack': {
        const deployment = targets.get(act.step)?.deployment;
        if (step.deploy !== undefined && deployment !== undefined)
          await actOnTarget(client, run, { act, deploy: step.deploy, deployment });
      }
    }
  }
}

/** Waits for a request, which may be refused for this reason. */
async function unless(isFine: (error: unknown) => boolean, request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isFine(error)) throw error;
  }
}
