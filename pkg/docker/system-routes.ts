/** Endpoints of the engine itself. Source: Docker Engine API 1.41, "System". */
import type { Call } from './call.ts';
import type { Engine } from './engine.ts';
import type { Route } from './route.ts';
import { apiVersion, apiVersionMin } from './versions.ts';

/** The endpoints. */
export const systemRoutes: readonly Route[] = [
  { method: 'GET', path: '/_ping', handle: ping },
  { method: 'HEAD', path: '/_ping', handle: ping },
  { method: 'GET', path: '/version', handle: version },
  { method: 'GET', path: '/info', handle: info },
];

function ping({ request, response }: Call): void {
  response.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache, no-store, must-revalidate',
  });
  response.end(request.method === 'HEAD' ? undefined : 'OK');
}

function version(call: Call, { machine, platform }: Engine): void {
  const own = {
    Version: machine.version,
    ApiVersion: apiVersion,
    MinAPIVersion: apiVersionMin,
    Os: 'linux',
    Arch: platform.architecture,
    KernelVersion: machine.kernel,
    GitCommit: '',
    GoVersion: '',
    BuildTime: '',
  };
  call.send(200, {
    Platform: { Name: 'Coxswain' },
    Components: [{ Name: 'Engine', Version: machine.version, Details: own }],
    ...own,
  });
}

async function info(call: Call, { containers, images, machine, platform }: Engine): Promise<void> {
  const all = containers.list();
  const count = (state: string): number => all.filter((one) => one.state === state).length;
  call.send(200, {
    ID: machine.hostname,
    Name: machine.hostname,
    Containers: all.length,
    ContainersRunning: count('running'),
    ContainersPaused: 0,
    ContainersStopped: count('created') + count('exited'),
    Images: (await images.list()).length,
    Driver: 'overlay2',
    DriverStatus: null,
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    MemoryLimit: true,
    PidsLimit: true,
    OomKillDisable: false,
    KernelVersion: machine.kernel,
    OperatingSystem: 'Coxswain',
    OSType: 'linux',
    Architecture: platform.architecture === 'arm64' ? 'aarch64' : 'x86_64',
    NCPU: machine.processors,
    MemTotal: machine.memoryBytes,
    ServerVersion: machine.version,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs: [], Mirrors: null },
    Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Authorization: null, Log: ['json-file'] },
    Runtimes: { runc: { path: 'runc' } },
    DefaultRuntime: 'runc',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    SecurityOptions: ['name=seccomp,profile=default'],
    Labels: [],
    ExperimentalBuild: false,
    LiveRestoreEnabled: false,
    Warnings: null,
  });
}
