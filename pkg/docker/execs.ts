/** Commands in containers: made by one request, run by another, and known until their container is gone. */
import { errorText } from '#pkg/base/error-text.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ContainerRuntime, ProcessWish } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import type { ProcessStreams, TerminalSize } from '#pkg/kubelet/runtime/streams.ts';
import type { DockerContainer } from './containers.ts';
import { DockerError } from './docker-error.ts';

/** What a command is to be. */
export interface ExecWish extends ProcessWish {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
}

/** A command. */
export interface DockerExec {
  readonly id: string;
  readonly container: DockerContainer;
  readonly wish: ExecWish;
  state: 'created' | 'exited' | 'running';
  exitCode: number | undefined;
  resize: (size: TerminalSize) => void;
}

/** Commands that are kept: one in a loop of a health check is soon forgotten. */
const execsMax = 10_000;

/** The commands. */
export class Execs {
  readonly #runtime: ContainerRuntime;
  readonly #random: Random;
  readonly #byId = new Map<string, DockerExec>();

  constructor(runtime: ContainerRuntime, random: Random) {
    this.#runtime = runtime;
    this.#random = random;
  }

  /** Those of a container. */
  idsOf(container: DockerContainer): readonly string[] {
    return [...this.#byId.values()].filter((one) => one.container === container).map(({ id }) => id);
  }

  /** Throws 404. */
  find(id: string): DockerExec {
    const found = this.#byId.get(id);
    if (found === undefined) throw new DockerError(404, `No such exec instance: ${id}`);
    return found;
  }

  /** Throws 409 for a container that does not run. */
  create(container: DockerContainer, wish: ExecWish): DockerExec {
    if (container.state !== 'running') throw new DockerError(409, `Container ${container.id} is not running`);
    if (wish.command.length === 0) throw new DockerError(400, 'No exec command specified');
    const id = (this.#random.uuid() + this.#random.uuid()).replaceAll('-', '');
    const exec: DockerExec = { id, container, wish, state: 'created', exitCode: undefined, resize: () => {} };
    this.#byId.set(id, exec);
    void container.removed.promise.then(() => this.#byId.delete(id));
    if (this.#byId.size > execsMax) this.#forgetOldest();
    return exec;
  }

  /** Runs it; its end is noted once its output has ended. Throws 409 where it has run already. */
  async start(exec: DockerExec, signal: AbortSignal | undefined): Promise<ProcessStreams> {
    if (exec.state !== 'created') throw new DockerError(409, `Error: Exec command ${exec.id} has already run`);
    const { container, wish } = exec;
    exec.state = 'running';
    const ended = (exitCode: number): void => {
      exec.state = 'exited';
      exec.exitCode = exitCode;
    };
    try {
      const streams = await this.#runtime.execAs(container.runtimeId, {
        ...wish,
        stdin: wish.attachStdin,
        ...(signal === undefined ? {} : { signal }),
      });
      exec.resize = (size) => streams.resize(size);
      void streams.exitCode.then(ended, () => ended(killed));
      return streams;
    } catch (error) {
      ended(/no such file|not found/.test(errorText(error)) ? notFound : notStarted);
      throw error;
    }
  }

  #forgetOldest(): void {
    const oldest = [...this.#byId.values()].find(({ state }) => state !== 'running');
    if (oldest !== undefined) this.#byId.delete(oldest.id);
  }
}

/** Source: exit codes of `docker exec`. */
const notFound = 127;
const notStarted = 126;
const killed = 137;
