/** The image `coxswain.dev/pipeline`: the Git server and the controllers of the delivery pipeline, in the pod of the addon. */
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { createPipelineServer } from '#pkg/pipeline/pipeline-server.ts';
import { podDeps, podTransport } from '../program-parts.ts';
import { folderVariable, gitPort, imageCommandVariable, runtimeClassVariable } from './places.ts';

/** A list of words in JSON. */
function wordsOf(json: string): readonly string[] {
  const words: unknown = JSON.parse(json);
  return Array.isArray(words) ? words.map(String) : [];
}

/** The image's program. */
export const program: Program = {
  async main(context) {
    const {
      [folderVariable]: folder,
      [runtimeClassVariable]: moduleRuntimeClass,
      [imageCommandVariable]: command,
    } = context.env;
    if (folder === undefined) {
      context.error(
        `Cannot serve repositories without ${folderVariable}: it is the folder of the machine that keeps them`,
      );
      return 1;
    }
    const transport = podTransport(context);
    try {
      const server = createPipelineServer({
        deps: podDeps(context, transport),
        folder,
        steps: {
          ...(moduleRuntimeClass === undefined ? {} : { moduleRuntimeClass }),
          ...(command === undefined ? {} : { imageCommand: wordsOf(command) }),
        },
        host: context.ip,
        port: gitPort,
        path: context.env.PATH,
        onListening: ({ host, port }) =>
          context.log(`Serving repositories at http://${host}:${port}/NAMESPACE/NAME.git`),
      });
      await server.run(context.signal);
    } finally {
      await transport.close();
    }
    return 0;
  },
};
