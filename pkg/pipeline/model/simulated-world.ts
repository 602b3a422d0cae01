/** A world for tests of the state machine: pods that end as they like, Deployments that roll out well or badly, outsiders, and a controller that breaks off. */
import type { Random } from '#pkg/base/random.ts';
import { decideRun } from './run.ts';
import type { Act, PodFacts, TargetFacts, World } from './step-view.ts';
import type { PipelineRun, RunStatus, StepSpec } from './types.ts';

/** How what a run does ends. */
export type Fate = 'bad' | 'good' | 'never';

interface SimulatedPod {
  readonly endsMs: number;
  readonly fate: Fate;
}

/** What a Deployment is in this world. */
export interface SimulatedTarget {
  image: string;
  revision: number;
  hold: { readonly by: string; readonly previous: string } | undefined;
  sequence: number;
  changedMs: number;
  /** Images in the order in which they were put there. */
  readonly history: string[];
}

/** A run of this world. */
export interface SimulatedRun {
  readonly name: string;
  spec: PipelineRun['spec'];
  status: RunStatus | undefined;
  readonly pods: Map<string, SimulatedPod>;
}

/** The world of several runs. */
export class SimulatedWorld {
  readonly targets = new Map<string, SimulatedTarget>();
  readonly runs: SimulatedRun[] = [];
  readonly #random: Random;
  /** How an image does where it is deployed. */
  readonly #fates = new Map<string, Fate>();
  nowMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(share: number): boolean {
    return this.#random.next() < share;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[Math.floor(this.#random.next() * list.length)] ?? list[0];
  }

  add(name: string, spec: PipelineRun['spec']): void {
    this.runs.push({ name, spec, status: undefined, pods: new Map() });
    for (const { deploy } of spec.steps) {
      if (deploy === undefined || this.targets.has(deploy.deployment)) continue;
      const target = { image: 'first', revision: 1, hold: undefined, sequence: 0, changedMs: 0, history: ['first'] };
      this.targets.set(deploy.deployment, target);
    }
  }

  /** One turn of the controller for a run; `faulty`: it may break off before or after what it writes, and do things twice. */
  turn(run: SimulatedRun, { faulty }: { readonly faulty: boolean }): void {
    const revisions = new Map([...this.targets].map(([name, { revision }]) => [name, revision]));
    const { spec, status } = run;
    const decided = decideRun({ spec, status, world: this.#seenBy(run), nowMs: this.nowMs });
    if (faulty && this.chance(0.1)) return;
    run.status = decided.status;
    for (const act of decided.acts) {
      const times = faulty ? this.pick([0, 1, 1, 1, 2]) : 1;
      for (let i = 0; i < times; i++) this.#act(run, act, revisions);
    }
  }

  #seenBy(run: SimulatedRun): World {
    return { pod: (step) => this.#pod(run, step), target: (step) => this.#target(run, step) };
  }

  #pod(run: SimulatedRun, step: string): PodFacts {
    const pod = run.pods.get(step);
    if (pod === undefined) return { state: 'absent' };
    if (pod.fate === 'never' || this.nowMs < pod.endsMs) return { state: 'running', name: step };
    const image = `${run.name}@sha256:${'0'.repeat(63)}${run.spec.sequence}`;
    const succeeded = pod.fate === 'good';
    return { state: 'ended', name: step, succeeded, reason: succeeded ? 'Completed' : 'Error', message: image };
  }

  #target(run: SimulatedRun, step: string): TargetFacts {
    const target = this.#targetOf(run, step);
    const { image, hold, sequence, changedMs } = target;
    const holder = hold === undefined ? 'none' : hold.by === `${run.name}/${step}` ? 'me' : 'other';
    const rollout = this.nowMs - changedMs < 3000 || this.#fate(image) === 'never' ? 'progressing' : 'complete';
    const isBad = this.#fate(image) === 'bad' && this.nowMs - changedMs > 4000;
    return { state: 'present', image, holder, isLater: sequence > run.spec.sequence, rollout, metric: isBad ? 1 : 0 };
  }

  #fate(image: string): Fate {
    const known =
      this.#fates.get(image) ?? (image === 'first' ? 'good' : this.pick<Fate>(['good', 'good', 'bad', 'never']));
    this.#fates.set(image, known);
    return known;
  }

  #targetOf(run: SimulatedRun, step: string): SimulatedTarget {
    const name = run.spec.steps.find((one) => one.name === step)?.deploy?.deployment;
    const target = this.targets.get(name ?? '');
    if (target === undefined) throw new Error(`${step} deploys nothing`);
    return target;
  }

  #act(run: SimulatedRun, act: Act, revisions: ReadonlyMap<string, number>): void {
    if (act.type === 'createPod') {
      const fate = this.pick<Fate>(['good', 'good', 'good', 'good', 'good', 'bad', 'never']);
      if (!run.pods.has(act.step)) run.pods.set(act.step, { endsMs: this.nowMs + this.#random.next() * 5000, fate });
      return;
    }
    if (act.type === 'deletePod') {
      run.pods.delete(act.step);
      return;
    }
    const target = this.#targetOf(run, act.step);
    const name = [...this.targets].find(([, one]) => one === target)?.[0] ?? '';
    if (revisions.get(name) !== target.revision) return;
    if (act.type === 'promote') {
      target.hold = { by: `${run.name}/${act.step}`, previous: target.image };
      target.sequence = run.spec.sequence;
      this.setImage(target, act.image);
    } else {
      if (target.hold?.by !== `${run.name}/${act.step}`) return;
      const { previous } = target.hold;
      target.hold = undefined;
      if (act.type === 'rollBack') this.setImage(target, previous);
      else target.revision++;
    }
  }

  /** Also what an outsider does. */
  setImage(target: SimulatedTarget, image: string): void {
    target.image = image;
    target.changedMs = this.nowMs;
    target.revision++;
    target.history.push(image);
  }
}

/** Steps of which each waits for some before it, and every deploy step for a build. */
export function randomSteps(world: SimulatedWorld): readonly StepSpec[] {
  const steps: StepSpec[] = [{ name: 'build', build: { image: 'app', entry: 'main.js' }, timeoutSeconds: 20 }];
  const count = 1 + Math.floor(world.pick([1, 2, 3, 4, 5]));
  for (let i = 0; i < count; i++) {
    const after = ['build', ...steps.filter(() => world.chance(0.5)).map(({ name }) => name)];
    const common = { name: `step-${i}`, after: [...new Set(after)], timeoutSeconds: world.pick([5, 20, 60]) };
    const deploy = {
      from: 'build',
      namespace: 'default',
      deployment: `target-${i % 2}`,
      container: 'main',
      approvalTimeoutSeconds: 30,
      watchSeconds: world.pick([0, 5]),
      approval: world.pick(['Automatic', 'Automatic', 'Manual'] as const),
      metric: { port: 1, name: 'errors', max: 0.5 },
    };
    steps.push(world.chance(0.5) ? { ...common, deploy } : { ...common, run: { image: 'x' } });
  }
  return steps;
}
