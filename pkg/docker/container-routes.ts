/** Endpoints of containers. Source: Docker Engine API 1.41, "Containers". */
import type { Call } from './call.ts';
import { carry } from './carry.ts';
import { containerDetails, containerSummary, stateText } from './container-views.ts';
import type { DockerContainer } from './containers.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import type { Route } from './route.ts';
import { streamPiece } from './stdcopy.ts';
import { containerWish } from './wish.ts';

/** The endpoints. */
export const containerRoutes: readonly Route[] = [
  { method: 'GET', path: '/containers/json', handle: list },
  { method: 'POST', path: '/containers/create', handle: create },
  { method: 'POST', path: '/containers/prune', handle: prune },
  { method: 'GET', path: '/containers/{id}/json', handle: inspect },
  { method: 'GET', path: '/containers/{id}/logs', handle: logs },
  { method: 'POST', path: '/containers/{id}/attach', handle: attach },
  { method: 'POST', path: '/containers/{id}/start', handle: start },
  { method: 'POST', path: '/containers/{id}/stop', handle: stop },
  { method: 'POST', path: '/containers/{id}/pause', handle: pause },
  { method: 'POST', path: '/containers/{id}/unpause', handle: unpause },
  { method: 'POST', path: '/containers/{id}/kill', handle: kill },
  { method: 'POST', path: '/containers/{id}/wait', handle: wait },
  { method: 'POST', path: '/containers/{id}/resize', handle: resize },
  { method: 'POST', path: '/containers/{id}/rename', handle: rename },
  { method: 'DELETE', path: '/containers/{id}', handle: remove },
];

function named(call: Call, { containers }: Engine): DockerContainer {
  return containers.find(call.name('id'));
}

const listFilters = ['ancestor', 'exited', 'id', 'label', 'name', 'status'];

function list(call: Call, { containers, clock, network }: Engine): void {
  const filters = call.filters(listFilters);
  const limit = call.number('limit') ?? 0;
  const isAll = call.flag('all') || limit > 0 || filters.has('status') || filters.has('exited');
  const found = containers
    .list()
    .filter((container) => isAll || container.state === 'running')
    .filter((container) => [...filters].every(([name, wanted]) => fits(container, name, wanted)));
  const rows = limit > 0 ? found.slice(0, limit) : found;
  call.send(
    200,
    rows.map((container) => containerSummary(container, clock.nowMs(), network)),
  );
}

function fits(container: DockerContainer, filter: string, wanted: readonly string[]): boolean {
  const { id, name, image, state, wish, exitCode } = container;
  switch (filter) {
    case 'id':
      return wanted.some((one) => id.startsWith(one));
    case 'name':
      return wanted.some((one) => name.includes(one.replace(/^[/^]+|\$$/g, '')));
    case 'status':
      return wanted.includes(stateText(container));
    case 'exited':
      return state === 'exited' && wanted.includes(String(exitCode));
    case 'ancestor':
      return wanted.some((one) => one === wish.image || one === image.id || image.tags.includes(one));
    default:
      return wanted.every((one) => hasLabel({ ...image.config.labels, ...wish.labels }, one));
  }
}

/** Whether labels have a name, or a name with a value. */
function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const name = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(labels, name) && (equals < 0 || labels[name] === wanted.slice(equals + 1));
}

async function create(call: Call, { containers }: Engine): Promise<void> {
  const body = await call.json();
  const { id } = await containers.create(containerWish(body), call.text('name'));
  call.send(201, { Id: id, Warnings: [] });
}

async function inspect(call: Call, engine: Engine): Promise<void> {
  const container = named(call, engine);
  const { execs, network, runtime } = engine;
  const { pid = 0 } = runtime.placeOf(container.runtimeId);
  call.send(200, containerDetails(container, network, execs.idsOf(container), pid));
}

async function start(call: Call, engine: Engine): Promise<void> {
  await engine.containers.start(named(call, engine));
  call.done();
}

async function stop(call: Call, engine: Engine): Promise<void> {
  const container = named(call, engine);
  const seconds = call.number('t') ?? container.wish.stopSeconds;
  await engine.containers.stop(container, Math.max(0, seconds) * 1000);
  call.done();
}

async function pause(call: Call, engine: Engine): Promise<void> {
  await engine.containers.pause(named(call, engine));
  call.done();
}

async function unpause(call: Call, engine: Engine): Promise<void> {
  await engine.containers.unpause(named(call, engine));
  call.done();
}

async function kill(call: Call, engine: Engine): Promise<void> {
  await engine.containers.kill(named(call, engine), call.text('signal') || 'KILL');
  call.done();
}

