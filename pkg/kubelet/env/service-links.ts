/** Environment variables that name the Services of a namespace. Source: kubelet `envvars.FromServices`. */
import type { Service } from '#pkg/api/types/core-v1.ts';

/** The Service every pod is told of, whatever its namespace. */
const masterNamespace = 'default';
const masterName = 'kubernetes';

/** Variables for the Services that a pod of `namespace` sees; without `links` only for the API server. */
export function serviceVariables(
  services: readonly Service[],
  options: { readonly namespace: string; readonly links: boolean },
): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const { name = '', namespace } = service.metadata ?? {};
    const master = namespace === masterNamespace && name === masterName;
    if (!master && !(options.links && namespace === options.namespace)) continue;
    addService(variables, service, name);
  }
  return variables;
}

function addService(variables: Map<string, string>, service: Service, name: string): void {
  const ip = service.spec?.clusterIP;
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (ip === undefined || ip === '' || ip === 'None' || first === undefined) return;
  const prefix = variableName(name);
  variables.set(`${prefix}_SERVICE_HOST`, ip);
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const port of ports) {
    if (port.name) variables.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
  }
  for (const [index, port] of ports.entries()) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    const url = `${protocol}://${ip.includes(':') ? `[${ip}]` : ip}:${port.port}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    const portPrefix = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
    variables.set(portPrefix, url);
    variables.set(`${portPrefix}_PROTO`, protocol);
    variables.set(`${portPrefix}_PORT`, String(port.port));
    variables.set(`${portPrefix}_ADDR`, ip);
  }
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
