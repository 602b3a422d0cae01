/**
 * Builds an image of a Dockerfile, stage by stage. Every time in it is one that is given, files come in the order of their names, and steps that were taken before are
 * not taken again: the same sources give the same digest. Commands run where the caller runs them. Source: Docker's "Dockerfile reference".
 */
import { join } from 'node:path';
import type { Platform } from '../content/documents.ts';
import { digestOf } from '../digest.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import type { StoredImage } from '../image-store.ts';
import { type ImageReference, parseReference, wholeName } from '../reference.ts';
import type { BaseImage, BuildStore, BuiltLayer, RunBuildCommand } from './build-parts.ts';
import { CopySource } from './copied-files.ts';
import { type CopyContext, copyFiles, makeFolder } from './copy-instruction.ts';
import { type Dockerfile, type Instruction, parseDockerfile, type Stage, wrong } from './dockerfile.ts';
import type { IsIgnored } from './ignore.ts';
import {
  addNames,
  beginStage,
  continueStage,
  platformArguments,
  type StageState,
  setEnvironment,
  textOf,
  textsOf,
  variablesOf,
} from './stage.ts';
import { expanded, jsonList, pairs, words } from './words.ts';

/** What is built, and of what. */
export interface BuildOptions extends CopyContext {
  readonly store: BuildStore;
  readonly calls: SystemCalls;
  readonly dockerfile: string;
  /** Folder that files are copied from. */
  readonly context: string;
  readonly isIgnored: IsIgnored;
  readonly references: readonly ImageReference[];
  /** Values of `ARG`. */
  readonly arguments: ReadonlyMap<string, string>;
  /** Name of the stage that is wanted; undefined for the last one. */
  readonly target: string | undefined;
  readonly platform: Platform;
  /** Brings an image that is not there. */
  readonly pull: (reference: string) => Promise<void>;
  /** Undefined where commands cannot be run. */
  readonly run: RunBuildCommand | undefined;
  /** What commands print, and which step is taken. */
  readonly output: (text: string) => void;
  readonly signal: AbortSignal | undefined;
}

const scratch = 'scratch';

/** Builds; resolves with the image, which has its names. Rejects with `ImageStoreError`, naming the line. */
export async function buildImage(options: BuildOptions): Promise<StoredImage> {
  const build = new Build(parseDockerfile(options.dockerfile), options);
  return build.image();
}

class Build {
  readonly #file: Dockerfile;
  readonly #options: BuildOptions;
  readonly #stages = new Map<Stage, Promise<StageState>>();
  readonly #globals = new Map<string, string>();

  constructor(file: Dockerfile, options: BuildOptions) {
    this.#file = file;
    this.#options = options;
    for (const [name, value] of platformArguments(options.platform)) this.#globals.set(name, value);
    for (const instruction of file.globalArguments) this.#declare(instruction, this.#globals, this.#globals);
  }

  async image(): Promise<StoredImage> {
    const { target, platform, store, references } = this.#options;
    const stage = target === undefined ? this.#file.stages.at(-1) : this.#stageNamed(target, this.#file.stages.length);
    if (stage === undefined) throw wrong(1, `there is no stage "${target}"`);
    const { config, layers, history } = await this.#built(stage);
    const document = {
      architecture: platform.architecture,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      os: platform.os,
      created: this.#created,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history,
    };
    return store.addImage(document, layers, references);
  }

  get #created(): string {
    return new Date(this.#options.modified * 1000).toISOString();
  }