/** The head is sent at once, as clients wait before they start the container. */
async function wait(call: Call, engine: Engine): Promise<void> {
  const container = named(call, engine);
  const condition = call.text('condition') || 'not-running';
  if (!['next-exit', 'not-running', 'removed'].includes(condition))
    throw new DockerError(400, `invalid condition: "${condition}"`);
  const lines = call.lines();
  if (condition === 'removed') await container.removed.promise;
  else if (condition === 'next-exit' || container.state === 'running') await container.exited.promise;
  lines.write({ StatusCode: container.exitCode });
  lines.end();
}

async function remove(call: Call, engine: Engine): Promise<void> {
  await engine.containers.remove(named(call, engine), { force: call.flag('force') });
  call.done();
}

async function prune(call: Call, { containers }: Engine): Promise<void> {
  const filters = call.filters(['label']);
  const over = containers
    .list()
    .filter(({ state }) => state !== 'running')
    .filter((container) => [...filters].every(([name, wanted]) => fits(container, name, wanted)));
  for (const container of over) await containers.remove(container, { force: false });
  call.send(200, { ContainersDeleted: over.map(({ id }) => id), SpaceReclaimed: 0 });
}

function rename(call: Call, engine: Engine): void {
  engine.containers.rename(named(call, engine), call.text('name'));
  call.done();
}

function resize(call: Call, engine: Engine): void {
  const { terminals } = named(call, engine);
  for (const tell of terminals) tell({ columns: call.number('w') ?? 0, rows: call.number('h') ?? 0 });
  call.done(200);
}

/** Streams of the container's program, also before it is started. With `logs` what it has written before comes first. */
async function attach(call: Call, engine: Engine): Promise<void> {
  const container = named(call, engine);
  const { wish, terminals } = container;
  const [stdout, stderr] = [call.flag('stdout'), call.flag('stderr')];
  if (!call.flag('stream') || container.state === 'exited') {
    const way = call.stream();
    if (call.flag('logs')) await writeLogs({ container, engine, stdout, stderr, write: (bytes) => way.write(bytes) });
    way.end();
    return;
  }
  const streams = await engine.runtime.attachEarly(container.runtimeId, {
    stdin: call.flag('stdin') && wish.openStdin,
    signal: call.signal,
  });
  const tell = streams.resize.bind(streams);
  terminals.add(tell);
  const way = call.stream();
  if (call.flag('logs')) await writeLogs({ container, engine, stdout, stderr, write: (bytes) => way.write(bytes) });
  const begun = container.begun.promise;
  await carry(way, { streams, tty: wish.tty, stdin: call.flag('stdin'), stdout, stderr, begun });
  terminals.delete(tell);
}

/** What it has written, and with `follow` what it will. */
async function logs(call: Call, engine: Engine): Promise<void> {
  const container = named(call, engine);
  const [stdout, stderr] = [call.flag('stdout'), call.flag('stderr')];
  if (!stdout && !stderr) throw new DockerError(400, 'Bad parameters: you must choose at least one stream');
  const tail = call.text('tail');
  const since = call.text('since');
  const way = call.stream();
  await writeLogs({
    container,
    engine,
    stdout,
    stderr,
    follow: call.flag('follow'),
    hasTimes: call.flag('timestamps'),
    ...(tail === '' || tail === 'all' || Number(tail) < 0 ? {} : { tailLines: Number(tail) }),
    ...(since === '' || since === '0' ? {} : { sinceMs: timeOf(since) }),
    signal: call.signal,
    write: (bytes) => way.write(bytes),
  });
  way.end();
}

interface LogWish {
  readonly container: DockerContainer;
  readonly engine: Engine;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow?: boolean;
  readonly hasTimes?: boolean;
  readonly tailLines?: number;
  readonly sinceMs?: number;
  readonly signal?: AbortSignal;
  write(bytes: Uint8Array): Promise<void>;
}

async function writeLogs({ container, engine, stdout, stderr, hasTimes, write, ...options }: LogWish): Promise<void> {
  // One that was never started has none, and does not end.
  if (container.state === 'created' && options.follow === true) await container.begun.promise;
  for await (const line of engine.runtime.inspection.logs(container.runtimeId, options)) {
    if (!(line.stream === 'stdout' ? stdout : stderr)) continue;
    const time = hasTimes === true ? `${new Date(line.timeMs).toISOString()} ` : '';
    const end = line.partial === true ? '' : container.wish.tty ? '\r\n' : '\n';
    const bytes = Buffer.from(`${time}${line.text}${end}`);
    await write(container.wish.tty ? bytes : streamPiece(line.stream, bytes));
  }
}

/** Seconds, with a fraction, or a date. */
function timeOf(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(ms)) throw new DockerError(400, `invalid value for "since": ${text}`);
  return ms;
}
