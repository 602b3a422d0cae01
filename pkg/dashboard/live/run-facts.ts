/** What is understood of a run of a pipeline: where each of its steps is, and what each waits for. */
import { digList, digMap, digText, digTexts } from '#pkg/kubectl/api.ts';
import type { Facts, StepFacts } from '../model/protocol.ts';

/** Every run begins with it, and all other steps come after it. */
const checkoutStep = 'checkout';

const kinds = ['run', 'build', 'deploy'] as const;

/** The facts of a PipelineRun, with its steps in the order in which its status has them: that in which they can begin. */
export function runFacts(run: unknown): Facts {
  const spec = digMap(run, 'spec');
  const status = digMap(run, 'status');
  const steps = digList(status, 'steps').map((step): StepFacts => {
    const name = digText(step, 'name');
    const said = digList(spec, 'steps').find((one) => one.name === name);
    const after = digTexts(said, 'after');
    const time = (field: string): number => Date.parse(digText(step, field)) || 0;
    return {
      name,
      kind: kinds.find((kind) => said !== undefined && kind in said) ?? checkoutStep,
      after: name === checkoutStep || after.length > 0 ? after : [checkoutStep],
      phase: digText(step, 'phase'),
      reason: digText(step, 'reason'),
      message: digText(step, 'message'),
      started: time('startTime'),
      ended: time('completionTime'),
      pod: digText(step, 'podName'),
      image: digText(step, 'image'),
      target: { namespace: digText(said, 'deploy', 'namespace'), name: digText(said, 'deploy', 'deployment') },
    };
  });
  return {
    phase: digText(status, 'phase'),
    run: {
      pipeline: digText(spec, 'pipeline'),
      ref: digText(spec, 'ref').replace(/^refs\/(heads|tags)\//, ''),
      commit: digText(spec, 'commit'),
      author: digText(spec, 'author'),
      message: digText(status, 'message') || digText(status, 'reason'),
      hasEnded: digText(status, 'completionTime') !== '',
      steps,
    },
  };
}
