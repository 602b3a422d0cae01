/** Endpoints of networks, of which there are three, and of volumes. Source: Docker Engine API 1.41, "Networks", "Volumes". */
import type { Call } from './call.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import type { Route } from './route.ts';
import type { Volume } from './volumes.ts';

/** The endpoints. */
export const placeRoutes: readonly Route[] = [
  { method: 'GET', path: '/networks', handle: (call, engine) => call.send(200, networks(call, engine)) },
  { method: 'GET', path: '/networks/{id}', handle: network },
  { method: 'GET', path: '/volumes', handle: listVolumes },
  { method: 'POST', path: '/volumes/create', handle: createVolume },
  { method: 'GET', path: '/volumes/{id}', handle: inspectVolume },
  { method: 'DELETE', path: '/volumes/{id}', handle: removeVolume },
];

const drivers = { bridge: 'bridge', host: 'host', none: 'null' } as const;

function networks(call: Call, { network: { gateway, subnet } }: Engine) {
  const filters = call.filters(['driver', 'id', 'name', 'type']);
  const isWanted = (name: string, driver: string): boolean =>
    [...filters].every(([filter, wanted]) => {
      if (filter === 'type') return wanted.includes('builtin');
      return wanted.includes(filter === 'driver' ? driver : name);
    });
  return Object.entries(drivers)
    .filter(([name, driver]) => isWanted(name, driver))
    .map(([name, driver]) => ({
      Name: name,
      Id: name,
      Created: '0001-01-01T00:00:00Z',
      Scope: 'local',
      Driver: driver,
      EnableIPv6: false,
      IPAM: {
        Driver: 'default',
        Options: null,
        Config: name === 'bridge' ? [{ Subnet: subnet, Gateway: gateway }] : [],
      },
      Internal: false,
      Attachable: false,
      Ingress: false,
      Containers: {},
      Options: {},
      Labels: {},
    }));
}

function network(call: Call, engine: Engine): void {
  const found = networks(call, engine).find(({ Name: name }) => name === call.name('id'));
  if (found === undefined) throw new DockerError(404, `network ${call.name('id')} not found`);
  call.send(200, found);
}

async function listVolumes(call: Call, { volumes }: Engine): Promise<void> {
  const wanted = call.filters(['name']).get('name');
  const found = (await volumes.list()).filter(({ name }) => wanted?.some((one) => name.includes(one)) ?? true);
  call.send(200, { Volumes: found.map(shown), Warnings: null });
}

async function createVolume(call: Call, { volumes, random }: Engine): Promise<void> {
  const { Name: name, Driver: driver = 'local', Labels: labels } = await call.json();
  if (driver !== 'local')
    throw new DockerError(404, `error looking up volume plugin ${driver}: plugin "${driver}" not found`);
  const wanted = typeof name === 'string' && name !== '' ? name : random.uuid().replaceAll('-', '');
  call.send(201, shown(await volumes.ensure(wanted, labels ?? {})));
}

async function inspectVolume(call: Call, { volumes }: Engine): Promise<void> {
  const found = await volumes.find(call.name('id'));
  if (found === undefined) throw new DockerError(404, `get ${call.name('id')}: no such volume`);
  call.send(200, shown(found));
}

async function removeVolume(call: Call, { volumes }: Engine): Promise<void> {
  await volumes.remove(call.name('id'));
  call.done();
}

function shown({ name, path, createdMs, labels }: Volume): object {
  return {
    CreatedAt: new Date(createdMs).toISOString(),
    Driver: 'local',
    Labels: labels,
    Mountpoint: path,
    Name: name,
    Options: null,
    Scope: 'local',
  };
}
