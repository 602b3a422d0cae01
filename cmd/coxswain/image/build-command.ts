/** `coxswain image build`: an image of a Dockerfile and the files beside it. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { repeated, text } from '#pkg/component/flags.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { RunBuildCommand } from '#pkg/images/build/build-parts.ts';
import { buildImage } from '#pkg/images/build/builder.ts';
import { ignoreFile } from '#pkg/images/build/ignore.ts';
import { platformOfMachine } from '#pkg/images/content/platform.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { parseReference } from '#pkg/images/reference.ts';
import { buildRunner, endLeftCommand } from '#pkg/kubelet/runtime/container/build-runner.ts';
import { readMachine } from '#pkg/kubelet/runtime/container/machine.ts';
import { formatted, outputFlag } from '../output.ts';
import type { World } from '../world.ts';
import { imageCommand, shortId } from './image-command.ts';
import { loginsFor } from './logins.ts';
import { imagesFlags, openImages, withoutWarnings } from './open-images.ts';

const flags = {
  ...imagesFlags,
  tag: repeated({ help: 'Name that the image gets; may be given several times.', short: 't', placeholder: 'name' }),
  file: text({ help: 'The Dockerfile. Default: Dockerfile in the folder.', short: 'f', placeholder: 'file' }),
  'build-arg': repeated({ help: 'Value of an ARG; may be given several times.', placeholder: 'name=value' }),
  target: text({ help: 'Stage that is wanted. Default: the last one.', placeholder: 'stage' }),
  'oci-runtime': text({
    help: 'Program that runs commands of the Dockerfile.',
    fallback: 'runc',
    placeholder: 'program',
  }),
  output: outputFlag,
};

/** `coxswain image build`. */
export const build = imageCommand({
  name: 'build',
  summary: 'Build an image of a Dockerfile and the files in its folder.',
  takes: 'FOLDER',
  least: 1,
  most: 1,
  flags,
  async run(world, values, [folder = '']) {
    const context = resolve(folder);
    const references = values.tag.map(parseReference);
    const name = values.tag[0];
    if (name === undefined) throw new UserError('say with --tag which name the image is to have');
    const store = await openImages(world, values);
    await store.releaseLeft(endLeftCommand);
    await using forBuild = await store.forBuild();
    const image = await breakable(world, async (signal) =>
      buildImage({
        store: forBuild,
        calls: await withoutWarnings(systemCalls),
        dockerfile: await readText(values.file === '' ? join(context, 'Dockerfile') : resolve(values.file)),
        context,
        isIgnored: ignoreFile(await readText(join(context, '.dockerignore'), '')),
        references,
        arguments: new Map(values['build-arg'].map((pair) => argumentOf(pair, world))),
        target: values.target === '' ? undefined : values.target,
        platform: platformOfMachine(process.arch),
        pull: async (reference) => void (await store.pull(reference, { logins: await loginsFor(world, reference) })),
        run: await runnerOf(world, values['oci-runtime']),
        output: (line) => world.writeError(line),
        modified: epochOf(world),
        signal,
      }),
    );
    if (values.output !== '') world.write(await formatted(image, values.output));
    else world.write(`Built ${shortId(image.id)} as ${values.tag.join(', ')}\n`);
    return 0;
  },
});

/** A build that is to end leaves no container behind that goes on with its command. */
async function breakable<T>({ clock }: World, build: (signal: AbortSignal) => Promise<T>): Promise<T> {
  let built: { readonly value: T } | undefined;
  await runUntilSignal({ signals: process, clock, forceExit: (code) => process.exit(code) }, async (signal) => {
    try {
      built = { value: await build(signal) };
    } catch (error) {
      throw signal.aborted ? new UserError('the build was broken off', error) : error;
    }
  });
  if (built === undefined) throw new UserError('the build was broken off');
  return built.value;
}

async function runnerOf({ random }: World, program: string): Promise<RunBuildCommand | undefined> {
  const machine = await readMachine(process.arch);
  return machine === undefined ? undefined : buildRunner({ machine, program, random });
}

/** A name alone takes its value from the environment, as with other builders. */
function argumentOf(pair: string, { environment }: World): readonly [string, string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? [pair, environment[pair] ?? ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** The time that all files get. Source: reproducible-builds.org, `SOURCE_DATE_EPOCH`. */
function epochOf({ environment }: World): number {
  const said = environment.SOURCE_DATE_EPOCH ?? '0';
  if (/^\d{1,11}$/.test(said)) return Number(said);
  throw new UserError(`Cannot use SOURCE_DATE_EPOCH="${said}": it must be a number of seconds`);
}

async function readText(path: string, fallback?: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (fallback !== undefined && errorCode(error) === 'ENOENT') return fallback;
    throw error;
  }
}
