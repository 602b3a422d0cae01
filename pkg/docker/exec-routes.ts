/** Endpoints of commands in containers. Source: Docker Engine API 1.41, "Exec". */
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Call } from './call.ts';
import { carry } from './carry.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import type { Route } from './route.ts';
import { streamPiece } from './stdcopy.ts';

/** The endpoints. */
export const execRoutes: readonly Route[] = [
  { method: 'POST', path: '/containers/{id}/exec', handle: create },
  { method: 'POST', path: '/exec/{id}/start', handle: start },
  { method: 'POST', path: '/exec/{id}/resize', handle: resize },
  { method: 'GET', path: '/exec/{id}/json', handle: inspect },
];

async function create(call: Call, { containers, execs }: Engine): Promise<void> {
  const container = containers.find(call.name('id'));
  const body = await call.json();
  if (body.Privileged === true)
    throw new DockerError(501, "privileged commands are not supported by Coxswain's Docker socket");
  const { id } = execs.create(container, {
    command: texts(body.Cmd, 'Cmd'),
    environment: texts(body.Env, 'Env').filter((entry) => entry.includes('=')),
    user: text(body.User),
    workingDirectory: text(body.WorkingDir),
    tty: body.Tty === true,
    attachStdin: body.AttachStdin === true,
    attachStdout: body.AttachStdout === true,
    attachStderr: body.AttachStderr === true,
  });
  call.send(201, { Id: id });
}

async function start(call: Call, { execs }: Engine): Promise<void> {
  const exec = execs.find(call.name('id'));
  const body = await call.json();
  const { wish } = exec;
  if (isObject(body) && body.Detach === true) {
    const { stdin, stdout, stderr } = await execs.start(exec, undefined);
    stdin?.end();
    // Nobody reads it: the command is not to wait for that.
    for (const output of [stdout, stderr]) void drained(output);
    call.done(200);
    return;
  }
  if (exec.state !== 'created') throw new DockerError(409, `Error: Exec command ${exec.id} has already run`);
  const way = call.stream();
  const { tty, attachStdin: stdin, attachStdout: stdout, attachStderr: stderr } = wish;
  try {
    const streams = await execs.start(exec, call.signal);
    await carry(way, { streams, tty, stdin, stdout, stderr });
  } catch (error) {
    // What cannot be run says so where its output would be, as with Docker's.
    const words = Buffer.from(`OCI runtime exec failed: ${errorText(error)}\r\n`);
    await way.write(tty ? words : streamPiece('stdout', words));
    way.end();
  }
}

function resize(call: Call, { execs }: Engine): void {
  execs.find(call.name('id')).resize({ columns: call.number('w') ?? 0, rows: call.number('h') ?? 0 });
  call.done(201);
}

function inspect(call: Call, { execs }: Engine): void {
  const { id, container, exitCode, state, wish } = execs.find(call.name('id'));
  const [entrypoint, ...rest] = wish.command;
  call.send(200, {
    ID: id,
    Running: state === 'running',
    ExitCode: exitCode ?? null,
    ProcessConfig: { tty: wish.tty, entrypoint, arguments: rest, privileged: false, user: wish.user },
    OpenStdin: wish.attachStdin,
    OpenStdout: wish.attachStdout,
    OpenStderr: wish.attachStderr,
    CanRemove: false,
    ContainerID: container.id,
    DetachKeys: '',
    Pid: 0,
  });
}

async function drained(output: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of output);
}

function texts(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw new DockerError(400, `invalid value for ${name}: a list of texts is expected`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
