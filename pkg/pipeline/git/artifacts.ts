/** What a run made, as one archive: the folder that its steps have at `/artifacts`. Steps may still write there; links are kept as links and lead nowhere here. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { archiveOf } from '#pkg/images/tar/folder-archive.ts';
import { OpenRoot } from '#pkg/images/tar/open-root.ts';

/** One request for them. */
export interface ArtifactsRequest {
  /** Where they lie. */
  readonly folder: string;
  /** What the archive's folder and the file are named by. */
  readonly name: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Resolves when they are sent; to false where there are none. Rejects where the disk fails or the client goes away. */
export async function sendArtifacts({ folder, name, request, response }: ArtifactsRequest): Promise<boolean> {
  const opened = await OpenRoot.open(folder).catch(() => undefined);
  if (opened === undefined) return false;
  await using root = opened;
  const place = await root.at('', { followsLast: false, makes: false });
  if (place === undefined) return false;
  try {
    response.writeHead(200, {
      'content-type': 'application/gzip',
      'content-disposition': `attachment; filename="${name}.artifacts.tar.gz"`,
    });
    if (request.method === 'HEAD') response.end();
    else await pipeline(Readable.from(archiveOf(place, name, '')), createGzip(), response);
    return true;
  } finally {
    await place.close();
  }
}