  /** Each stage is built once, and only when it is needed. */
  #built(stage: Stage): Promise<StageState> {
    const known = this.#stages.get(stage);
    if (known !== undefined) return known;
    const building = this.#build(stage);
    this.#stages.set(stage, building);
    return building;
  }

  async #build(stage: Stage): Promise<StageState> {
    const { output, signal } = this.#options;
    const state = await this.#begin(stage);
    for (const instruction of stage.instructions) {
      signal?.throwIfAborted();
      output(`line ${instruction.line}: ${instruction.name} ${instruction.text.replaceAll(/\s+/g, ' ')}\n`);
      const before = state.layers.length;
      await this.#step(instruction, state, stage);
      const isEmpty = state.layers.length === before;
      const said = [...instruction.flags].map(([name, value]) => `--${name}=${value}`);
      const createdBy = [instruction.name, ...said, instruction.text].join(' ');
      state.history.push({ created: this.#created, created_by: createdBy, ...(isEmpty ? { empty_layer: true } : {}) });
      state.key = digestOf(JSON.stringify([state.key, createdBy, state.layers.at(-1)?.diffId, state.config]));
    }
    return state;
  }

  async #begin(stage: Stage): Promise<StageState> {
    const { from } = stage;
    const [written = ''] = from.text.split(/\s+/);
    const name = expanded(written, this.#globals, from.line);
    if (name === '') throw wrong(from.line, `${written} names no image`);
    if (name === scratch) return beginStage(undefined, this.#options.modified);
    const earlier = this.#stageNamed(name, this.#file.stages.indexOf(stage));
    if (earlier !== undefined) return continueStage(await this.#built(earlier));
    return beginStage(await this.#base(name, from.line), this.#options.modified);
  }

  async #base(name: string, line: number): Promise<BaseImage> {
    const { store, pull } = this.#options;
    const whole = wholeName(parseReference(name));
    const there = await store.base(whole);
    if (there !== undefined) return there;
    await pull(whole);
    const pulled = await store.base(whole);
    if (pulled === undefined) throw wrong(line, `there is no image ${whole}`, 'failed');
    return pulled;
  }

  /** A stage before another, by its name or number. */
  #stageNamed(name: string, before: number): Stage | undefined {
    const earlier = this.#file.stages.slice(0, before);
    const byName = earlier.findLast((stage) => stage.name === name.toLowerCase());
    return byName ?? (/^\d+$/.test(name) ? earlier[Number(name)] : undefined);
  }

  async #step(instruction: Instruction, state: StageState, stage: Stage): Promise<void> {
    const { name, text, line } = instruction;
    const variables = variablesOf(state);
    const list = (): readonly string[] => jsonList(text) ?? words(text, variables, line);
    switch (name) {
      case 'ADD':
      case 'COPY':
        return this.#copy(instruction, state, stage);
      case 'RUN':
        return this.#run(instruction, state);
      case 'WORKDIR':
        return this.#workdir(expanded(text, variables, line), state);
      case 'ARG':
        this.#declare(instruction, state.arguments, variables);
        return;
      case 'ENV':
        for (const [key, value] of pairs(text, variables, line)) setEnvironment(state, key, value);
        return;
      case 'LABEL':
        addNames(state, 'Labels', pairs(text, variables, line));
        return;
      case 'EXPOSE':
        addNames(
          state,
          'ExposedPorts',
          list().map((port) => [port.includes('/') ? port : `${port}/tcp`, {}]),
        );
        return;
      case 'VOLUME':
        addNames(
          state,
          'Volumes',
          list().map((path) => [path, {}]),
        );
        return;
      case 'USER':
        state.config.User = expanded(text, variables, line);
        return;
      case 'STOPSIGNAL':
        state.config.StopSignal = expanded(text, variables, line);
        return;
      case 'SHELL':
        state.shell = this.#list(instruction);
        state.config.Shell = state.shell;
        return;
      case 'CMD':
        state.config.Cmd = this.#command(instruction, state);
        return;
      case 'ENTRYPOINT':
        state.config.Entrypoint = this.#command(instruction, state);
        // What the image below would run is nothing that this program asked for.
        delete state.config.Cmd;
        return;
      default:
        // What a maintainer is called is no part of an image any more.
        return;
    }
  }

  #list(instruction: Instruction): readonly string[] {
    const list = jsonList(instruction.text);
    if (list === undefined || list.length === 0)
      throw wrong(instruction.line, `${instruction.name} is to be a list in JSON`);
    return list;
  }

  #command({ text }: Instruction, { shell }: StageState): readonly string[] {
    return jsonList(text) ?? [...shell, text];
  }

  #declare({ text, line }: Instruction, into: Map<string, string>, variables: ReadonlyMap<string, string>): void {
    for (const word of text.split(/\s+(?=\w+(?:=|$))/)) {
      const equals = word.indexOf('=');
      const name = equals < 0 ? word : word.slice(0, equals);
      const given = this.#options.arguments.get(name);
      const fallback = equals < 0 ? this.#globals.get(name) : expanded(word.slice(equals + 1), variables, line);
      const value = given ?? fallback;
      if (value !== undefined) into.set(name, value);
    }
  }

  async #copy(instruction: Instruction, state: StageState, stage: Stage): Promise<void> {
    const { flags, text, line } = instruction;
    const variables = variablesOf(state);
    const paths = jsonList(text) ?? words(text, variables, line);
    const target = paths.at(-1);
    if (paths.length < 2 || target === undefined)
      throw wrong(line, `${instruction.name} is to be files and where they go`);
    if (instruction.name === 'ADD' && paths.some((path) => /^(?:https?|git|ssh):\/\/|^git@/.test(path)))
      throw wrong(line, 'ADD of addresses is not built here', 'unsupported');
    const flag = (name: string): string | undefined => {
      const value = flags.get(name);
      return value === undefined ? undefined : expanded(value, variables, line);
    };
    const common = { instruction, sources: paths.slice(0, -1), target, chown: flag('chown'), chmod: flag('chmod') };
    const { store, calls, context, isIgnored } = this.#options;
    const from = flag('from');
    if (from === undefined) {
      const source = new CopySource(context, { calls, isIgnored });
      return this.#add(state, await copyFiles(state, { ...common, from: source }, this.#options));
    }
    const earlier = this.#stageNamed(from, this.#file.stages.indexOf(stage));
    const layers = earlier === undefined ? (await this.#base(from, line)).layers : (await this.#built(earlier)).layers;
    await using root = await store.prepare(layers);
    const source = new CopySource(root.path, { calls, isIgnored: () => false });
    this.#add(state, await copyFiles(state, { ...common, from: source }, this.#options));
  }

  async #workdir(path: string, state: StageState): Promise<void> {
    const whole = join('/', path.startsWith('/') ? path : `${textOf(state.config.WorkingDir)}/${path}`);
    state.config.WorkingDir = whole;
    const layer = await makeFolder(state, whole, this.#options);
    if (layer !== undefined) this.#add(state, layer);
  }

  async #run(instruction: Instruction, state: StageState): Promise<void> {
    const { store, run, output, signal, modified } = this.#options;
    const { line } = instruction;
    if (run === undefined) throw wrong(line, 'commands cannot be run here', 'unsupported');
    const environment = [...state.arguments]
      .map(([name, value]) => `${name}=${value}`)
      .concat(textsOf(state.config.Env));
    const command = {
      arguments: this.#command(instruction, state),
      environment,
      workingDirectory: textOf(state.config.WorkingDir) || '/',
      user: textOf(state.config.User),
    };
    const key = digestOf(JSON.stringify(['RUN', state.key, command]));
    const cached = await store.cached(key);
    if (cached !== undefined) return this.#add(state, cached);
    await using root = await store.prepare(state.layers);
    const code = await run(root, command, { output, signal });
    if (code !== 0) throw wrong(line, `the command ended with ${code}`, 'failed');
    const layer = await store.addLayer(store.changes(root, modified));
    await store.remember(key, layer);
    this.#add(state, layer);
  }

  #add(state: StageState, layer: BuiltLayer): void {
    state.layers = [...state.layers, layer];
  }
}
