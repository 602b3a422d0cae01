/** Manifests for clusters for tests: the objects of files and folders, as `kubectl apply -f` takes them. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { readDocuments } from '#pkg/kubectl/files.ts';

/** The objects in the order of their files. Rejects for a path that is not there, a key that comes twice, and what is no manifest. */
export async function manifestsOf(paths: readonly string[]): Promise<readonly KubeObject[]> {
  if (paths.length === 0) return [];
  try {
    const documents = await readDocuments(paths, {
      recursive: false,
      readStdin: () => Promise.reject(new Error('there is no standard input here')),
      onDuplicates: (source, problem) => {
        throw new Error(`${source}: ${problem}`);
      },
    });
    return documents.map(({ document }) => document as KubeObject);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error: /, '') : String(error);
    throw new Error(`Cannot apply the manifests ${paths.join(', ')} as they cannot be read: ${why}`, { cause: error });
  }
}
