/**
 * The container engine that these tests need, and the image that stands for those of a registry: made of Debian's packages by `deploy/base/build.sh`,
 * it has Node, etcd and haproxy.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

/** Longest time for the making of images, on a slow machine. */
export const imagesMs = 900_000;

/** Why there can be no containers; undefined when an engine answers. */
export const noEngine: string | undefined = (() => {
  const { status, error } = spawnSync('docker', ['info'], { timeout: 30_000, stdio: 'ignore' });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return 'there is no docker command';
  return status === 0 ? undefined : 'no container engine answers to "docker info"';
})();

if (noEngine !== undefined) {
  // Where the run says that there is one, tests that do not run are no success.
  if (process.env.COXSWAIN_TEST_NEEDS_ENGINE === '1')
    throw new Error(`Cannot run the tests of containers: ${noEngine}`);
  console.log(`skipped: tests of containers: ${noEngine}`);
}

/** What the engine's programs are run with: the classic builder needs no image of its own to build with. */
export const engineEnv: Readonly<Record<string, string>> = { DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' };

/** Runs a program of the engine to its end; rejects with its output when it fails. */
export async function engine(command: string, args: readonly string[], env = engineEnv): Promise<string> {
  const result: CommandResult = await run(command, args, { env, timeoutMs: imagesMs });
  if (result.code === 0) return result.stdout;
  throw new Error(`${command} ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
}

/** Name of the image with Node, etcd and haproxy; made when the engine does not have it, and left there for the next run. */
export async function baseImage(): Promise<string> {
  const script = join(root, 'deploy/base/build.sh');
  const recipe = createHash('sha256').update(readFileSync(script)).update(process.version).digest('hex');
  const image = `coxswain-test-base:${recipe.slice(0, 12)}`;
  if ((await run('docker', ['image', 'inspect', image])).code !== 0) await engine(script, [image]);
  return image;
}
