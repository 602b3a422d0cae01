/** `autoscale`: an autoscaler of what has a scale. Source: kubectl `cmd/autoscale/autoscale.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { canonicalQuantity } from '#pkg/apimachinery/quantity.ts';
import { type FlagTable, type FlagValues, integer, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { fileFlags, type KubectlContext } from './context.ts';
import { groupVersion } from './discovery.ts';
import { type GeneratorValues, generatorFlags, makeObject, requireFlags } from './generator.ts';
import { parseTargets, resolveObjects, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const autoscaleFlags = {
  ...fileFlags,
  ...generatorFlags('kubectl-autoscale'),
  cpu: text({ help: 'Wanted use of processors, as a percentage or an amount.', placeholder: 'amount' }),
  'cpu-percent': integer({ help: 'The same as --cpu with a percentage.', fallback: -1, min: -1 }),
  memory: text({ help: 'Wanted use of memory, as a percentage or an amount.', placeholder: 'amount' }),
  max: integer({ help: 'Most pods.', fallback: -1, min: -1 }),
  min: integer({ help: 'Fewest pods; -1 for what the server takes.', fallback: -1, min: -1 }),
  name: text({ help: 'Name of the autoscaler.', placeholder: 'name' }),
} satisfies FlagTable;

type Values = FlagValues<typeof autoscaleFlags> & GeneratorValues;

const scaled = ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'];

/** Runs the command; resolves to its exit code. */
export async function autoscale(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  requireFlags(context, ['max']);
  if (values.max < 1) throw new UserError(`error: --max=MAXPODS must be at least 1, max: ${values.max}`);
  if (values.max < values.min) {
    throw new UserError(
      `error: --max=MAXPODS must be larger or equal to --min=MINPODS, max: ${values.max}, min: ${values.min}`,
    );
  }
  if (context.given.has('cpu-percent')) {
    context.complain(
      "Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for utilization or '500m' for milliCPU).",
    );
  }
  const targets = await parseTargets(context, args, targetOptions(values));
  const [mapping] = await context.discovery.resolve('horizontalpodautoscalers.v2.autoscaling');
  let code = 0;
  for (const { target } of await resolveObjects(context, targets, {})) {
    if (!scaled.includes(target.mapping.kind))
      throw new UserError(`error: cannot autoscale a ${target.mapping.kind}: could not find scale subresource`);
    code = Math.max(
      code,
      await makeObject(context, values, { mapping, object: autoscaler(values, target), done: 'autoscaled' }),
    );
  }
  return code;
}

function autoscaler(values: Values, target: Target): JsonObject {
  const percent = values['cpu-percent'] >= 0 ? `${values['cpu-percent']}%` : '';
  const metrics = [metric('cpu', values.cpu || percent, 'm'), metric('memory', values.memory, 'Mi')].flat();
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: values.name || (target.name ?? '') },
    spec: {
      maxReplicas: values.max,
      ...(metrics.length === 0 ? {} : { metrics }),
      ...(values.min > 0 ? { minReplicas: values.min } : {}),
      scaleTargetRef: {
        apiVersion: groupVersion(target.mapping),
        kind: target.mapping.kind,
        name: target.name ?? '',
      },
    },
    status: { currentMetrics: null, desiredReplicas: 0 },
  };
}

function metric(name: string, wanted: string, unit: string): readonly JsonObject[] {
  if (wanted === '') return [];
  const percent = /^(\d+)%$/.exec(wanted)?.[1];
  if (percent !== undefined) {
    const target = { averageUtilization: Number(percent), type: 'Utilization' };
    return [{ resource: { name, target }, type: 'Resource' }];
  }
  const averageValue = canonicalQuantity(/^\d+$/.test(wanted) ? `${wanted}${unit}` : wanted);
  if (averageValue === undefined) throw new UserError(`error: invalid value for --${name}: ${wanted}`);
  return [{ resource: { name, target: { averageValue, type: 'AverageValue' } }, type: 'Resource' }];
}
