/** `create service` and `create ingress`. Source: kubectl `cmd/create/create_service.go`, `create_ingress.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, integer, list, repeated, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { generatorCommand } from './generator.ts';
import { intOrString, pairsOf } from './pairs.ts';
import { type Commands, group, type Subcommand } from './subcommand.ts';

const serviceFlags = {
  tcp: list({ help: 'Ports, as port or port:targetPort.', placeholder: 'port:target' }),
  clusterip: text({ help: 'Address of the service; None for a headless one.', placeholder: 'address' }),
  'node-port': integer({ help: 'Port of the nodes; 0 for any.', fallback: 0 }),
  'external-name': text({ help: 'Name that the service stands for.', placeholder: 'name' }),
} satisfies FlagTable;
type ServiceValues = FlagValues<typeof serviceFlags>;

const ingressFlags = {
  class: text({ help: 'Ingress class.', placeholder: 'name' }),
  rule: repeated({ help: 'A rule, as host/path=service:port[,tls[=secret]].', placeholder: 'rule' }),
  'default-backend': text({ help: 'Service of what no rule is for.', placeholder: 'service:port' }),
  annotation: repeated({ help: 'An annotation.', placeholder: 'key=value' }),
} satisfies FlagTable;
type IngressValues = FlagValues<typeof ingressFlags>;

/** The generators of what leads to pods. */
export const serviceGenerators: Commands = {
  ingress: generatorCommand<IngressValues>({
    summary: 'Create an ingress.',
    usage: 'ingress NAME --rule=host/path=service:port[,tls[=secret]]',
    resource: 'ingresses.networking.k8s.io',
    failure: 'ingress:',
    aliases: ['ing'],
    flags: ingressFlags,
    build: (values, { name }) => ingress(name, values),
  }),
  service: {
    ...group('create service', 'Create a service using a specified subcommand.', {
      clusterip: serviceCommand('ClusterIP', ['tcp', 'clusterip']),
      externalname: serviceCommand('ExternalName', ['tcp', 'external-name']),
      loadbalancer: serviceCommand('LoadBalancer', ['tcp']),
      nodeport: serviceCommand('NodePort', ['tcp', 'node-port']),
    }),
    aliases: ['svc'],
  },
};

function serviceCommand(type: string, names: readonly string[]): Subcommand {
  const flags = Object.fromEntries(Object.entries(serviceFlags).filter(([name]) => names.includes(name)));
  return generatorCommand<ServiceValues>({
    summary: `Create a service of type ${type}.`,
    usage: `${type.toLowerCase()} NAME --tcp=PORT:TARGET`,
    resource: 'services',
    failure: `${type} service:`,
    flags,
    ...(type === 'ExternalName' ? { required: ['external-name'] } : {}),
    build: (values, { name }) => service(type, name, values),
  });
}

function service(type: string, name: string, values: ServiceValues): JsonObject {
  const { clusterip = '', 'external-name': externalName = '', 'node-port': nodePort = 0 } = values;
  const isHeadless = clusterip === 'None';
  if (values.tcp.length === 0 && !isHeadless && type !== 'ExternalName')
    throw new UserError('error: at least one tcp port specifier must be provided');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { labels: { app: name }, name },
    spec: {
      ...(clusterip === '' ? {} : { clusterIP: clusterip }),
      ...(externalName === '' ? {} : { externalName }),
      ...(values.tcp.length === 0 ? {} : { ports: values.tcp.map((spec) => portOf(spec, nodePort)) }),
      selector: { app: name },
      type,
    },
    status: { loadBalancer: {} },
  };
}

function portOf(spec: string, nodePort: number): JsonObject {
  const [port = '', target = port, ...more] = spec.split(':');
  if (!/^\d+$/.test(port) || more.length > 0 || Number(port) > 65535 || target === '')
    throw new UserError(`error: invalid port specification: ${spec}`);
  return {
    name: spec.replace(':', '-'),
    ...(nodePort > 0 ? { nodePort } : {}),
    port: Number(port),
    protocol: 'TCP',
    targetPort: intOrString(target),
  };
}

function ingress(name: string, values: IngressValues): JsonObject {
  const backend = values['default-backend'];
  if (values.rule.length === 0 && backend === '') {
    throw new UserError(
      'error: not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)',
    );
  }
  const rules = values.rule.map(parseRule);
  const hosts = [...new Set(rules.map(({ host }) => host))];
  const annotations = Object.fromEntries(pairsOf(values.annotation));
  const tls = tlsOf(rules);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { ...(values.annotation.length === 0 ? {} : { annotations }), name },
    spec: {
      ...(backend === ''
        ? {}
        : { defaultBackend: backendOf(backend, `default-backend should be in format servicename:serviceport`) }),
      ...(values.class === '' ? {} : { ingressClassName: values.class }),
      ...(rules.length === 0
        ? {}
        : {
            rules: hosts.map((host) => ({
              ...(host === '' ? {} : { host }),
              http: { paths: rules.filter((rule) => rule.host === host).map(({ path }) => path) },
            })),
          }),
      ...(tls.length === 0 ? {} : { tls }),
    },
    status: { loadBalancer: {} },
  };
}

interface Rule {
  readonly host: string;
  readonly path: JsonObject;
  /** The secret; empty for one that is not named, undefined for none. */
  readonly secret: string | undefined;
}

const rulePattern =
  /^(?<host>[^/=]*)(?<path>\/[^=]*?)(?<star>\*?)=(?<service>[^:,]+):(?<port>[^,]+?)(?:,tls(?:=(?<secret>.*))?)?$/;

function parseRule(text: string): Rule {
  const { host = '', path = '', star, service: name = '', port = '', secret } = rulePattern.exec(text)?.groups ?? {};
  if (name === '')
    throw new UserError(
      `error: rule ${text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`,
    );
  return {
    host,
    path: { backend: backendOf(`${name}:${port}`, text), path, pathType: star === '*' ? 'Prefix' : 'Exact' },
    secret: /,tls(=|$)/.test(text) ? (secret ?? '') : undefined,
  };
}

function backendOf(text: string, problem: string): JsonObject {
  const [name = '', port = '', ...more] = text.split(':');
  if (name === '' || port === '' || more.length > 0) throw new UserError(`error: ${problem}`);
  return { service: { name, port: /^\d+$/.test(port) ? { number: Number(port) } : { name: port } } };
}

/** One entry for each secret, with its hosts. */
function tlsOf(rules: readonly Rule[]): readonly JsonObject[] {
  const hosts = new Map<string, string[]>();
  for (const { host, secret } of rules) {
    if (secret === undefined) continue;
    const known = hosts.get(secret) ?? [];
    if (host !== '' && !known.includes(host)) known.push(host);
    hosts.set(secret, known);
  }
  return [...hosts].map(([secretName, names]) => ({
    ...(names.length === 0 ? {} : { hosts: names }),
    ...(secretName === '' ? {} : { secretName }),
  }));
}
