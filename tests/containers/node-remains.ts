/** What a node's pods have on a machine, and what of it belongs to none of them: for tests that look for what was left behind. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupFolders, readMachine } from '#pkg/kubelet/runtime/container/machine.ts';
import {
  anyPod,
  classCgroups,
  containerPlaces,
  placesOf,
  sandboxPlaces,
} from '#pkg/kubelet/runtime/container/places.ts';
import type { ContainerFile, SandboxFile } from '#pkg/kubelet/runtime/container/records.ts';
import { readWhole } from '#pkg/kubelet/runtime/whole-files.ts';
import { podLink } from '#pkg/network/bridge/places.ts';

/** Which node, of which cluster on the bridge network. */
export interface NodeOnMachine {
  /** Folder of the cluster. */
  readonly dataDir: string;
  readonly nodeName: string;
}

/** Pods that are to be there: the names of those of their containers that are, by uid. */
export type ExpectedPods = ReadonlyMap<string, readonly string[]>;

const namesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Processes of the machine whose command line has a text. */
export function processesOf(text: string): readonly { readonly pid: number; readonly command: string }[] {
  return namesIn('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      return command.includes(text) ? [{ pid: Number(name), command }] : [];
    } catch {
      return [];
    }
  });
}

/** What is left on the machine of a node whose cluster has gone: none of it should be there. */
export async function remains({ dataDir, nodeName }: NodeOnMachine): Promise<readonly string[]> {
  const places = placesOf(join(dataDir, 'kubelet', nodeName, 'oci'));
  const machine = await readMachine(process.arch);
  const cgroups = machine === undefined ? [] : cgroupFolders(machine.cgroups, places.cgroup);
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return [
    ...[places.memory, ...cgroups, `/run/netns/coxswain-${nodeName}`].filter((path) => existsSync(path)),
    ...mounts.filter((line) => line.includes(dataDir) || line.includes(places.memory)),
    ...[...processesOf(dataDir), ...processesOf(places.memory)].map(({ command }) => command),
  ];
}

/** What is there and should not be, and what is not there and should, one line each. */
export async function differences(node: NodeOnMachine, pods: ExpectedPods): Promise<readonly string[]> {
  const folder = join(node.dataDir, 'kubelet', node.nodeName);
  const places = placesOf(join(folder, 'oci'));
  const machine = await readMachine(process.arch);
  if (machine === undefined) throw new Error('Cannot look at cgroups as there are none');
  const found: string[] = [];
  const compare = (what: string, are: readonly string[], expected: readonly string[]): void => {
    const [has, should] = [[...are].toSorted(), [...expected].toSorted()];
    if (has.join() !== should.join()) found.push(`${what}: ${has.join(' ')} in place of ${should.join(' ')}`);
  };

  const sandboxes = await Promise.all(
    namesIn(join(places.disk, 'sandboxes')).map(async (id) => {
      const record = await readWhole<SandboxFile>(sandboxPlaces(places, id, anyPod).record);
      return { id, uid: record?.config.podUid ?? 'half made' };
    }),
  );
  compare(
    'sandboxes',
    sandboxes.map(({ uid }) => uid),
    [...pods.keys()],
  );
  const containers = await Promise.all(
    namesIn(join(places.disk, 'containers')).map(async (id) => {
      const record = await readWhole<ContainerFile>(containerPlaces(places, id, anyPod).record);
      return { id, name: `${sandboxes.find((one) => one.id === record?.sandboxId)?.uid}/${record?.config.name}` };
    }),
  );
  compare(
    'containers',
    containers.map(({ name }) => name),
    [...pods].flatMap(([uid, names]) => names.map((name) => `${uid}/${name}`)),
  );
  compare(
    'folders of what pods share',
    namesIn(join(places.memory, 's')),
    sandboxes.map(({ id }) => id.slice(0, 32)),
  );
  const volumes = namesIn(join(folder, 'volumes')).filter((uid) => !pods.has(uid));
  if (volumes.length > 0) found.push(`volumes: ${volumes.join(' ')}`);

  const own = readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  const below = (prefix: string): readonly string[] => own.filter((path) => path.startsWith(`${prefix}/`));
  const roots = below(join(node.dataDir, 'images'));
  if (roots.length !== containers.length)
    found.push(`mounts of roots: ${roots.length} in place of ${containers.length}`);
  compare(
    'mounts of what pods share',
    below(join(places.memory, 's')).map((path) => path.slice(join(places.memory, 's').length + 1)),
    sandboxes.flatMap(({ id }) => ['net', 'ipc', 'uts', 'shm'].map((name) => `${id.slice(0, 32)}/${name}`)),
  );
  const strange = below(join(folder, 'volumes')).filter((path) => ![...pods.keys()].some((uid) => path.includes(uid)));
  if (strange.length > 0) found.push(`mounts of volumes: ${strange.join(' ')}`);

  const known = new Set([...containers, ...sandboxes].map(({ id }) => id));
  for (const place of Object.values(classCgroups(places.cgroup)))
    for (const at of cgroupFolders(machine.cgroups, place))
      for (const name of namesIn(at).filter((one) => one.startsWith('pod'))) {
        if (!pods.has(name.slice(3))) found.push(`cgroup ${join(at, name)}`);
        const inside = readdirSync(join(at, name), { withFileTypes: true }).filter((entry) => entry.isDirectory());
        for (const entry of inside) if (!known.has(entry.name)) found.push(`cgroup ${join(at, name, entry.name)}`);
      }

  const links = spawnSync(
    'ip',
    ['netns', 'exec', `coxswain-${node.nodeName}`, 'ip', '-o', 'link', 'show', 'type', 'veth'],
    {
      encoding: 'latin1',
    },
  ).stdout;
  compare(
    'links',
    [...links.matchAll(/^\d+: (p[0-9a-f]{12})@/gm)].map(([, name = '']) => name),
    [...pods.keys()].map(podLink),
  );
  const monitors = processesOf(places.memory);
  if (monitors.length > 1) found.push(`processes: ${monitors.map(({ command }) => command).join(', ')}`);
  return found;
}
