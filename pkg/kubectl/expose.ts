/** `expose`: a service of what runs pods. Source: kubectl `cmd/expose/expose.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digMap, digText } from './api.ts';
import { fileFlags, type KubectlContext } from './context.ts';
import { type GeneratorValues, generatorFlags, makeObject } from './generator.ts';
import { overridden } from './overrides.ts';
import { intOrString, labelsOf } from './pairs.ts';
import { parseTargets, resolveObjects, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const exposeFlags = {
  ...fileFlags,
  ...generatorFlags('kubectl-expose'),
  'cluster-ip': text({ help: 'Address of the service; None for a headless one.', placeholder: 'address' }),
  'external-ip': text({ help: 'A further address that leads to it.', placeholder: 'address' }),
  labels: text({ help: 'Labels of the service.', short: 'l', placeholder: 'key=value,…' }),
  'load-balancer-ip': text({ help: 'Address of the load balancer.', placeholder: 'address' }),
  name: text({ help: 'Name of the service.', placeholder: 'name' }),
  overrides: text({ help: 'JSON that is merged into the service.', placeholder: 'json' }),
  'override-type': text({ help: 'How it is merged.', fallback: 'merge', placeholder: 'json|merge|strategic' }),
  port: text({ help: 'Port of the service.', placeholder: 'port' }),
  protocol: text({ help: 'Protocol of the port.', placeholder: 'TCP|UDP|SCTP' }),
  selector: text({ help: 'Labels of the pods.', placeholder: 'selector' }),
  'session-affinity': text({ help: 'None or ClientIP.', placeholder: 'affinity' }),
  'target-port': text({ help: 'Port of the pods, as a number or name.', placeholder: 'port' }),
  type: text({ help: 'Type of the service.', placeholder: 'type' }),
} satisfies FlagTable;

type Values = FlagValues<typeof exposeFlags> & GeneratorValues;

/** Runs the command; resolves to its exit code. */
export async function expose(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const targets = await parseTargets(context, args, targetOptions(values));
  const [mapping] = await context.discovery.resolve('services');
  let code = 0;
  for (const { target, object } of await resolveObjects(context, targets, {})) {
    const service = overridden(serviceOf(values, target, object), values);
    code = Math.max(code, await makeObject(context, values, { mapping, object: service, done: 'exposed' }));
  }
  return code;
}

function serviceOf(values: Values, target: Target, object: JsonObject): JsonObject {
  const selector = values.selector === '' ? selectorOf(target, object) : labelsOf(values.selector);
  const labels = values.labels === '' ? digMap(object, 'metadata', 'labels') : labelsOf(values.labels);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      name: values.name || (target.name ?? ''),
    },
    spec: {
      ...(values['cluster-ip'] === '' ? {} : { clusterIP: values['cluster-ip'] }),
      ...(values['external-ip'] === '' ? {} : { externalIPs: [values['external-ip']] }),
      ...(values['load-balancer-ip'] === '' ? {} : { loadBalancerIP: values['load-balancer-ip'] }),
      ports: portsOf(values, object),
      selector,
      ...(values['session-affinity'] === '' ? {} : { sessionAffinity: values['session-affinity'] }),
      ...(values.type === '' ? {} : { type: values.type }),
    },
    status: { loadBalancer: {} },
  };
}

function selectorOf({ mapping }: Target, object: JsonObject): JsonObject {
  switch (mapping.kind) {
    case 'Pod': {
      const labels = digMap(object, 'metadata', 'labels');
      if (Object.keys(labels).length === 0)
        throw new UserError(
          "error: couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed",
        );
      return labels;
    }
    case 'Service':
    case 'ReplicationController':
      return digMap(object, 'spec', 'selector');
    case 'Deployment':
    case 'ReplicaSet':
      if (digList(object, 'spec', 'selector', 'matchExpressions').length > 0)
        throw new UserError(
          'error: couldn\'t retrieve selectors via --selector flag or introspection: couldn\'t convert expressions - "[]" to map-based selector format',
        );
      return digMap(object, 'spec', 'selector', 'matchLabels');
    default:
      throw new UserError(`error: cannot expose a ${mapping.kind}${mapping.group === '' ? '' : `.${mapping.group}`}`);
  }
}

interface Port {
  readonly port: number;
  readonly protocol: string;
}

function portsOf(values: Values, object: JsonObject): readonly JsonObject[] {
  const found = values.port === '' ? portsIn(object) : values.port.split(',').map((text) => portNumber(text, values));
  if (found.length === 0) throw new UserError("error: couldn't find port via --port flag or introspection");
  const target = values['target-port'];
  return found.map(({ port, protocol }, index) => ({
    ...(found.length > 1 ? { name: `port-${index + 1}` } : {}),
    port,
    protocol: values.protocol || protocol,
    targetPort: target === '' ? port : intOrString(target),
  }));
}

function portNumber(text: string, values: Values): Port {
  if (!/^\d+$/.test(text)) throw new UserError(`error: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return { port: Number(text), protocol: values.protocol || 'TCP' };
}

function portsIn(object: JsonObject): readonly Port[] {
  const own = digList(object, 'spec', 'ports').map((one) => ({ one, field: 'port' }));
  const spec = digMap(object, 'spec', 'template', 'spec');
  const containers = [...digList(spec, 'containers'), ...digList(object, 'spec', 'containers')];
  const theirs = containers
    .flatMap((container) => digList(container, 'ports'))
    .map((one) => ({ one, field: 'containerPort' }));
  return [...own, ...theirs].map(({ one, field }) => ({
    port: Number(digText(one, field)),
    protocol: digText(one, 'protocol') || 'TCP',
  }));
}
