/** Whether steps can be run at all: pure. The same is refused by the rules of the definitions when a pipeline is written; what gets by them ends a run at its start. */
import type { StepSpec } from './types.ts';

/** The step that every run begins with: it brings the sources of the commit. */
export const checkoutStep = 'checkout';

/** Why these steps cannot be run, in one line; undefined when they can. */
export function planProblem(steps: readonly StepSpec[]): string | undefined {
  const byName = new Map(steps.map((step) => [step.name, step]));
  if (byName.size < steps.length) return `two steps are named ${firstTwice(steps)}`;
  for (const step of steps) {
    const problem = stepProblem(step, byName);
    if (problem !== undefined) return problem;
  }
  const circle = circleIn(byName);
  if (circle !== undefined) return `steps wait for each other in a circle: ${circle.join(' -> ')}`;
  return steps.map((step) => sourceProblem(step, byName)).find((problem) => problem !== undefined);
}

/** The names of a run's steps, checkout first, each after those it waits for. The steps have no problem. */
export function stepOrder(steps: readonly StepSpec[]): readonly string[] {
  const order = new Set<string>([checkoutStep]);
  while (order.size <= steps.length) {
    for (const { name, after = [] } of steps) if (after.every((before) => order.has(before))) order.add(name);
  }
  return [...order];
}

function firstTwice(steps: readonly StepSpec[]): string | undefined {
  const seen = new Set<string>();
  return steps.find(({ name }) => seen.size === seen.add(name).size)?.name;
}

function stepProblem(step: StepSpec, byName: ReadonlyMap<string, StepSpec>): string | undefined {
  const { name, after = [], run, build, deploy } = step;
  if (name === checkoutStep) return `no step can be named ${checkoutStep}, as every run begins with one`;
  const missing = after.find((before) => !byName.has(before));
  if (missing !== undefined) return `step ${name} waits for ${missing}, which is no step`;
  const actions = [run, build, deploy].filter((action) => action !== undefined).length;
  if (actions !== 1) return `step ${name} has ${actions} of run, build and deploy instead of one`;
  if (build === undefined || (build.entry === undefined) !== (build.dockerfile === undefined)) return undefined;
  return `step ${name} builds by ${build.entry === undefined ? 'neither' : 'both'} of entry and dockerfile instead of one`;
}

/** What is deployed has to be there by then. */
function sourceProblem({ name, deploy }: StepSpec, byName: ReadonlyMap<string, StepSpec>): string | undefined {
  if (deploy === undefined) return undefined;
  if (byName.get(deploy.from)?.build === undefined)
    return `step ${name} deploys what ${deploy.from} builds, which is no step with build`;
  if (!ancestors(name, byName).has(deploy.from))
    return `step ${name} deploys what ${deploy.from} builds, but does not wait for it`;
  return undefined;
}

function ancestors(name: string, byName: ReadonlyMap<string, StepSpec>): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const before of byName.get(next)?.after ?? []) {
      if (found.has(before)) continue;
      found.add(before);
      open.push(before);
    }
  }
  return found;
}

/** The shortest way from a step back to itself; undefined where there is none. */
function circleIn(byName: ReadonlyMap<string, StepSpec>): readonly string[] | undefined {
  for (const start of byName.keys()) {
    const ways: (readonly string[])[] = [[start]];
    const seen = new Set<string>();
    for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
      for (const next of byName.get(way.at(-1) ?? start)?.after ?? []) {
        if (next === start) return [...way, next];
        if (seen.has(next)) continue;
        seen.add(next);
        ways.push([...way, next]);
      }
    }
  }
  return undefined;
}
