/** What can be done about a run of a pipeline: the same as `coxswain pipeline approve` and `cancel` do, in the user's name. */
import { badRequest, isConflict } from '#pkg/apimachinery/status-error.ts';
import { digMap, digTexts, type KubeApi } from '#pkg/kubectl/api.ts';
import { pipelineRuns } from '#pkg/pipeline/model/types.ts';
import { objectPath } from './objects.ts';

/** The controller writes to a run too; nobody writes to it as often as this in a moment. */
const triesMax = 10;

/** Which action on which run; `step` is the one to approve. */
export interface RunAction {
  readonly action: string;
  readonly namespace: string;
  readonly name: string;
  readonly step: string;
}

/** Does it; resolves to what is to be said of it. Rejects with the server's refusal. */
export async function runAction(api: KubeApi, { action, namespace, name, step }: RunAction): Promise<string> {
  if (action !== 'approve' && action !== 'cancel')
    throw badRequest(`there is no action ${JSON.stringify(action)} on runs of pipelines`);
  const path = objectPath({ resource: pipelineRuns, namespace, name });
  for (let tries = 1; ; tries++) {
    const { object } = await api.call({ method: 'GET', path });
    const spec = digMap(object, 'spec');
    const wanted =
      action === 'cancel' ? { cancelled: true } : { approved: [...new Set([...digTexts(spec, 'approved'), step])] };
    try {
      await api.call({ method: 'PUT', path, body: { ...object, spec: { ...spec, ...wanted } } });
      return action === 'cancel' ? `${name} is cancelled` : `${step} of ${name} is approved`;
    } catch (error) {
      if (!isConflict(error) || tries >= triesMax) throw error;
    }
  }
}
